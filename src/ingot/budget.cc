// ingot budget list|show|create|set|delete
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/time.h"
#include "ingot/client.h"
#include "ingot/output.h"
#include "policy/prices.h"

namespace ingot {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kBar = 20, kMostWork = 10;

std::string text(const Json& object, std::initializer_list<std::string_view> path) {
  return std::string(string_at(object, path));
}
int64_t micro(const Json& object, std::initializer_list<std::string_view> path) {
  return policy::parse_amount(string_at(object, path)).value_or(0);
}

std::string budget_path(const std::string& name) {
  return fmt::format("{}/budgets/{}", kFactoryApi, query_value(name));
}

// "[#########++---------]": spent, committed, left.
std::string bar(const Json& b) {
  const auto part = [&](int64_t of) {
    const int64_t amount = micro(b, {"amount"});
    return amount > 0 ? size_t(std::clamp<double>(double(of) / double(amount), 0, 1) * double(kBar) + 0.5)
                      : 0;
  };
  const size_t spent = part(micro(b, {"spent"})),
               foreseen = std::max(spent, part(micro(b, {"spent"}) + micro(b, {"committed"})));
  return "[" + std::string(spent, '#') + std::string(foreseen - spent, '+') +
         std::string(kBar - foreseen, '-') + "]";
}

std::string percent(const Json& b) {
  const int64_t amount = micro(b, {"amount"});
  return amount > 0 ? fmt::format("{:.0f} %", 100 * double(micro(b, {"spent"})) / double(amount)) : "";
}

std::string scope_text(const Json& b) {
  std::string out;
  for (const auto& [field, noun] : {std::pair("tenants", "tenant"), std::pair("queues", "queue")}) {
    const JsonArray& names = api::array_at(b, {field});
    if (names.empty()) continue;
    out += fmt::format("{}{}{}", out.empty() ? "" : " in ", noun, names.size() == 1 ? " " : "s ");
    for (const Json& name : names)
      out += fmt::format("{}{}", &name == &names.front() ? "" : ", ", string_at(name, {}));
  }
  return out.empty() ? "all" : out;
}

std::string lasts(const Json& b) {
  if (micro(b, {"perHour"}) == 0) return "nothing runs";
  if (micro(b, {"remaining"}) == 0) return "it is spent";
  const std::string until = text(b, {"lastsUntil"});
  return until.empty() ? "for the " + text(b, {"period"}) : "until " + clock_text(until);
}

Result<JsonArray> summaries(Client& client, const std::string& name = "") {
  auto told = client.get(fmt::format("{}/budgetsummaries{}", client.own_api(),
                                     name.empty() ? "" : "?name=" + query_value(name)));
  if (!told) return fail(told.error());
  return api::array_at(*told, {"budgets"});
}

// What it costs in this period, of work that runs and work that has ended; none: a budget of queues, of which the ledger's
// sums know nothing.
Result<JsonArray> work_of(Client& client, const Json& b) {
  if (!api::array_at(b, {"queues"}).empty()) return api::array_at(b, {"work"});
  const auto begin = parse_rfc3339(string_at(b, {"periodStart"}));
  const auto now = std::chrono::system_clock::now();
  const int64_t seconds = begin ? std::chrono::duration_cast<std::chrono::seconds>(now - *begin).count() : 0;
  auto used = client.get(
      fmt::format("{}/usage?pods=true&sinceSeconds={}", client.own_api(), std::max<int64_t>(seconds, 1)));
  if (!used) return fail(used.error());
  const JsonArray& tenants = api::array_at(b, {"tenants"});
  JsonArray all;
  for (const Json& t : api::array_at(*used, {"tenants"})) {
    const std::string_view name = string_at(t, {"tenant"});
    const bool counts = string_at(t, {"currency"}) == string_at(b, {"currency"}) &&
                        (tenants.empty() || std::ranges::any_of(tenants, [&](const Json& one) {
                           return string_at(one, {}) == name;
                         }));
    if (!counts) continue;
    for (const Json& pod : api::array_at(t, {"pods"}))
      all.push_back(JsonObject{{"tenant", name},
                               {"namespace", string_at(pod, {"namespace"})},
                               {"pod", string_at(pod, {"pod"})},
                               {"cost", policy::shown_micro(micro(pod, {"cost"}))},
                               {"to", string_at(pod, {"to"})}});
  }
  std::ranges::sort(all, [](const Json& a, const Json& b) {
    const int64_t x = micro(a, {"cost"}), y = micro(b, {"cost"});
    return x != y ? x > y : string_at(a, {"pod"}) < string_at(b, {"pod"});
  });
  if (all.size() > kMostWork) all.resize(kMostWork);
  // Of what runs it is known how it goes on.
  for (Json& one : all)
    for (const Json& runs : api::array_at(b, {"work"}))
      if (text(one, {"tenant"}) == text(runs, {"tenant"}) &&
          text(one, {"namespace"}) == text(runs, {"namespace"}) && text(one, {"pod"}) == text(runs, {"pod"}))
        for (const std::string_view field : {"perHour", "expectedEnd"})
          api::set(one, {field}, string_at(runs, {field}));
  return all;
}

void print_work(const JsonArray& work) {
  Table table({"DEAREST WORK", "COST", "AN HOUR", "EXPECTED TO END"});
  table.right(1).right(2);
  for (const Json& w : work) {
    const std::string end = text(w, {"expectedEnd"});
    table.row({fmt::format("{}/{}/{}", text(w, {"tenant"}), text(w, {"namespace"}), text(w, {"pod"})),
               text(w, {"cost"}), text(w, {"perHour"}), end.empty() ? "ended" : clock_text(end)});
  }
  table.print();
}

// "80%=LowerPriority", "400=notify": {at, action}.
std::expected<Json, std::string> limit_of(std::string_view option, const std::string& given) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kActions{
      {{"notify", "Notify"}, {"lower-priority", "LowerPriority"}, {"hold-new", "HoldNew"}, {"stop", "Stop"}}};
  const size_t equals = given.find('=');
  const std::string action = equals == given.npos ? "" : given.substr(equals + 1);
  for (const auto& [word, name] : kActions)
    if (action == word || action == name)
      return JsonObject{{"at", given.substr(0, equals)}, {"action", name}};
  return std::unexpected(
      fmt::format("--{} \"{}\": give AT=ACTION, such as 80%=lower-priority; the actions are notify, "
                  "lower-priority, hold-new, stop",
                  option, given));
}

std::expected<JsonObject, std::string> spec_of(const BudgetOptions& in) {
  JsonObject spec, scope, limits;
  if (!in.tenants.empty()) scope["tenants"] = JsonArray(in.tenants.begin(), in.tenants.end());
  if (!in.queues.empty()) scope["queues"] = JsonArray(in.queues.begin(), in.queues.end());
  if (!scope.empty()) spec["scope"] = std::move(scope);
  for (const auto& [field, value] : {std::pair("amount", &in.amount),
                                     {"currency", &in.currency},
                                     {"period", &in.period},
                                     {"assumedRunTime", &in.assumed}})
    if (!value->empty()) spec[field] = *value;
  for (const auto& [field, value] : {std::pair("hard", &in.hard), std::pair("soft", &in.soft)}) {
    if (value->empty()) continue;
    if (*value == "none" && field == std::string_view("soft")) {
      limits[field] = nullptr;
      continue;
    }
    auto limit = limit_of(field, *value);
    if (!limit) return std::unexpected(limit.error());
    limits[field] = *std::move(limit);
  }
  if (!limits.empty()) spec["limits"] = std::move(limits);
  return spec;
}

int tell(const Common& common, const Json& object, std::string_view done) {
  if (common.json)
    print_json(object);
  else
    fmt::print("budget {} {}: {} {} a {}\n", text(object, {"metadata", "name"}), done,
               text(object, {"spec", "amount"}), text(object, {"spec", "currency"}),
               text(object, {"spec", "period"}));
  return kOk;
}

}  // namespace

int budget_list(const Common& common) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto budgets = summaries(*client);
  if (!budgets) return failed(budgets.error());
  if (common.json) {
    print_json(*budgets);
    return kOk;
  }
  Table table({"BUDGET", "SCOPE", "PERIOD", "AMOUNT", "SPENT", "COMMITTED", "REMAINING", "", "", "PHASE",
               "LASTS", "HELD"});
  for (const size_t column : {3, 4, 5, 6, 8, 11}) table.right(column);
  for (const Json& b : *budgets)
    table.row({text(b, {"budget"}), scope_text(b), text(b, {"period"}),
               text(b, {"amount"}) + " " + text(b, {"currency"}), text(b, {"spent"}), text(b, {"committed"}),
               text(b, {"remaining"}), bar(b), percent(b), text(b, {"phase"}), lasts(b),
               std::to_string(api::int_at(b, {"held"}).value_or(0))});
  table.print();
  return kOk;
}

int budget_show(const Common& common, const BudgetOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto budgets = summaries(*client, options.name);
  if (!budgets) return failed(budgets.error());
  if (budgets->empty())
    return failed(
        fmt::format("there is no budget \"{}\": `ingot budget list` shows those there are", options.name));
  Json& b = budgets->front();
  auto work = work_of(*client, b);
  if (!work) return failed(work.error());
  api::set(b, {"work"}, *work);
  if (common.json) {
    print_json(b);
    return kOk;
  }
  const std::string currency = text(b, {"currency"});
  fmt::print("{}  {}  {}\n", text(b, {"budget"}), scope_text(b), text(b, {"phase"}));
  fmt::print("  {} {}  spent {} of {} {}, {} more committed, {} remain\n", bar(b), percent(b),
             text(b, {"spent"}), text(b, {"amount"}), currency, text(b, {"committed"}),
             text(b, {"remaining"}));
  fmt::print("  this {}: {} to {}\n", text(b, {"period"}), text(b, {"periodStart"}), text(b, {"periodEnd"}));
  if (micro(b, {"perHour"}) > 0)
    fmt::print("  at {} {} an hour it lasts {}\n", text(b, {"perHour"}), currency, lasts(b));
  for (const char* which : {"soft", "hard"})
    if (api::find(b, {"limits", which}))
      fmt::print("  {} limit {}: {}\n", which, text(b, {"limits", which, "at"}),
                 text(b, {"limits", which, "action"}));
  const int64_t running = api::int_at(b, {"running"}).value_or(0),
                held = api::int_at(b, {"held"}).value_or(0);
  fmt::print("  {} pod{} running, {} held for money\n", running, running == 1 ? "" : "s", held);
  const std::string phase = text(b, {"phase"});
  if (phase == "Unknown" || phase == "Counting") fmt::print("  {}\n", text(b, {"message"}));
  if (!work->empty()) print_work(*work);
  return kOk;
}

int budget_create(const Common& common, const BudgetOptions& options) {
  auto spec = spec_of(options);
  if (!spec) {
    (void)failed(spec.error());
    return kUsage;
  }
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  const Json object = JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                 {"kind", "Budget"},
                                 {"metadata", JsonObject{{"name", options.name}}},
                                 {"spec", *std::move(spec)}};
  auto made = client->call("POST", fmt::format("{}/budgets", kFactoryApi), &object);
  if (!made) return failed(made.error());
  return tell(common, *made, "created");
}

int budget_set(const Common& common, const BudgetOptions& options) {
  auto spec = spec_of(options);
  if (!spec || spec->empty()) {
    (void)failed(spec ? "nothing to set: give --amount, --soft, --hard, --tenant, --queue, --period or "
                        "--assumed-run-time"
                      : spec.error());
    return kUsage;
  }
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  const Json patch = JsonObject{{"spec", *std::move(spec)}};
  auto changed = client->call("PATCH", budget_path(options.name), &patch);
  if (!changed) return failed(changed.error());
  return tell(common, *changed, "changed");
}

int budget_delete(const Common& common, const BudgetOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto gone = client->call("DELETE", budget_path(options.name));
  if (!gone) return failed(gone.error());
  fmt::print("budget {} deleted\n", options.name);
  return kOk;
}

}  // namespace ingot
