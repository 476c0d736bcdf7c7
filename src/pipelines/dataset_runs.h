// A new version of a data set starts the pipelines that its Dataset names (`spec.pipelines`): a Workflow each, of the
// WorkflowTemplate it refers to, with the parameters `dataset`, `version` and `digest`.
//
// Thread rule: the loop. Invariants: the Workflows and the mark on the version that says so (an annotation) are one turn's
// writes, so a version starts each of them once, whatever crashes and whatever becomes of the Workflows; a version is marked
// when it is first seen, so pipelines that a Dataset is given later run for later versions.
#pragma once

#include <memory>
#include <string>

#include "api/registry.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot::pipelines {

// "digits-v3-train": a label's value at most.
std::string dataset_run_name(std::string_view version, std::string_view pipeline);

class DatasetRuns {
 public:
  DatasetRuns(env::Env&, store::Shard&, const api::Registry&);
  ~DatasetRuns();
  DatasetRuns(const DatasetRuns&) = delete;
  DatasetRuns& operator=(const DatasetRuns&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::pipelines
