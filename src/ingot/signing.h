// Models in a running factory: the keys that sign them, who uses them, who serves what MLflow's clients ask of them, and who
// writes down and tells where they came from.
// Thread rule: open() before the loop runs; mount(), run() and rest() on the loop; destroyed after rest(), off it while it runs.
#pragma once

#include <memory>
#include <string>

#include "apiserver/server.h"
#include "env/blobs.h"
#include "host/model_service.h"
#include "host/real_env.h"
#include "host/signing_keys.h"
#include "host/workers.h"
#include "registry/lineage.h"
#include "registry/registrar.h"
#include "registry/witness.h"
#include "store/shard.h"

namespace ingot {

class Signing {
 public:
  // `directory`: of the keys. `factory`: the id of this one.
  static Result<std::unique_ptr<Signing>> open(const std::string& directory, const std::string& factory,
                                               host::RealEnv&);
  // Everything passed in outlives this, but for the server, which outlives rest().
  void mount(apiserver::Server&, env::Blobs&, apiserver::BlobSource& files, host::TrackingService&);
  void run(store::Shard&, env::Blobs&);
  void rest();

 private:
  Signing(std::unique_ptr<host::SigningKeys> keys, std::string builder, host::RealEnv& real)
      : real_(real),
        builder_(std::move(builder)),
        keys_(std::move(keys)),
        worker_(real.loop, "signer"),
        reader_(real.loop, "lineage") {}

  host::RealEnv& real_;
  const std::string builder_;
  std::unique_ptr<host::SigningKeys> keys_;
  host::ThreadWorker worker_, reader_;
  std::unique_ptr<registry::Registrar> registrar_;  // the loop's
  std::unique_ptr<registry::Witness> witness_;      // and these
  std::unique_ptr<registry::Lineage> lineage_;
  std::unique_ptr<host::ModelService> models_;
};

}  // namespace ingot
