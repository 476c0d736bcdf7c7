// Rows whose Workflow is gone: what a crash in the middle of erasing them left. Looks at every row once, then it is over.
// Thread rule: the loop.
#pragma once

#include <set>
#include <string>

#include "env/env.h"
#include "store/follower.h"

namespace ingot::pipelines {

class RowSweep final : public store::Follower::Handler {
 public:
  RowSweep(env::Env&, store::Shard&);
  bool over() const { return over_; }

 private:
  void reset() override;
  bool follow(store::Turn&, const std::vector<api::Key>& changed, bool rest) override;

  std::set<std::string> left_;  // keys of Workflows
  bool over_ = false;
  store::Follower follower_;
};

}  // namespace ingot::pipelines
