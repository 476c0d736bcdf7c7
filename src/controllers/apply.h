// Turns a plan into writes of a turn. Thread rule: inside a turn.
#pragma once

#include "controllers/index.h"
#include "controllers/plan.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot::controllers {

// A view of one cluster as of a turn.
class TurnSnapshot final : public Snapshot {
 public:
  TurnSnapshot(const store::Turn& turn, const Index& index, const Facts& facts, ClusterId cluster)
      : turn_(turn), index_(index), facts_(facts), cluster_(std::move(cluster)) {}

  const ClusterId& cluster() const override { return cluster_; }
  const Facts& facts() const override { return facts_; }
  ObjectPtr get(std::string_view resource, std::string_view ns, std::string_view name) const override;
  void range(std::string_view resource, std::string_view ns,
             const std::function<bool(const ObjectPtr&)>&) const override;
  void everything(const std::function<bool(const ObjectPtr&)>&) const override;
  std::vector<ObjectPtr> owned_by(std::string_view uid) const override;
  bool node_exists(std::string_view name) const override;

 private:
  const store::Turn& turn_;
  const Index& index_;
  const Facts& facts_;
  const ClusterId cluster_;
};

// Writes `plan` in order, up to the first write that fails; what was created is in `index` at once.
Result<void> apply(store::Turn&, env::Env&, Index&, Plan plan);

}  // namespace ingot::controllers
