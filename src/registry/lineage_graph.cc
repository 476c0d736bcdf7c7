#include "registry/lineage_graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/prices.h"
#include "registry/lineage_names.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kMostListed = 200;  // aliases' moves of a version, verdicts, names of data

const std::set<std::string, std::less<>> kNone;

// What was said first of a field stays.
void keep(JsonObject& to, std::string_view field, const Json* value) {
  if (value && !value->is_null() && !to.contains(field)) to[field] = *value;
}
void keep(JsonObject& to, std::string_view field, std::string_view value) {
  if (!value.empty() && !to.contains(field)) to[field] = value;
}
void keep_all(JsonObject& to, const Json& from, std::initializer_list<std::string_view> fields) {
  for (const std::string_view field : fields) keep(to, field, api::find(from, {field}));
}

std::string place(std::string_view ns, std::string_view name) { return fmt::format("{}/{}", ns, name); }

int order_of(std::string_view kind) {
  constexpr std::string_view kOrder[] = {"commit", "data", "image", "run", "version", "endpoint"};
  return int(std::ranges::find(kOrder, kind) - std::begin(kOrder));
}

}  // namespace

JsonObject& LineageGraph::at(const std::string& node) {
  auto [found, fresh] = nodes_.try_emplace(node);
  if (fresh) found->second = JsonObject{{"id", node}, {"kind", kind_of(node)}};
  return found->second.get_object();
}

void LineageGraph::link(const std::string& from, const std::string& to) {
  at(from);
  at(to);
  from_[from].insert(to);
  into_[to].insert(from);
}

const std::set<std::string, std::less<>>& LineageGraph::into(std::string_view node) const {
  const auto found = into_.find(node);
  return found == into_.end() ? kNone : found->second;
}
const std::set<std::string, std::less<>>& LineageGraph::from(std::string_view node) const {
  const auto found = from_.find(node);
  return found == from_.end() ? kNone : found->second;
}

bool LineageGraph::read(const store::StoredRow& stored) {
  const auto row = api::parse_json(stored.row.data);
  if (!row) return false;
  const std::string_view type = string_at(*row, {"type"});
  if (stored.row.stream == kLedgerRows)
    read_ledger(stored, *row);
  else if (stored.row.stream == kVerdictRows)
    read_verdict(stored, *row);
  else if (type.starts_with("version."))
    read_version(stored, *row);
  else if (type.starts_with("alias."))
    read_alias(stored, *row);
  else if (type.starts_with("run."))
    read_run(stored, *row);
  else if (type.starts_with("data."))
    read_data(stored, *row);
  else
    return false;
  return true;
}

void LineageGraph::read_version(const store::StoredRow& stored, const Json& row) {
  const std::string_view type = string_at(row, {"type"}), model = string_at(row, {"model"});
  const int64_t number = api::int_at(row, {"version"}).value_or(0);
  const std::string node = version_node(model, number);
  JsonObject& of = at(node);
  of["model"] = model;
  of["version"] = number;
  keep_all(of, row, {"uid"});
  versions_[std::string(string_at(row, {"uid"}))] = node;
  const std::string when = to_rfc3339(stored.row.at);
  if (type == "version.deleted") {
    of["deleted"] = when;
    if (const Json* spec = api::find(row, {"spec"}))
      keep_all(of, *spec, {"origin", "manifest", "runId", "source"});
    return;
  }
  if (type == "version.registered") {
    keep(of, "registered", when);
    keep_all(of, row, {"by", "origin", "manifest", "runId", "source"});
    if (const Json* made = api::find(row, {"provenanceOf"}))
      read_made(node, *made, string_at(row, {"runId"}));
    else if (const std::string_view run = string_at(row, {"runId"}); !run.empty())
      read_made(node, Json(JsonObject()), run);
    return;
  }
  of["phase"] = type == "version.ready" ? "Ready" : "Failed";
  keep_all(of, row, {"message", "signature", "provenance", "keyId"});
  if (api::find(row, {"keyId"})) keep(of, "signed", when);
  if (const Json* build = api::find(row, {"build"})) read_build(node, *build);
}

void LineageGraph::read_made(const std::string& version, const Json& made, std::string_view run_id) {
  keep_all(at(version), made, {"experiment", "parameters", "metrics"});
  if (const Json* said = api::find(made, {"datasets"});
      said && said->is_array() && !said->get_array().empty())
    keep(at(version), "saidDatasets", said);
  const std::string_view uid = made_by(made);
  const std::string run = run_node(uid.empty() ? run_id : uid);
  link(run, version);
  JsonObject& of = at(run);
  const std::string_view workflow = string_at(made, {"workflow"});
  const bool known = !string_at(made, {"workflowUid"}).empty();
  keep(of, "run", uid.empty() ? "Tracked" : known ? "Workflow" : "Pod");
  keep(of, "name", uid.empty() ? run_id : known ? workflow : string_at(made, {"pod"}));
  keep_all(of, made, {"namespace", "started"});
  source(run, made);
  if (const std::string_view pod = string_at(made, {"podUid"}); !pod.empty())
    read_pod(run, JsonObject{{"pod", string_at(made, {"pod"})}, {"uid", pod}});
}

void LineageGraph::read_build(const std::string& version, const Json& build) {
  const Json inside(JsonObject(api::object_at(build, {"internalParameters"})));
  const std::string_view uid = made_by(inside), run_id = string_at(inside, {"run"});
  if (uid.empty() && run_id.empty()) return;
  const std::string run = run_node(uid.empty() ? run_id : uid);
  link(run, version);
  if (const Json* given = api::find(build, {"externalParameters", "workflowParameters"}))
    keep(at(run), "parameters", given);
  if (const std::string_view pod = string_at(inside, {"podUid"}); !pod.empty()) {
    JsonObject facts{{"pod", string_at(inside, {"pod"})}, {"uid", pod}};
    keep_all(facts, inside, {"node", "gpus"});
    read_pod(run, facts);
  }
  for (const Json& resolved : api::array_at(build, {"resolvedDependencies"})) {
    const Dependency of = dependency_of(resolved);
    if (of.kind == Dependency::Kind::Commit) {
      // Where there was no address, the repository's name stands there.
      const bool address = of.uri.find_first_of(":@") != of.uri.npos;
      source(run, JsonObject{{"commit", of.digest}, {address ? "url" : "repository", of.uri}});
    } else if (of.kind == Dependency::Kind::Image) {
      const std::string image = image_node(of.digest);
      link(image, run);
      list(image, "references", Json(of.uri));
    } else if (of.kind == Dependency::Kind::Data) {
      const std::string data = data_node(of.digest);
      link(data, run);
      list(data, "names", Json(place(string_at(inside, {"namespace"}), of.name)));
    }
  }
}

void LineageGraph::source(const std::string& run, const Json& of) {
  const std::string_view commit = string_at(of, {"commit"});
  if (commit.empty()) return;
  keep_all(at(run), of, {"commit", "repository", "branch"});
  const std::string node = commit_node(commit);
  link(node, run);
  keep_all(at(node), of, {"repository"});
  keep(at(node), "url", string_at(of, {"url"}));
}

void LineageGraph::read_alias(const store::StoredRow& stored, const Json& row) {
  const std::string_view model = string_at(row, {"model"});
  const auto from = api::int_at(row, {"from"}), to = api::int_at(row, {"to"});
  const auto moved = [&](int64_t number, std::string_view event, std::optional<int64_t> other) {
    JsonObject one{
        {"alias", string_at(row, {"alias"})}, {"event", event}, {"at", to_rfc3339_micro(stored.row.at)}};
    keep_all(one, row, {"by"});
    if (other) one["other"] = *other;
    list(version_node(model, number), "aliases", std::move(one));
  };
  if (to) moved(*to, api::bool_at(row, {"back"}) ? "back" : "promoted", from);
  if (from) moved(*from, to ? "replaced" : "removed", to);
}

void LineageGraph::read_run(const store::StoredRow& stored, const Json& row) {
  const std::string run = run_node(string_at(row, {"run", "uid"}));
  JsonObject& of = at(run);
  const bool whole = string_at(row, {"type"}) == "run.workflow" || string_at(row, {"run", "kind"}) == "Pod";
  of["run"] = string_at(row, {"run", "kind"});
  if (const std::string_view name = string_at(row, {"run", "name"}); !name.empty()) of["name"] = name;
  keep_all(of, row, {"namespace"});
  if (whole) {
    for (const std::string_view field : {"phase", "finished"}) of[field] = string_at(row, {field});
    keep_all(of, row, {"message", "started", "template", "parameters", "job", "morePods"});
  }
  source(run, row);
  if (string_at(row, {"type"}) == "run.pod") read_pod(run, row);
  for (const Json& pod : api::array_at(row, {"pods"})) read_pod(run, pod);
  for (const Json& data : api::array_at(row, {"datasets"})) {
    const std::string_view manifest = string_at(data, {"manifest"}), ns = string_at(row, {"namespace"});
    const std::string node =
        manifest.empty() ? unknown_data_node(ns, string_at(data, {"name"})) : data_node(manifest);
    link(node, run);
    list(node, "names", Json(place(ns, string_at(data, {"name"}))));
  }
  called_[place(string_at(row, {"namespace"}), string_at(row, {"run", "name"}))].insert(
      {stored.sequence, run});
}

void LineageGraph::read_pod(const std::string& run, const Json& facts) {
  const std::string uid(string_at(facts, {"uid"}));
  if (uid.empty()) return;
  Pod& pod = pods_[uid];
  if (!pod.run.empty() && pod.run != run) runs_pods_[pod.run].erase(uid);
  pod.run = run;
  runs_pods_[run].insert(uid);
  for (const std::string_view field : {"pod", "uid", "phase", "step", "node", "started", "finished"})
    keep(pod.facts, field, api::find(facts, {field}));
  if (const JsonArray& gpus = api::array_at(facts, {"gpus"}); !gpus.empty() && pod.gpus.empty())
    pod.gpus = gpus;
  for (const Json& image : api::array_at(facts, {"images"})) {
    const std::string_view digest = string_at(image, {"digest"});
    list(run, "images", Json(string_at(image, {"image"})));
    if (digest.empty()) continue;
    const std::string node = image_node(digest);
    link(node, run);
    list(node, "references", Json(string_at(image, {"image"})));
  }
}

void LineageGraph::read_data(const store::StoredRow& stored, const Json& row) {
  const std::string_view manifest = string_at(row, {"manifest"}), ns = string_at(row, {"namespace"});
  const std::string node =
      manifest.empty() ? unknown_data_node(ns, string_at(row, {"name"})) : data_node(manifest);
  JsonObject& of = at(node);
  const std::string name = place(ns, string_at(row, {"name"}));
  list(node, "names", Json(name));
  if (string_at(row, {"type"}) == "data.deleted") {
    list(node, "deleted", JsonObject{{"name", name}, {"at", to_rfc3339(stored.row.at)}});
  } else {
    keep(of, "added", string_at(row, {"created"}));
  }
  keep_all(of, row, {"manifest", "files", "bytes", "classification", "region", "message", "source"});
  if (const std::string_view run = source_run(string_at(row, {"source"})); !run.empty())
    sourced_[place(ns, run)].insert({stored.sequence, node});
}

void LineageGraph::read_ledger(const store::StoredRow& stored, const Json& row) {
  const auto found = pods_.find(string_at(row, {"podUID"}));
  if (found == pods_.end()) return;
  Pod& pod = found->second;
  if (pod.booked.empty()) pod.gpus.clear();  // those of the ledger say more
  if (!pod.booked.insert(stored.sequence).second) return;
  pod.cost_micro += policy::parse_amount(string_at(row, {"cost"})).value_or(0);
  keep_all(pod.facts, row, {"node", "pod"});
  keep(pod.facts, "currency", string_at(row, {"currency"}));
  keep(pod.facts, "held", api::find(row, {"microseconds"}));
  if (string_at(row, {"device"}) == "cpu") return;
  JsonObject gpu{{"uuid", string_at(row, {"device"})}};
  keep_all(gpu, row, {"model", "part"});
  if (api::bool_at(row, {"simulated"})) gpu["simulated"] = true;
  pod.gpus.push_back(std::move(gpu));
}

void LineageGraph::read_verdict(const store::StoredRow& stored, const Json& row) {
  const std::string_view uid = string_at(row, {"uid"}), workflow = string_at(row, {"workflowUid"});
  std::string node = run_node(workflow.empty() ? uid : workflow);
  if (string_at(row, {"kind"}) == "ModelVersion") node.clear();
  if (const auto pod = pods_.find(uid); pod != pods_.end()) node = pod->second.run;
  if (const auto version = versions_.find(uid); version != versions_.end()) node = version->second;
  if (!has(node)) return;
  JsonObject verdict{{"at", to_rfc3339(stored.row.at)}};
  keep_all(verdict, row, {"kind", "name", "result", "gates", "text"});
  keep(verdict, "findings", api::find(row, {"statement", "predicate", "ingot_findings"}));
  list(node, "verdicts", std::move(verdict));
}

// Each value once.
void LineageGraph::list(const std::string& node, std::string_view field, Json value) {
  if (value.is_string() && value.get_string().empty()) return;
  Json& all = at(node)[field];
  if (!all.is_array()) all = JsonArray();
  JsonArray& array = all.get_array();
  if (array.size() < kMostListed &&
      std::ranges::none_of(array, [&](const Json& one) { return api::same(one, value); }))
    array.push_back(std::move(value));
}

std::string LineageGraph::up_name(std::string_view node) const {
  if (kind_of(node) != "data") return {};
  const Json& of = this->node(node);
  const std::string_view run = source_run(string_at(of, {"source"}));
  const JsonArray& names = api::array_at(of, {"names"});
  if (run.empty() || names.empty()) return {};
  const std::string_view name = names.front().get_string();
  return run_name(name.substr(0, name.find('/')), run);
}

std::string LineageGraph::down_name(std::string_view node) const {
  if (kind_of(node) != "run") return {};
  const Json& of = this->node(node);
  return data_source(string_at(of, {"namespace"}), string_at(of, {"name"}));
}

// The run that was called so when the data was made: the last that had ended, or the first that did.
void LineageGraph::join() {
  for (const auto& [name, all] : sourced_) {
    const auto runs = called_.find(name);
    if (runs == called_.end()) continue;
    for (const Called& data : all) {
      auto run = runs->second.lower_bound({data.row, {}});
      if (run != runs->second.begin()) --run;
      link(run->node, data.node);
      said_.insert({run->node, data.node});
    }
  }
}

const std::set<std::string, std::less<>>& LineageGraph::pods_of(std::string_view run) const {
  const auto found = runs_pods_.find(run);
  return found == runs_pods_.end() ? kNone : found->second;
}

void LineageGraph::tell(std::string_view node, std::string_view field, Json value) {
  at(std::string(node))[field] = std::move(value);
}

JsonObject LineageGraph::part(const std::set<std::string, std::less<>>& kept) const {
  std::vector<std::string_view> ordered;
  for (const std::string& node : kept)
    if (nodes_.contains(node)) ordered.push_back(node);
  std::ranges::sort(ordered, {},
                    [](std::string_view node) { return std::pair(order_of(kind_of(node)), node); });
  JsonArray nodes, edges;
  for (const std::string_view id : ordered) {
    JsonObject node = nodes_.find(id)->second.get_object();
    JsonArray told;
    int64_t cost = 0;
    std::string currency;
    for (const std::string& uid : pods_of(id)) {
      const Pod& pod = pods_.find(uid)->second;
      JsonObject one = pod.facts;
      if (!pod.gpus.empty()) one["gpus"] = pod.gpus;
      if (!pod.booked.empty()) {
        one["cost"] = policy::format_micro(pod.cost_micro);
        cost += pod.cost_micro;
        currency = string_at(pod.facts, {"currency"});
      }
      told.push_back(std::move(one));
    }
    if (!told.empty()) node["pods"] = std::move(told);
    if (!currency.empty()) {
      node["cost"] = policy::format_micro(cost);
      node["currency"] = currency;
    }
    nodes.push_back(std::move(node));
    for (const std::string& to : from(id))
      if (kept.contains(to)) {
        JsonObject edge{{"from", id}, {"to", to}};
        if (said_.contains({std::string(id), to})) edge["said"] = true;
        edges.push_back(std::move(edge));
      }
  }
  return {{"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
}

}  // namespace ingot::registry
