// Every board of the factory and who holds it now: ResourceSlices joined with open Allocations, kept up to date.
// Thread rule: the loop. Invariant: once settled, a holder is here exactly as long as its Allocation is open.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/env.h"
#include "store/shard.h"

namespace ingot::metering {

struct BoardHolder {
  std::string tenant, cluster, ns, pod, pod_uid;
  int32_t milli =
      1000;             // of the board; less: a time share; 0: another who shares its claim is charged for it
  std::string profile;  // of a MIG instance, "" for none …
  int start = -1;       // … and its first memory slice
};
struct BoardView {
  std::string uuid, node, product, model;
  int64_t index = 0, memory_mib = 0;
  bool simulated = false, healthy = true;
};

class GpuView {
 public:
  GpuView(env::Env&, store::Shard&);
  ~GpuView();

  // Allocations are read when somebody looks, some at a time. False: none is left to read.
  bool settle(size_t most);
  using Place = std::pair<std::string, int64_t>;  // node, index
  const std::map<Place, BoardView>& boards() const;
  // Of a board, in the order of their pods' uids.
  std::vector<const BoardHolder*> holders(std::string_view uuid) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::metering
