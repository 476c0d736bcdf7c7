// What is written down of a run when it ends, and of a version of a data set when it comes and goes: rows of the stream
// `lineage`, so that what used what is known when the objects are gone. Pure; any thread.
//
// A run is a Workflow, or a pod of none; its uid names it. What a pod says of itself is not enough: it belongs to the Workflow
// that the factory's own annotation names (api/reserved.h), and is called after the Job that its owner reference names only
// with the uid of one that was there; a commit is its Workflow's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/object.h"
#include "base/time.h"

namespace ingot::registry {

inline constexpr std::string_view kPods = "pods", kWorkflows = "workflows.argoproj.io", kJobs = "jobs.batch",
                                  kDatasetVersions = "datasetversions.factory.ingot.dev",
                                  kDatasets = "datasets.factory.ingot.dev",
                                  kDatasetDriver = "datasets.ingot.dev";

// An object of the same cluster that is there, or was a moment ago; null otherwise.
using LookBack =
    std::function<api::Json(std::string_view resource, std::string_view ns, std::string_view name)>;

// The Workflow that made a pod; "" of another pod.
std::string_view workflow_uid(const api::Json& pod);
// The controller that ownerReferences name: a Workflow or a Job, {"", "", ""} for another. Anybody may write them.
struct Owner {
  std::string kind, name, uid;
};
Owner owner_of(const api::JsonArray& references);

// Of a pod that had a node. `went`: it was deleted before it ended.
api::JsonObject pod_row(const api::Json& pod, const LookBack&, bool went, WallTime now);
// `pods`: of it, as far as they are still known.
api::JsonObject workflow_row(const api::Json& workflow, const std::vector<api::Json>& pods, bool went,
                             WallTime now);
api::JsonObject data_row(const api::Json& version, const LookBack&, bool gone);

}  // namespace ingot::registry
