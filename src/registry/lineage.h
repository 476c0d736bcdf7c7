// Answers what something came from and what came of it, from the rows that were written as it happened: `lineage` (Registrar,
// Witness, the API server), `ledger` (costs) and `verdicts` (gates). So what was deleted still answers; what is gone is marked.
//
// Thread rule: ask() on the loop; rows are read by the shard, and parsed, indexed and joined by `worker`. Invariants: an answer
// holds all rows that were durable when it was asked for, and of its cluster alone; no answer is larger than asked for, and one
// that was cut says so. The index (16 bytes a name in a row) follows the rows, in the background at the start and with each
// question; it is made anew in each process.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot::registry {

struct LineageQuery {
  ClusterId cluster;
  // model/NAME[@VERSION or alias], data/MANIFEST, data/NAMESPACE/NAME-vN, commit/SHA (7 digits or more), run/UID,
  // run/NAMESPACE/NAME, image/DIGEST. NAME of a model: its object's.
  std::string of;
  enum class Way : uint8_t { Both, Up, Down } way = Way::Both;
  size_t depth = 8, nodes = 500;  // at most kDeepest, kMostNodes
};

struct LineageOptions {
  size_t entries = 16u << 20;  // of the index
};

class Lineage {
 public:
  static constexpr size_t kDeepest = 16, kMostNodes = 5'000;
  static constexpr size_t kMostAsked = 64, kMostOfCluster = 4;  // at a time; TooManyRequests beyond

  // JSON: {of, way, nodes: [{id, kind, …}], edges: [{from, to, said?}], cut?: [why]}; `said`: that data came from a run is
  // what its version says of itself, and nobody saw. BadRequest, NotFound.
  using Done = std::move_only_function<void(Result<std::string>)>;

  Lineage(env::Env&, store::Shard&, env::Worker&, LineageOptions = {});
  ~Lineage();
  Lineage(const Lineage&) = delete;
  Lineage& operator=(const Lineage&) = delete;
  // `done` is called once, on the loop, unless this is destroyed before.
  void ask(LineageQuery, Done done);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what is on its way
};

}  // namespace ingot::registry
