// Makes the Workflows of CronWorkflows when they are due, and keeps their status. What is to be done is decided in
// workflow/cron.h; here it is read and written, in one turn.
//
// Thread rule: the loop. Invariants: a child and the time that its CronWorkflow was last scheduled are one turn's writes, so
// no crash makes two of one time; what time was waited for is forgotten with the process alone.
#pragma once

#include <memory>

#include "api/registry.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot::pipelines {

class CronKeeper {
 public:
  CronKeeper(env::Env&, store::Shard&, const api::Registry&);
  ~CronKeeper();
  CronKeeper(const CronKeeper&) = delete;
  CronKeeper& operator=(const CronKeeper&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::pipelines
