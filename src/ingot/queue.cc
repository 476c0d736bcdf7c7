// ingot queue, ingot explain: what placement would say.
#include <fmt/format.h>

#include <span>

#include "base/time.h"
#include "ingot/client.h"
#include "ingot/output.h"

namespace ingot {
namespace {

constexpr size_t kShown = 4;  // holders of a node

using api::Json;
using api::string_at;

std::string number(const Json& object, std::initializer_list<std::string_view> path, std::string none) {
  const Json* value = api::find(object, path);
  if (!value || !value->is_number()) return none;
  return fmt::format("{:g}", value->to_number<double>());
}

std::string text(const Json& object, std::initializer_list<std::string_view> path) {
  return std::string(string_at(object, path));
}

// "; earliest 14:20 (vision/default/digits-0 ends)"
std::string earliest(const Json& told) {
  if (!api::find(told, {"starts"})) return "";
  const std::string after = text(told, {"after"});
  return "; earliest " + clock_text(string_at(told, {"starts"})) +
         (after.empty() ? "" : " (" + after + " ends)");
}

std::string held_text(int64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h", seconds / 3600);
}

void print_pending(const Json& told) {
  const std::string gang = text(told, {"gang", "name"});
  fmt::print("Pending {}. {} needs {}.\n", held_text(api::int_at(told, {"waitedSeconds"}).value_or(0)),
             gang.empty() ? "It" : "Gang " + gang, text(told, {"asks"}));
  const std::string reason = text(told, {"reason"});
  fmt::print("  {}{}\n", reason.empty() ? "fits now: it is placed in its turn" : reason, earliest(told));
  fmt::print("  {}: place {} of {}\n", text(told, {"queue"}), api::int_at(told, {"position"}).value_or(0),
             api::int_at(told, {"of"}).value_or(0));
  size_t width = 0;
  for (const Json& node : api::array_at(told, {"nodes"}))
    width = std::max(width, text(node, {"node"}).size());
  for (const Json& node : api::array_at(told, {"nodes"})) {
    std::string holders;
    const api::JsonArray& all = api::array_at(node, {"holders"});
    for (const Json& h : std::span(all.begin(), std::min(all.size(), kShown)))
      holders +=
          fmt::format("{}{} ({})", holders.empty() ? ": " : ", ", text(h, {"pod"}), number(h, {"gpus"}, "0"));
    if (all.size() > kShown) holders += fmt::format(" and {} more", all.size() - kShown);
    fmt::print("  {:<{}}  {} of {} free{}{}\n", text(node, {"node"}), width,
               api::int_at(node, {"free"}).value_or(0), api::int_at(node, {"of"}).value_or(0),
               api::bool_at(node, {"kept"}) ? ", kept for a pod that has waited longer" : "", holders);
  }
  if (const int64_t more = api::int_at(told, {"moreNodes"}).value_or(0); more > 0)
    fmt::print("  and {} more node{}\n", more, more == 1 ? "" : "s");
  if (api::find(told, {"reservation"})) {
    std::string nodes;
    for (const Json& node : api::array_at(told, {"reservation", "nodes"}))
      nodes += (nodes.empty() ? "" : ", ") + std::string(node.get_string());
    const std::string starts = text(told, {"reservation", "starts"}), after = text(told, {"after"});
    fmt::print("  reserved {}{}{}; smaller work backfills until then\n", nodes,
               starts.empty() ? "" : " from " + clock_text(starts),
               after.empty() ? "" : ", when " + after + " ends");
  }
  if (const std::string others = text(told, {"preemption"}); !others.empty()) fmt::print("  {}\n", others);
}

void print_placed(const Json& told) {
  fmt::print("{} on {} since {}{}\n", text(told, {"phase"}), text(told, {"node"}),
             clock_text(string_at(told, {"from"})),
             text(told, {"why"}).empty() ? "" : ": " + text(told, {"why"}));
  for (const Json& d : api::array_at(told, {"devices"})) {
    const std::string profile = text(d, {"profile"}), share = number(d, {"milli"}, "");
    const bool charged = api::bool_at(d, {"charged"}, true);
    fmt::print("  {}{}{}  {}{}\n", profile.empty() ? "" : profile + " of ",
               share.empty() ? "" : share + " thousandths of ", text(d, {"uuid"}), text(d, {"model"}),
               charged ? "" : "  charged to another pod of its claim");
  }
}

}  // namespace

int queue(const Common& common) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto told = client->get(fmt::format("{}/queuesummaries", client->own_api()));
  if (!told) return failed(told.error());
  if (common.json) {
    print_json(*told);
    return kOk;
  }
  Table table({"QUEUE", "TENANT", "GUARANTEE", "LIMIT", "USED", "LENT", "PENDING", "HEAD WAITS FOR"});
  for (const size_t column : {2, 3, 4, 5, 6}) table.right(column);
  for (const Json& q : api::array_at(*told, {"queues"})) {
    const std::string indent(size_t(api::int_at(q, {"depth"}).value_or(0)) * 2, ' ');
    std::string head;
    if (api::find(q, {"head"})) head = text(q, {"head", "reason"}) + earliest(*api::find(q, {"head"}));
    table.row({indent + text(q, {"queue"}), text(q, {"tenant"}), number(q, {"guarantee", "gpus"}, "0"),
               number(q, {"limit", "gpus"}, "-"), number(q, {"used", "gpus"}, "0"), number(q, {"lent"}, "0"),
               number(q, {"pending"}, "0"), head});
  }
  table.print();
  return kOk;
}

int explain(const Common& common, const std::string& pod) {
  const size_t first = pod.find('/'), last = pod.rfind('/');
  if (first == pod.npos || first == last || pod.find('/', first + 1) != last || first == 0 ||
      last + 1 == pod.size()) {
    (void)failed(
        fmt::format("\"{}\" is no pod: give TENANT/NAMESPACE/NAME, such as vision/default/digits-0", pod));
    return kUsage;
  }
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto told = client->get(
      fmt::format("/clusters/{}/apis/factory.ingot.dev/v1alpha1/explain?namespace={}&pod={}",
                  query_value(pod.substr(0, first)), query_value(pod.substr(first + 1, last - first - 1)),
                  query_value(pod.substr(last + 1))));
  if (!told)
    return failed(told.error().message +
                  (told.error().reason == Reason::NotFound && told.error().kind != "tenants"
                       ? "\n  a run that is held has no pod yet: `ingot runs show` says why"
                       : ""));
  if (common.json)
    print_json(*told);
  else if (api::find(*told, {"node"}))
    print_placed(*told);
  else if (api::find(*told, {"position"}))
    print_pending(*told);
  else
    fmt::print("{}{}\n", text(*told, {"phase"}),
               text(*told, {"reason"}).empty() ? ": it holds nothing and waits for nothing"
                                               : ": " + text(*told, {"reason"}));
  return kOk;
}

}  // namespace ingot
