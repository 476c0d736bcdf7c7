#include "pipelines/dataset_runs.h"

#include <algorithm>

#include "base/encoding.h"
#include "pipelines/starting.h"
#include "store/follower.h"
#include "workflow/rows.h"
#include "workflow/values.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;
using api::string_at;
using workflow::text_json;

constexpr std::string_view kVersions = "datasetversions.factory.ingot.dev";
constexpr std::string_view kDatasets = "datasets.factory.ingot.dev";
constexpr std::string_view kMark = "factory.ingot.dev/pipelines";      // on a version: what it started
constexpr std::string_view kOf = "factory.ingot.dev/dataset-version";  // on a Workflow: who started it
constexpr std::string_view kDatasetLabel = "factory.ingot.dev/dataset";
constexpr size_t kMostPipelines = 20, kLongest = 63;

std::string name_of(const Json& pipeline) {
  const std::string_view own = string_at(pipeline, {"name"});
  return std::string(own.empty() ? string_at(pipeline, {"workflowTemplateRef", "name"}) : own);
}

// Its own arguments, and what happened.
Json arguments_of(const Json& pipeline, const Json& version) {
  Json arguments = JsonObject(api::object_at(pipeline, {"arguments"}));
  const std::pair<std::string_view, std::string> facts[] = {
      {"dataset", std::string(string_at(version, {"spec", "dataset"}))},
      {"version", std::to_string(api::int_at(version, {"spec", "version"}).value_or(0))},
      {"digest", std::string(string_at(version, {"spec", "manifest"}))},
  };
  JsonArray parameters;
  for (const Json& p : api::array_at(arguments, {"parameters"}))
    if (std::ranges::none_of(facts, [&](const auto& fact) { return fact.first == string_at(p, {"name"}); }))
      parameters.push_back(p);
  for (const auto& [name, value] : facts)
    parameters.push_back(JsonObject{{"name", text_json(name)}, {"value", text_json(value)}});
  api::set(arguments, {"parameters"}, std::move(parameters));
  return arguments;
}

}  // namespace

std::string dataset_run_name(std::string_view version, std::string_view pipeline) {
  const std::string whole = std::string(version) + "-" + std::string(pipeline);
  if (whole.size() <= kLongest) return whole;
  return whole.substr(0, kLongest - 9) + "-" + hex(sha256(whole)).substr(0, 8);
}

class DatasetRuns::Impl final : public store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard, const api::Registry& registry)
      : env_(env),
        registry_(registry),
        follower_(env, shard, store::later({{"", std::string(kVersions), ""}}), *this) {}

  void reset() override {}

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool) override {
    for (const Key& key : changed)
      if (const ObjectPtr version = turn.get(key); version && !version->mentions(kMark)) begin(turn, version);
    return false;
  }

 private:
  void begin(store::Turn& turn, const ObjectPtr& object) {
    Json version = object->parse();
    if (api::find(version, {"metadata", "deletionTimestamp"})) return;
    const ClusterId cluster{std::string(object->key.cluster())};
    const std::string_view dataset = string_at(version, {"spec", "dataset"});
    std::string started;
    if (const ObjectPtr of = dataset.find('/') == dataset.npos
                                 ? turn.get(Key(cluster, kDatasets, object->key.ns(), dataset))
                                 : nullptr) {
      const Json own = of->parse();
      size_t n = 0;
      for (const Json& pipeline : api::array_at(own, {"spec", "pipelines"})) {
        if (++n > kMostPipelines) break;
        const auto name = start(turn, object->key, version, pipeline);
        if (!name) return;  // the store takes nothing now: not marked, it is looked at again
        if (!name->empty()) (started += started.empty() ? "" : ",") += *name;
      }
    }
    api::set(version, {"metadata", "annotations", kMark}, started.empty() ? std::string("none") : started);
    (void)turn.put(object->key, std::move(version), object->revision);
  }

  // "": nothing is run. One of that name that is there already is it.
  Result<std::string> start(store::Turn& turn, const Key& key, const Json& version, const Json& pipeline) {
    const std::string name = dataset_run_name(key.name(), name_of(pipeline));
    const Json* ref = api::find(pipeline, {"workflowTemplateRef"});
    if (!ref) return std::string();
    Json run = JsonObject{
        {"apiVersion", "argoproj.io/v1alpha1"},
        {"kind", "Workflow"},
        {"metadata", JsonObject{{"name", text_json(name)},
                                {"labels", JsonObject{{kDatasetLabel,
                                                       text_json(string_at(version, {"spec", "dataset"}))}}},
                                {"annotations", JsonObject{{kOf, text_json(key.name())}}}}},
        {"spec", JsonObject{{"workflowTemplateRef", *ref}, {"arguments", arguments_of(pipeline, version)}}}};
    const Key own(ClusterId{std::string(key.cluster())}, workflow::kWorkflows, key.ns(), name);
    const auto made = create_workflow(turn, env_, registry_, own, std::move(run), Templates::Later);
    if (made || made.error().reason == Reason::AlreadyExists) {
      if (made)
        env_.log.info("pipelines.dataset_run",
                      {{"cluster", key.cluster()}, {"version", key.name()}, {"run", name}});
      return name;
    }
    const Error& error = made.error();
    if (error.reason != Reason::Invalid && error.reason != Reason::BadRequest &&
        error.reason != Reason::Forbidden)
      return fail(error);
    env_.log.warn(
        "pipelines.dataset_run_refused",
        {{"cluster", key.cluster()}, {"version", key.name()}, {"run", name}, {"why", error.message}});
    return std::string();
  }

  env::Env& env_;
  const api::Registry& registry_;
  store::Follower follower_;
};

DatasetRuns::DatasetRuns(env::Env& env, store::Shard& shard, const api::Registry& registry)
    : impl_(std::make_unique<Impl>(env, shard, registry)) {}
DatasetRuns::~DatasetRuns() = default;

}  // namespace ingot::pipelines
