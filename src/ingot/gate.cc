// ingot gate list|show|check|except|verdicts
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "api/parse.h"
#include "ingot/gate_view.h"
#include "ingot/output.h"

namespace ingot {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kLargestFile = 3u << 20;
constexpr std::string_view kKinds[] = {"security", "privacy", "budget", "quality"};

std::string joined(const JsonArray& names) {
  std::string out;
  for (const Json& name : names) out += (out.empty() ? "" : ", ") + std::string(string_at(name, {}));
  return out;
}

// "tenants vision; models digits*"; "everybody".
std::string whom(const Json& gate) {
  std::string out;
  for (const std::string_view field : {"tenants", "queues", "pipelines", "models"})
    if (const std::string names = joined(api::array_at(gate, {"spec", "match", field})); !names.empty())
      out += fmt::format("{}{} {}", out.empty() ? "" : "; ", field, names);
  return out.empty() ? "everybody" : out;
}

std::string_view kind_of(const Json& rule) {
  for (const std::string_view kind : kKinds)
    if (api::find(rule, {kind})) return kind;
  return "";
}

bool expired(const Json& exception) {
  const auto until = parse_rfc3339(string_at(exception, {"spec", "expires"}));
  return !until ||
         *until <= std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
}

// "vision/default pod train-*".
std::string target_of(const Json& exception) {
  const auto at = [&](std::string_view field) { return string_at(exception, {"spec", "target", field}); };
  std::string out(at("tenant"));
  if (!at("namespace").empty()) out += fmt::format("/{}", at("namespace"));
  for (const std::string_view field : {"pod", "workflow", "model"})
    if (!at(field).empty()) out += fmt::format(" {} {}", field, at(field));
  return out;
}

void print_exceptions(const JsonArray& exceptions) {
  Table table({"EXCEPTION", "RULE", "FOR", "APPROVER", "EXPIRES", "REASON"});
  for (const Json& e : exceptions)
    table.row({std::string(string_at(e, {"metadata", "name"})),
               string_at(e, {"spec", "rule"}).empty() ? "every" : std::string(string_at(e, {"spec", "rule"})),
               target_of(e), std::string(string_at(e, {"spec", "approver"})),
               fmt::format("{}{}", string_at(e, {"spec", "expires"}), expired(e) ? " (over)" : ""),
               std::string(string_at(e, {"spec", "reason"}))});
  table.print();
}

Result<Json> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  text.resize(kLargestFile + 1);
  in.read(text.data(), std::streamsize(text.size()));
  text.resize(size_t(in.gcount()));
  if (in.bad() || (text.empty() && !in)) return fail(Reason::Invalid, fmt::format("{} cannot be read", path));
  if (text.size() > kLargestFile) return fail(Reason::Invalid, fmt::format("{} is larger than 3 MiB", path));
  auto parsed = api::parse_body_yaml(text);
  if (!parsed) return fail(Reason::Invalid, fmt::format("{}: {}", path, parsed.error().message));
  return std::move(parsed->value);
}

JsonObject finding_json(const policy::Finding& f) {
  return {{"gate", f.gate},     {"rule", f.rule},           {"kind", f.kind},     {"enforced", f.enforced},
          {"holds", f.holds()}, {"exception", f.exception}, {"reason", f.reason}, {"wayOut", f.way_out}};
}

}  // namespace

int gate_list(const Common& common, const GateOptions&) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto view = read_gates(*client);
  if (!view) return failed(view.error());
  if (common.json) return print_json(view->gates), kOk;
  Table table({"GATE", "MODE", "FOR", "RULES", "EXCEPTIONS"});
  table.right(4);
  for (const Json& gate : view->gates) {
    const std::string_view name = string_at(gate, {"metadata", "name"});
    std::string rules;
    for (const Json& rule : api::array_at(gate, {"spec", "rules"}))
      rules += fmt::format("{}{} ({})", rules.empty() ? "" : ", ", string_at(rule, {"name"}), kind_of(rule));
    size_t exceptions = 0;
    for (const Json& e : view->exceptions)
      exceptions += string_at(e, {"spec", "gate"}) == name && !expired(e);
    table.row({std::string(name), std::string(string_at(gate, {"spec", "enforcement"})), whom(gate), rules,
               std::to_string(exceptions)});
  }
  table.print();
  return kOk;
}

int gate_show(const Common& common, const GateOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto gate = client->get(fmt::format("{}/gates/{}", kFactoryApi, query_value(options.gate)));
  if (!gate) return failed(gate.error());
  auto all = client->list(fmt::format("{}/gateexceptions", kFactoryApi));
  if (!all) return failed(all.error());
  JsonArray exceptions;
  for (const Json& e : *all)
    if (string_at(e, {"spec", "gate"}) == options.gate) exceptions.push_back(e);
  if (common.json) {
    print_json(JsonObject{{"gate", *gate}, {"exceptions", exceptions}});
    return kOk;
  }
  fmt::print("gate {}   {}   for {}\n", options.gate, string_at(*gate, {"spec", "enforcement"}), whom(*gate));
  for (const Json& rule : api::array_at(*gate, {"spec", "rules"}))
    if (const std::string_view kind = kind_of(rule); !kind.empty())
      fmt::print("  {:<16} {} {}\n", string_at(rule, {"name"}), kind, api::to_text(*api::find(rule, {kind})));
  if (!exceptions.empty()) {
    fmt::print("\n");
    print_exceptions(exceptions);
  }
  return kOk;
}

int gate_check(const Common& common, const GateOptions& options) {
  auto object = read_file(options.file);
  if (!object) return failed(object.error());
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = place_of(*client, options.tenant, options.ns, "work");
  if (!place) return failed(place.error());
  auto view = read_gates(*client);
  if (!view) return failed(view.error());
  auto facts = facts_of_file(*client, *view, *place, *object);
  if (!facts) return failed(facts.error());
  const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
  const policy::Verdict verdict = view->set.judge(*facts, now);
  if (common.json) {
    JsonArray findings;
    for (const policy::Finding& f : verdict.findings) findings.push_back(finding_json(f));
    print_json(JsonObject{{"holds", verdict.holds()},
                          {"gates", JsonArray(verdict.gates.begin(), verdict.gates.end())},
                          {"findings", std::move(findings)}});
    return verdict.holds() ? kFailed : kOk;
  }
  for (const policy::Finding& f : verdict.findings)
    fmt::print("{:<6} gate {}, rule {}: {}\n       {}\n",
               f.holds()             ? "held"
               : f.exception.empty() ? "warned"
                                     : "lifted",
               f.gate, f.rule, f.reason,
               f.exception.empty() ? f.way_out : fmt::format("exception {} by {}", f.exception, f.approver));
  if (!verdict.region.empty())
    fmt::print("would run in region {} alone, where its data are\n", verdict.region);
  fmt::print("{}: {} gate{} asked; rules on budgets are judged when it waits\n",
             verdict.holds() ? "would be held" : "may go on", verdict.gates.size(),
             verdict.gates.size() == 1 ? "" : "s");
  return verdict.holds() ? kFailed : kOk;
}

int gate_except(const Common& common, const GateOptions& options) {
  const auto lasts = parse_duration(options.lasts);
  if (!lasts || *lasts <= Duration{})
    return failed(fmt::format("--for {}: a time such as 24h or 7d", options.lasts));
  JsonObject target{{"tenant", options.tenant}};
  for (const auto& [field, value] : {std::pair("namespace", &options.target_ns),
                                     {"pod", &options.pod},
                                     {"workflow", &options.workflow},
                                     {"model", &options.model}})
    if (!value->empty()) target[field] = *value;
  const auto until =
      std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now() + *lasts);
  JsonObject spec{{"gate", options.gate},
                  {"target", std::move(target)},
                  {"reason", options.reason},
                  {"expires", to_rfc3339(until)}};
  if (!options.rule.empty()) spec["rule"] = options.rule;
  const Json exception = JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                    {"kind", "GateException"},
                                    {"metadata", JsonObject{{"generateName", options.gate + "-"}}},
                                    {"spec", std::move(spec)}};
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto made = client->call("POST", fmt::format("{}/gateexceptions", kFactoryApi), &exception);
  if (!made) return failed(made.error());
  if (common.json) return print_json(*made), kOk;
  const std::string_view name = string_at(*made, {"metadata", "name"});
  fmt::print(
      "{} of gate {} does not hold {} until {}\n  approved by {} as exception {}; `kubectl delete "
      "gateexception {}` "
      "in root ends it\n",
      options.rule.empty() ? "every rule" : "rule " + options.rule, options.gate, target_of(*made),
      string_at(*made, {"spec", "expires"}), string_at(*made, {"spec", "approver"}), name, name);
  return kOk;
}

int gate_verdicts(const Common& common, const GateOptions& options) {
  const auto since = since_query(options.since);
  if (!since) return failed(since.error());
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  JsonArray all;
  for (std::string next = "0"; !next.empty();) {
    const std::string path = fmt::format("{}/gateverdicts?after={}&tenant={}{}{}", client->own_api(), next,
                                         query_value(options.tenant), since->empty() ? "" : "&", *since);
    auto page = client->get(path);
    if (!page) return failed(page.error());
    for (const Json& one : api::array_at(*page, {"items"})) all.push_back(one);
    next = string_at(*page, {"next"});
  }
  if (common.json) return print_json(all), kOk;
  Table table({"TIME", "RESULT", "WORK", "GATES", "WHY"});
  for (const Json& one : all) {
    const auto at = [&](std::string_view field) { return string_at(one, {"verdict", field}); };
    std::string why(at("text"));
    if (why.empty())
      for (const Json& f : api::array_at(one, {"verdict", "statement", "predicate", "ingot_findings"}))
        why += fmt::format(
            "{}{}/{} {}", why.empty() ? "" : ", ", string_at(f, {"gate"}), string_at(f, {"rule"}),
            string_at(f, {"exception"}).empty() ? "warned"
                                                : fmt::format("lifted by {}", string_at(f, {"exception"})));
    table.row({std::string(string_at(one, {"at"})), std::string(at("result")),
               fmt::format("{} {}/{}{}{}", at("kind"), at("tenant"), at("namespace"),
                           at("namespace").empty() ? "" : "/", at("name")),
               joined(api::array_at(one, {"verdict", "gates"})), why});
  }
  table.print();
  return kOk;
}

}  // namespace ingot
