// What MLflow's calls about models need of the rest: requests to the cluster's API, as whoever asked (so that RBAC, admission and
// audit are the same however a model is reached), what a run left, and blobs. host/model_service.h implements it.
// Thread rule: one thread at a time; every call may wait.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "base/digest.h"
#include "base/error.h"
#include "data/manifest.h"
#include "registry/model_source.h"

namespace ingot::registry {

// The files of a run or a logged model, and what the factory knows of the run.
struct TrackedFiles {
  std::string run_id;
  data::Manifest files;
  api::JsonObject made;  // as `spec.provenanceOf`
};

struct ModelApi {
  virtual ~ModelApi() = default;
  // `path`: below /apis/factory.ingot.dev/v1alpha1/, with a query perhaps. The body of a PATCH is a merge patch. An answer that is
  // not 2xx is an Error with its reason and message.
  virtual Result<api::Json> call(std::string_view method, const std::string& path,
                                 const api::Json* body = nullptr) = 0;
  virtual Result<TrackedFiles> tracked(const ModelSource&) = 0;
  virtual Result<Digest> keep(const data::Manifest&) = 0;
};

}  // namespace ingot::registry
