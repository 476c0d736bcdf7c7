// MLflow's API beside the loop: each cluster's requests go through its Tracker one after another, as many as wait in one
// commit, on a few threads of the service's own; artifacts go through the store of blobs. Trackers are opened when they are
// first asked for and closed when nobody asked for a while; the file of a deleted tenant is removed.
//
// Thread rule: serve() and ask() on the loop; destroyed by any thread but the loop's and its own, after stop() on the loop.
// Invariants: an answer leaves after the commit of what it tells of; one cluster's request never waits for a commit of
// another's. Bounds: requests and bytes that wait for one cluster (429 beyond); memory of one cluster and of all, and a
// tenant's spec.storage.limit, beyond which nothing grows (429, RESOURCE_EXHAUSTED).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apiserver/request.h"
#include "controllers/blob_roots.h"
#include "env/blobs.h"
#include "env/env.h"
#include "host/blob_service.h"
#include "store/shard.h"

namespace ingot::host {

struct TrackingOptions {
  std::string directory;  // made if it is not there
  int threads = 4;
  size_t waiting = 4'096, waiting_bytes = 64u << 20;  // of one cluster
  size_t together = 512;                              // requests of one commit
  Duration idle = std::chrono::minutes(5);
  size_t memory = 0;            // of all clusters' Books together; 0: a quarter of the machine's
  env::Blobs* blobs = nullptr;  // which outlives it: whose limits count the files, too
};

class TrackingService final : public apiserver::MlflowSource {
 public:
  // `blobs`: where bodies of artifacts go.
  static Result<std::unique_ptr<TrackingService>> open(env::Env&, store::Shard&, BlobService& blobs,
                                                       TrackingOptions);
  ~TrackingService() override;
  void stop();

  void serve(apiserver::MlflowTarget, apiserver::ExchangePtr) override;

  // One of the registry's operations by name, as the factory itself; the answer's JSON, posted to the loop.
  using Told = std::move_only_function<void(Result<std::string>)>;
  void ask(const ClusterId&, std::string op, std::string args, Told);

  // What blobs artifacts hold, for the sweep.
  std::unique_ptr<controllers::BlobRoots> roots();

  // Operations whose names begin with `prefix` ("registered-models/") are served by somebody else.
  void mount(std::string prefix, std::function<void(apiserver::MlflowTarget, apiserver::ExchangePtr)>);

 private:
  struct Shared;
  explicit TrackingService(std::shared_ptr<Shared>);
  std::shared_ptr<Shared> shared_;
};

}  // namespace ingot::host
