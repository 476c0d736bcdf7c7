#include "workflow/node.h"

#include <algorithm>

#include "workflow/flow.h"

namespace ingot::workflow {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr std::pair<std::string_view, Phase> kPhases[] = {
    {"Pending", Phase::Pending}, {"Running", Phase::Running}, {"Succeeded", Phase::Succeeded},
    {"Skipped", Phase::Skipped}, {"Failed", Phase::Failed},   {"Error", Phase::Error},
    {"Omitted", Phase::Omitted},
};
constexpr std::pair<std::string_view, NodeType> kTypes[] = {
    {"Pod", NodeType::Pod},
    {"Steps", NodeType::Steps},
    {"StepGroup", NodeType::StepGroup},
    {"DAG", NodeType::DAG},
    {"TaskGroup", NodeType::TaskGroup},
    {"Retry", NodeType::Retry},
    {"Skipped", NodeType::Skipped},
    {"Suspend", NodeType::Suspend},
    {"HTTP", NodeType::HTTP},
    {"Container", NodeType::Container},
};

template <class Table>
auto named(const Table& table, std::string_view name)
    -> std::optional<std::decay_t<decltype(table[0].second)>> {
  for (const auto& [text, value] : table)
    if (text == name) return value;
  return std::nullopt;
}
template <class Table, class Value>
std::string_view name_of(const Table& table, Value value) {
  for (const auto& [text, other] : table)
    if (other == value) return text;
  return "";
}

Json text(std::string_view t) { return Json(boost::json::string_view(t.data(), t.size())); }

}  // namespace

std::string_view to_string(Phase p) { return name_of(kPhases, p); }
std::string_view to_string(NodeType t) { return name_of(kTypes, t); }
std::optional<Phase> phase_from(std::string_view t) { return named(kPhases, t); }
std::optional<NodeType> type_from(std::string_view t) { return named(kTypes, t); }

std::string node_id(std::string_view workflow, std::string_view node_name) {
  if (workflow == node_name) return std::string(workflow);
  uint32_t hash = 2166136261u;
  for (const char c : node_name) hash = (hash ^ uint8_t(c)) * 16777619u;
  return std::string(workflow) + "-" + std::to_string(hash);
}

Json node_to_json(const Node& n, const std::deque<Node>& all) {
  JsonObject out;
  out.reserve(22);
  const auto put = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) out[key] = text(value);
  };
  put("id", n.id);
  put("name", n.name);
  put("displayName", n.display);
  put("type", to_string(n.type));
  put("phase", to_string(n.phase));
  if (n.runs) {
    // An inline template has no name.
    put("templateName", n.runs->name);
    put("templateScope", n.runs->scope == "local" ? "local/" + all.front().id : n.runs->scope);
  }
  if (n.boundary >= 0) put("boundaryID", all[size_t(n.boundary)].id);
  put("message", n.message);
  out["startedAt"] = text(to_rfc3339(n.started));
  out["finishedAt"] = fulfilled(n.phase) ? text(to_rfc3339(n.finished)) : Json(nullptr);
  put("podIP", n.ip);
  put("hostNodeName", n.host);
  if (n.inputs) out["inputs"] = *n.inputs;
  if (n.outputs) out["outputs"] = *n.outputs;
  if (n.daemoned) out["daemoned"] = true;
  if (n.memo) out["memoizationStatus"] = *n.memo;
  if (n.locks && !n.locks->waits_for.empty())
    out["synchronizationStatus"] = JsonObject{{"waiting", text(n.locks->waits_for)}};
  if (n.locks) {
    JsonArray names;
    for (const std::string& name : n.locks->names) names.push_back(text(name));
    out["locks"] = std::move(names);
  }
  if (n.hooked || n.retried) {
    JsonObject flag;
    if (n.hooked) flag["hooked"] = true;
    if (n.retried) flag["retried"] = true;
    out["nodeFlag"] = std::move(flag);
  }
  if (!n.after.empty()) {
    JsonArray after;
    for (const NodeIndex i : n.after) after.push_back(text(all[size_t(i)].id));
    out["after"] = std::move(after);
  }
  if (n.parent >= 0 && n.parent != n.boundary) put("parent", all[size_t(n.parent)].id);
  return out;
}

std::optional<StoredNode> node_from_json(const Json& json) {
  StoredNode out;
  Node& n = out.node;
  const auto type = type_from(string_at(json, {"type"}));
  const auto phase = phase_from(string_at(json, {"phase"}));
  n.id = string_at(json, {"id"});
  n.name = string_at(json, {"name"});
  if (!type || !phase || n.id.empty() || n.name.empty()) return std::nullopt;
  n.type = *type;
  n.phase = *phase;
  n.display = string_at(json, {"displayName"});
  n.message = string_at(json, {"message"});
  n.ip = string_at(json, {"podIP"});
  n.host = string_at(json, {"hostNodeName"});
  n.started = parse_rfc3339(string_at(json, {"startedAt"})).value_or(WallTime{});
  n.finished = parse_rfc3339(string_at(json, {"finishedAt"})).value_or(WallTime{});
  n.hooked = api::bool_at(json, {"nodeFlag", "hooked"});
  n.retried = api::bool_at(json, {"nodeFlag", "retried"});
  n.daemoned = api::bool_at(json, {"daemoned"});
  if (const Json* inputs = api::find(json, {"inputs"})) n.inputs = std::make_shared<const Json>(*inputs);
  if (const Json* outputs = api::find(json, {"outputs"})) n.outputs = std::make_shared<const Json>(*outputs);
  if (const Json* memo = api::find(json, {"memoizationStatus"})) n.memo = std::make_shared<const Json>(*memo);
  if (const JsonArray& names = api::array_at(json, {"locks"}); !names.empty() && !fulfilled(n.phase)) {
    NodeLocks locks{.waits_for = std::string(string_at(json, {"synchronizationStatus", "waiting"}))};
    for (const Json& name : names) locks.names.emplace_back(string_at(name, {}));
    n.locks = std::make_shared<const NodeLocks>(std::move(locks));
  }
  out.boundary = string_at(json, {"boundaryID"});
  out.parent = string_at(json, {"parent"});
  if (out.parent.empty()) out.parent = out.boundary;
  out.template_name = string_at(json, {"templateName"});
  out.scope = string_at(json, {"templateScope"});
  for (const Json& id : api::array_at(json, {"after"})) out.after.emplace_back(string_at(id, {}));
  return out;
}

}  // namespace ingot::workflow
