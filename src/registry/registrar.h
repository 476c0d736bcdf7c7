// Finishes what was registered: looks up what made a version, signs its files and its provenance, and says in its status that
// it is Ready, or why it is not. And leaves a tombstone, a row of the stream `lineage`, of what is deleted.
//
// Thread rule: the loop; `worker` reads blobs and signs beside it, and is nobody else's. Invariants: a version is
// PendingRegistration until its bundles are stored, and Ready together with the row that says so, in one turn; a crash between
// leaves it pending, and it is looked at again; of one version one job at a time, and kMostJobs of all.
// Of what the factory did not see being made (origin: import) it checks the files, and signs nothing.
#pragma once

#include <memory>
#include <string>

#include "env/blobs.h"
#include "env/env.h"
#include "env/signer.h"
#include "store/shard.h"

namespace ingot::registry {

struct RegistrarOptions {
  std::string factory = "https://ingot.dev/factory";  // who built it: the builder's id in provenance
  Duration again = std::chrono::seconds(5);           // after what may pass, as a full disk
};

class Registrar {
 public:
  static constexpr size_t kMostJobs = 16;

  Registrar(env::Env&, store::Shard&, env::Blobs&, env::Signer&, env::Worker&, RegistrarOptions = {});
  ~Registrar();
  Registrar(const Registrar&) = delete;
  Registrar& operator=(const Registrar&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what is on its way
};

}  // namespace ingot::registry
