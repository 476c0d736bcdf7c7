// ConfigMaps that remember what templates gave (workflow/memo.h), beside the Workflow. Only those that say that they are
// caches are read or written; one that is not there is made. Thread rule: the loop, in the turn given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "env/env.h"
#include "store/shard.h"
#include "workflow/memo.h"

namespace ingot::pipelines {

class Memos {
 public:
  explicit Memos(env::Env& env) : env_(env) {}
  workflow::Recall recall(const store::Turn&, const api::Key& workflow);
  using Lost = workflow::Forgotten;
  // Returns what could not be kept.
  std::vector<Lost> keep(store::Turn&, const api::Key& workflow, const std::vector<workflow::Memo>&);

 private:
  // Of the ConfigMap read last: a loop asks the same one again and again.
  const api::Json* read(const store::Turn&, const api::Key& map);

  env::Env& env_;
  api::Key last_;
  Revision last_revision_{};
  std::optional<api::Json> last_map_;
};

}  // namespace ingot::pipelines
