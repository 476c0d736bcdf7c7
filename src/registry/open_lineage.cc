#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/digest.h"
#include "registry/lineage_forms.h"
#include "registry/lineage_names.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr std::string_view kProducer = "https://ingot.dev",
                           kSchema = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                           kFacets = "https://openlineage.io/spec/facets/",
                           kOwn = "https://ingot.dev/openlineage/1-0-0/";

JsonObject facet(std::string_view schema) {
  return {{"_producer", kProducer}, {"_schemaURL", fmt::format("{}{}", kFacets, schema)}};
}
JsonObject own_facet(std::string_view name) {
  return {{"_producer", kProducer}, {"_schemaURL", fmt::format("{}{}.json", kOwn, name)}};
}

// A UUID: ours are; MLflow's run ids are without dashes; of anything else one that follows from it.
std::string uuid_of(std::string_view id) {
  const auto digits = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  };
  if (id.size() == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-')
    return std::string(id);
  std::string hex(id);
  if (id.size() != 32 || !digits(id)) {
    hex = Digest::of(id).hex().substr(0, 32);
    hex[12] = '8';
    hex[16] = 'a';
  }
  for (const size_t at : {8, 13, 18, 23}) hex.insert(at, 1, '-');
  return hex;
}

// "default/digits-v3" as a data set and its version.
JsonObject dataset(const Json& node, std::string_view tenant) {
  JsonObject version = facet("1-0-0/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet");
  std::string name;
  if (string_at(node, {"kind"}) == "version") {
    name = fmt::format("models/{}", string_at(node, {"model"}));
    version["datasetVersion"] = fmt::format("{}", api::int_at(node, {"version"}).value_or(0));
  } else {
    const JsonArray& names = api::array_at(node, {"names"});
    const std::string_view full = names.empty() || !names.front().is_string()
                                      ? name_of(string_at(node, {"id"}))
                                      : std::string_view(names.front().get_string());
    name = fmt::format("datasets/{}", full.substr(0, full.rfind("-v")));
    version["datasetVersion"] = name_of(string_at(node, {"id"}));
  }
  return {{"namespace", fmt::format("ingot://{}", tenant)},
          {"name", name},
          {"facets", JsonObject{{"version", std::move(version)}}}};
}

JsonObject job_of(const Json& run, const Json* commit, std::string_view tenant) {
  JsonObject type = facet("2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet");
  type["processingType"] = "BATCH";
  type["integration"] = "INGOT";
  type["jobType"] = string_at(run, {"run"});
  JsonObject facets{{"jobType", std::move(type)}};
  if (const std::string_view url = commit ? string_at(*commit, {"url"}) : ""; !url.empty()) {
    JsonObject source = facet("1-0-1/SourceCodeLocationJobFacet.json#/$defs/SourceCodeLocationJobFacet");
    source["type"] = "git";
    source["url"] = source["repoUrl"] = url;
    source["version"] = string_at(run, {"commit"});
    if (const std::string_view branch = string_at(run, {"branch"}); !branch.empty())
      source["branch"] = branch;
    facets["sourceCodeLocation"] = std::move(source);
  }
  // What stays the same from run to run.
  std::string_view name = string_at(run, {"template"});
  if (name.empty()) name = string_at(run, {"repository"});
  if (name.empty()) name = string_at(run, {"name"});
  return {{"namespace", fmt::format("ingot://{}", tenant)},
          {"name", fmt::format("{}/{}", string_at(run, {"namespace"}), name)},
          {"facets", std::move(facets)}};
}

JsonObject run_facets(const Json& run, bool ended) {
  JsonObject execution = own_facet("ExecutionRunFacet");
  for (const std::string_view field : {"name", "commit", "parameters", "images"})
    if (const Json* value = api::find(run, {field})) execution[field] = *value;
  if (ended)
    for (const std::string_view field : {"pods", "cost", "currency"})
      if (const Json* value = api::find(run, {field})) execution[field] = *value;
  JsonObject facets{{"ingot_execution", std::move(execution)}};
  const std::string_view message = string_at(run, {"message"});
  if (ended && !message.empty() && string_at(run, {"phase"}) != "Succeeded") {
    JsonObject error = facet("1-0-0/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet");
    error["message"] = message;
    error["programmingLanguage"] = "none";
    facets["errorMessage"] = std::move(error);
  }
  return facets;
}

std::string_view end_of(const Json& run) {
  const std::string_view phase = string_at(run, {"phase"});
  if (phase == "Succeeded") return "COMPLETE";
  if (phase == "Failed" || phase == "Error") return "FAIL";
  return phase == "Deleted" ? "ABORT" : "";
}

}  // namespace

std::vector<std::string> open_lineage(const Json& answer, std::string_view tenant) {
  std::map<std::string_view, const Json*> nodes;
  for (const Json& node : api::array_at(answer, {"nodes"})) nodes[string_at(node, {"id"})] = &node;
  std::map<std::string_view, JsonArray> inputs, outputs;
  std::map<std::string_view, const Json*> commits;
  std::map<std::string_view, std::string_view> made;  // when a run's first version was registered
  for (const Json& edge : api::array_at(answer, {"edges"})) {
    const auto from = nodes.find(string_at(edge, {"from"})), to = nodes.find(string_at(edge, {"to"}));
    if (from == nodes.end() || to == nodes.end()) continue;
    const std::string_view used = kind_of(from->first), gave = kind_of(to->first);
    if (gave == "run" && used == "data") inputs[to->first].push_back(dataset(*from->second, tenant));
    if (gave == "run" && used == "commit") commits[to->first] = from->second;
    if (used != "run") continue;
    outputs[from->first].push_back(dataset(*to->second, tenant));
    if (const std::string_view at = string_at(*to->second, {"registered"}); !at.empty())
      made.try_emplace(from->first, at);
  }
  std::vector<std::tuple<std::string, size_t, std::string>> events;  // by time, then as they came
  for (const auto& [id, run] : nodes) {
    if (kind_of(id) != "run") continue;
    const auto event = [&](std::string_view type, std::string_view time, bool ended) {
      const auto commit = commits.find(id);
      events.emplace_back(
          time, events.size(),
          api::to_text(JsonObject{
              {"eventType", type},
              {"eventTime", time},
              {"run", JsonObject{{"runId", uuid_of(name_of(id))}, {"facets", run_facets(*run, ended)}}},
              {"job", job_of(*run, commit == commits.end() ? nullptr : commit->second, tenant)},
              {"inputs", inputs[id]},
              {"outputs", ended ? outputs[id] : JsonArray()},
              {"producer", kProducer},
              {"schemaURL", kSchema}}));
    };
    std::string_view finished = string_at(*run, {"finished"}), started = string_at(*run, {"started"});
    if (finished.empty() && made.contains(id)) finished = made[id];
    if (started.empty()) started = finished;
    if (started.empty()) continue;
    event("START", started, false);
    // One that tracked itself alone has ended when it gave what it gave.
    const std::string_view end = string_at(*run, {"run"}) == "Tracked" ? "COMPLETE" : end_of(*run);
    if (!end.empty()) event(end, finished.empty() ? started : finished, true);
  }
  std::ranges::sort(events);
  std::vector<std::string> texts;
  for (auto& [time, order, text] : events) texts.push_back(std::move(text));
  return texts;
}

}  // namespace ingot::registry
