#include "pipelines/reading.h"

#include <charconv>

#include "base/encoding.h"

namespace ingot::pipelines {

using api::Json;
using api::JsonObject;
using api::Key;
using api::string_at;
using workflow::Or;

Or<workflow::FlowPtr> Flows::read(const Json& spec, const JsonObject& stored) {
  Json shared = spec;
  api::erase(shared, {"arguments", "parameters"});  // the run's own
  const std::string text = sha256(api::to_text(shared) + api::to_text(stored));
  if (const auto known = known_.find(text); known != known_.end())
    if (auto flow = known->second.lock()) return flow;
  auto flow = workflow::Flow::read(std::move(shared), stored);
  if (flow) known_[text] = *flow;
  if (known_.size() > sweep_at_) {
    std::erase_if(known_, [](const auto& k) { return k.second.expired(); });
    sweep_at_ = 2 * known_.size() + 1'024;
  }
  return flow;
}

namespace {

// In the Workflow's own cluster and namespace.
api::ObjectPtr beside(const store::Turn& turn, const Key& key, std::string_view resource, bool cluster_scoped,
                      std::string_view name) {
  if (name.empty() || name.find('/') != name.npos) return nullptr;
  return turn.get(Key(ClusterId{std::string(key.cluster())}, resource, cluster_scoped ? "" : key.ns(), name));
}

workflow::Facts facts_of(const Key& key, const Json& object, const Json& spec) {
  const std::string_view account = string_at(spec, {"serviceAccountName"});
  return {.name = std::string(key.name()),
          .ns = std::string(key.ns()),
          .uid = std::string(string_at(object, {"metadata", "uid"})),
          .service_account = std::string(account.empty() ? "default" : account),
          .labels = api::object_at(object, {"metadata", "labels"}),
          .annotations = api::object_at(object, {"metadata", "annotations"}),
          .created = parse_rfc3339(string_at(object, {"metadata", "creationTimestamp"})).value_or(WallTime{}),
          .priority = api::int_at(spec, {"priority"}).value_or(0),
          .scheduled = std::string(
              string_at(object, {"metadata", "annotations", "workflows.argoproj.io/scheduled-time"}))};
}

}  // namespace

workflow::Config config_maps(const store::Turn& turn, const Key& key) {
  return [&turn, key](std::string_view name, std::string_view entry) -> std::optional<std::string> {
    const api::ObjectPtr map = beside(turn, key, "configmaps", false, name);
    if (!map) return std::nullopt;
    const Json json = map->parse();
    const Json* value = api::find(json, {"data", entry});
    return value ? std::optional(std::string(string_at(*value, {}))) : std::nullopt;
  };
}

Or<int64_t> semaphore_size(const api::ObjectPtr& map, std::string_view name, std::string_view key) {
  const std::string what = "configmap \"" + std::string(name) + "\"";
  if (!map) return std::unexpected(what + " not found");
  const Json json = map->parse();
  const Json* value = api::find(json, {"data", key});
  if (!value) return std::unexpected(what + " has no key \"" + std::string(key) + "\"");
  const std::string_view text = string_at(*value, {});
  int64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc{} || end != text.data() + text.size() || size < 0)
    return std::unexpected(what + ": \"" + std::string(key) + "\" is no whole number");
  return size;
}

workflow::Lookup templates(const store::Turn& turn, const Key& key) {
  return [&turn, key](bool cluster, std::string_view name) -> std::optional<Json> {
    const std::string_view resource =
        cluster ? "clusterworkflowtemplates.argoproj.io" : "workflowtemplates.argoproj.io";
    const api::ObjectPtr found = beside(turn, key, resource, cluster, name);
    return found ? std::optional(found->parse()) : std::nullopt;
  };
}

Or<ReadWorkflow> read_workflow(const store::Turn& turn, const Key& key, Json& object, Flows& flows,
                               workflow::Locks& locks) {
  auto resolved = workflow::resolve(object, templates(turn, key));
  if (!resolved) return std::unexpected(resolved.error());
  const Or<workflow::FlowPtr> flow = flows.read(resolved->spec, resolved->stored);
  if (!flow) return std::unexpected(flow.error());
  ReadWorkflow out{.run = std::make_unique<workflow::Run>(*flow, facts_of(key, object, resolved->spec))};
  out.run->read_config(config_maps(turn, key));
  out.run->share(&locks);
  if (const Json* held = api::find(object, {"status", "synchronization"})) out.run->restore_locks(*held);
  const Json* arguments = api::find(resolved->spec, {"arguments"});
  if (const auto given = out.run->arguments(arguments ? *arguments : Json(JsonObject{})); !given)
    return std::unexpected(given.error());
  const bool marked = string_at(object, {"status", "startedAt"}).empty() &&
                      api::find(out.run->flow().spec(), {"workflowMetadata"});
  if (marked) {
    if (const auto done = out.run->mark(); !done) return std::unexpected(done.error());
    const workflow::Facts& facts = out.run->facts();
    if (!facts.labels.empty()) api::set(object, {"metadata", "labels"}, facts.labels);
    if (!facts.annotations.empty()) api::set(object, {"metadata", "annotations"}, facts.annotations);
  }
  out.suspended = api::bool_at(object, {"spec", "suspend"});
  const std::string_view shutdown = string_at(object, {"spec", "shutdown"});
  out.shutdown = shutdown == "Terminate" ? workflow::Shutdown::Terminate
                 : shutdown == "Stop"    ? workflow::Shutdown::Stop
                                         : workflow::Shutdown::No;
  out.stored = resolved->fresh;
  out.stored |= marked;
  if (resolved->fresh) object = workflow::with_stored(std::move(object), *resolved);
  out.templates = std::move(resolved->stored);
  return out;
}

}  // namespace ingot::pipelines
