// MLflow's registered models, beside the loop. A request becomes requests to the API server as whoever asked (registry/model_ops.h),
// one after another on one of a few threads.
//
// Thread rule: serve() on the loop; destroyed by any thread but the loop's and its own, once no more requests come.
// Bounds: so many requests at once, of one cluster and of all (429 beyond).
#pragma once

#include <memory>

#include "apiserver/server.h"
#include "env/blobs.h"
#include "env/env.h"
#include "host/tracking_service.h"

namespace ingot::host {

struct ModelServiceOptions {
  int threads = 4;
  int waiting = 256, waiting_of_one = 64;
};

class ModelService {
 public:
  // `files` gives out blobs. All outlive it but the server.
  ModelService(env::Loop&, env::Blobs&, apiserver::BlobSource& files, TrackingService& tracking,
               ModelServiceOptions = {});
  ~ModelService();
  // On the loop; nullptr: from now on every request is refused.
  void use(apiserver::Server*);
  // "registered-models/…", "model-versions/…", and what of the artifacts' proxy is below models/.
  void serve(apiserver::MlflowTarget, apiserver::ExchangePtr);

 private:
  struct Shared;
  class Request;
  std::shared_ptr<Shared> shared_;
};

}  // namespace ingot::host
