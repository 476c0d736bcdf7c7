// What one look at a remote leads to: for each branch that moved, a Workflow or why there is none. Thread rule: the loop.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/registry.h"
#include "env/env.h"
#include "env/git.h"
#include "git/repository.h"
#include "store/shard.h"

namespace ingot::pipelines {

// A branch that moved, on the way to its run.
struct Reaction {
  env::GitChange change;
  std::optional<api::Json> pipeline;  // that is to run; none: `reason` and `message` say why not
  std::string reason, message;
  bool needs_source = false;
  std::optional<Digest> source;
};
Reaction judge(const api::Registry&, const git::Repository&, env::GitChange);

struct Settled {
  std::optional<git::Started> newest;
  uint64_t started = 0;
};
// In the turn given: creates the Workflows and writes the Repository's status.
Result<Settled> settle(store::Turn&, env::Env&, const api::Registry&, const api::ObjectPtr& repository,
                       const env::GitSeen&, std::vector<Reaction>, const std::string& asked);
// That a look failed: condition Ready is False, with the error's cause as its reason.
Result<void> settle_failed(store::Turn&, const api::ObjectPtr& repository, const Error&,
                           const std::string& asked, WallTime now);

}  // namespace ingot::pipelines
