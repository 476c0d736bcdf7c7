#include "registry/run_rows.h"

#include <algorithm>

#include "api/reserved.h"
#include "base/digest.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kMostDatasets = 256, kMostImages = 64, kMostParameters = 100, kMostPods = 100;
constexpr size_t kLongest = 1'024;  // of a value that its writer chose
constexpr std::string_view kBranchAnnotation = "factory.ingot.dev/branch",
                           kStepAnnotation = "workflows.argoproj.io/node-name";

std::string_view cut(std::string_view text) {
  if (text.size() <= kLongest) return text;
  size_t end = kLongest;
  while (end > 0 && (uint8_t(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}
void keep(JsonObject& to, std::string_view name, std::string_view value) {
  if (!value.empty()) to[name] = cut(value);
}

std::string_view uid_of(const Json& object) { return string_at(object, {"metadata", "uid"}); }

JsonObject run_of(std::string_view kind, const Json& object) {
  return {{"kind", kind}, {"name", string_at(object, {"metadata", "name"})}, {"uid", uid_of(object)}};
}

void keep_source(JsonObject& row, const Json& workflow) {
  keep(row, "commit", string_at(workflow, {"metadata", "labels", api::kCommitLabel}));
  keep(row, "repository", string_at(workflow, {"metadata", "labels", api::kRepositoryLabel}));
  keep(row, "url", string_at(workflow, {"metadata", "annotations", api::kUrlAnnotation}));
  keep(row, "branch", string_at(workflow, {"metadata", "annotations", kBranchAnnotation}));
}

JsonArray images_of(const Json& pod) {
  JsonArray all;
  for (const std::string_view list : {"initContainerStatuses", "containerStatuses"})
    for (const Json& status : api::array_at(pod, {"status", list})) {
      if (all.size() == kMostImages) return all;
      std::string_view id = string_at(status, {"imageID"});
      if (const size_t at = id.find(Digest::kPrefix); at != id.npos) id.remove_prefix(at);
      JsonObject image{{"container", cut(string_at(status, {"name"}))},
                       {"image", cut(string_at(status, {"image"}))}};
      if (const auto digest = Digest::parse(id)) image["digest"] = digest->text();
      all.push_back(std::move(image));
    }
  return all;
}

std::string finished_at(const Json& pod, WallTime now) {
  std::string_view last;
  for (const Json& status : api::array_at(pod, {"status", "containerStatuses"}))
    last = std::max(last, string_at(status, {"state", "terminated", "finishedAt"}));
  return last.empty() ? to_rfc3339(now) : std::string(last);
}

JsonArray datasets_of(const Json& pod, const LookBack& look) {
  JsonArray all;
  for (const Json& volume : api::array_at(pod, {"spec", "volumes"})) {
    if (all.size() == kMostDatasets) break;
    if (string_at(volume, {"csi", "driver"}) != kDatasetDriver) continue;
    const std::string name = std::string(string_at(volume, {"csi", "volumeAttributes", "dataset"})) + "-v" +
                             std::string(string_at(volume, {"csi", "volumeAttributes", "version"}));
    JsonObject one{{"name", cut(name)}};
    const Json version = look(kDatasetVersions, string_at(pod, {"metadata", "namespace"}), name);
    if (const auto manifest = Digest::parse(string_at(version, {"spec", "manifest"})))
      one["manifest"] = manifest->text();
    all.push_back(std::move(one));
  }
  return all;
}

JsonObject pod_facts(const Json& pod, std::string_view phase, WallTime now) {
  JsonObject of{{"pod", string_at(pod, {"metadata", "name"})}, {"uid", uid_of(pod)}, {"phase", phase}};
  keep(of, "step", string_at(pod, {"metadata", "annotations", kStepAnnotation}));
  keep(of, "node", string_at(pod, {"spec", "nodeName"}));
  keep(of, "started", string_at(pod, {"status", "startTime"}));
  keep(of, "finished", finished_at(pod, now));
  if (JsonArray images = images_of(pod); !images.empty()) of["images"] = std::move(images);
  return of;
}

std::string_view phase_of(const Json& object, bool went) {
  const std::string_view phase = string_at(object, {"status", "phase"});
  return went ? "Deleted" : phase.empty() ? "Unknown" : phase;
}

}  // namespace

std::string_view workflow_uid(const Json& pod) {
  const std::string_view node = string_at(pod, {"metadata", "annotations", api::kRunNodeAnnotation});
  const size_t slash = node.find('/');
  return slash == node.npos ? std::string_view() : node.substr(0, slash);
}

Owner owner_of(const JsonArray& references) {
  for (const Json& one : references) {
    const std::string_view kind = string_at(one, {"kind"});
    if (api::bool_at(one, {"controller"}) && (kind == "Workflow" || kind == "Job"))
      return {std::string(kind), std::string(string_at(one, {"name"})), std::string(string_at(one, {"uid"}))};
  }
  return {};
}

JsonObject pod_row(const Json& pod, const LookBack& look, bool went, WallTime now) {
  JsonObject row = pod_facts(pod, phase_of(pod, went), now);
  row["type"] = "run.pod";
  row["namespace"] = string_at(pod, {"metadata", "namespace"});
  row["run"] = run_of("Pod", pod);
  const Owner owner = owner_of(api::array_at(pod, {"metadata", "ownerReferences"}));
  const std::string_view ns = string_at(pod, {"metadata", "namespace"}), workflow = workflow_uid(pod);
  if (!workflow.empty()) {
    const bool named = owner.kind == "Workflow" && owner.uid == workflow;
    row["run"] = JsonObject{{"kind", "Workflow"}, {"name", named ? owner.name : ""}, {"uid", workflow}};
    if (named)
      if (const Json made = look(kWorkflows, ns, owner.name); uid_of(made) == workflow)
        keep_source(row, made);
  } else if (owner.kind == "Job") {
    if (const Json made = look(kJobs, ns, owner.name); uid_of(made) == owner.uid) row["job"] = owner.name;
  }
  if (JsonArray datasets = datasets_of(pod, look); !datasets.empty()) row["datasets"] = std::move(datasets);
  return row;
}

JsonObject workflow_row(const Json& workflow, const std::vector<Json>& pods, bool went, WallTime now) {
  JsonObject row{{"type", "run.workflow"},
                 {"namespace", string_at(workflow, {"metadata", "namespace"})},
                 {"run", run_of("Workflow", workflow)},
                 {"phase", phase_of(workflow, went)}};
  keep(row, "message", string_at(workflow, {"status", "message"}));
  keep(row, "started", string_at(workflow, {"status", "startedAt"}));
  const std::string_view finished = string_at(workflow, {"status", "finishedAt"});
  row["finished"] = finished.empty() ? to_rfc3339(now) : std::string(cut(finished));
  keep(row, "template", string_at(workflow, {"spec", "workflowTemplateRef", "name"}));
  keep_source(row, workflow);
  JsonObject parameters;
  for (const Json& p : api::array_at(workflow, {"spec", "arguments", "parameters"})) {
    if (parameters.size() == kMostParameters) break;
    const Json* value = api::find(p, {"value"});
    if (!value) continue;
    const std::string text =
        value->is_string() ? std::string(std::string_view(value->get_string())) : api::to_text(*value);
    parameters[cut(string_at(p, {"name"}))] = cut(text);
  }
  if (!parameters.empty()) row["parameters"] = std::move(parameters);
  JsonArray list;
  for (const Json& pod : pods) {
    if (workflow_uid(pod) != uid_of(workflow)) continue;
    if (list.size() == kMostPods) {
      row["morePods"] = true;
      break;
    }
    const std::string_view phase = string_at(pod, {"status", "phase"});
    list.push_back(pod_facts(pod, phase.empty() ? "Unknown" : phase, now));
  }
  if (!list.empty()) row["pods"] = std::move(list);
  return row;
}

JsonObject data_row(const Json& version, const LookBack& look, bool gone) {
  const std::string_view ns = string_at(version, {"metadata", "namespace"}),
                         dataset = string_at(version, {"spec", "dataset"});
  JsonObject row{{"type", gone ? "data.deleted" : "data.added"},
                 {"namespace", ns},
                 {"name", string_at(version, {"metadata", "name"})},
                 {"uid", uid_of(version)},
                 {"dataset", dataset},
                 {"version", api::int_at(version, {"spec", "version"}).value_or(0)}};
  for (const std::string_view field : {"manifest", "source", "message"})
    keep(row, field, string_at(version, {"spec", field}));
  for (const std::string_view field : {"files", "bytes"})
    row[field] = api::int_at(version, {"spec", field}).value_or(0);
  keep(row, "created", string_at(version, {"metadata", "creationTimestamp"}));
  const Json of = look(kDatasets, ns, dataset);
  for (const std::string_view field : {"classification", "region"})
    keep(row, field, string_at(of, {"spec", field}));
  return row;
}

}  // namespace ingot::registry
