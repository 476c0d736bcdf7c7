// When containers end, read from the pods' status in the store: what a followed log waits for.
// Thread rule: the loop. Outlived by the shard.
#pragma once

#include "env/env.h"
#include "host/logs.h"
#include "store/shard.h"

namespace ingot::host {

class PodEnds final : public ContainerEnds {
 public:
  PodEnds(env::Loop& loop, store::Shard& shard) : loop_(loop), shard_(shard) {}
  std::shared_ptr<void> when_ended(const apiserver::LogTarget&, env::Task ended) override;

 private:
  env::Loop& loop_;
  store::Shard& shard_;
};

}  // namespace ingot::host
