#include "pipelines/row_sweep.h"

#include "pipelines/rows.h"

namespace ingot::pipelines {

using api::Key;

namespace {
constexpr size_t kErasedAtATime = 100;
}

RowSweep::RowSweep(env::Env& env, store::Shard& shard)
    : follower_(env, shard, store::later({{"", std::string(workflow::kNodeRows), ""}}), *this) {}

void RowSweep::reset() {
  left_.clear();
  over_ = false;
}

bool RowSweep::follow(store::Turn& turn, const std::vector<Key>& changed, bool rest) {
  if (over_) return false;
  for (const Key& row : changed) {
    const std::string_view name = row.name();
    const Key workflow(ClusterId{std::string(row.cluster())}, workflow::kWorkflows, row.ns(),
                       name.substr(0, name.find(':')));
    if (!turn.get(workflow)) left_.insert(workflow.text());
  }
  if (!left_.empty()) {
    const Key workflow(*left_.begin());
    // One of the same name may have been made meanwhile.
    if (turn.get(workflow) || !erase_nodes(turn, workflow, kErasedAtATime)) left_.erase(left_.begin());
  }
  over_ = !rest && left_.empty();
  return !left_.empty();
}

}  // namespace ingot::pipelines
