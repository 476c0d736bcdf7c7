// MLflow's REST API, below /mlflow: which requests there are, and what each asks for in the words of RBAC. One table
// (mlflow_routes.cc): what is not in it does not exist, so nothing is served that nobody authorized. What becomes of an
// authorized request is up to host/ (MlflowSource). Answers, also refusals, are MLflow's own {error_code, message}.
//
// The paths are those of its server: {api,ajax-api}/{2.0,3.0}/mlflow/…, …/mlflow-artifacts/…, get-artifact, health, version.
#pragma once

#include <span>
#include <string_view>

#include "apiserver/context.h"

namespace ingot::apiserver {

struct MlflowRoute {
  std::string_view method;
  std::string_view
      path;  // below /mlflow, without API and version; {name} is any one segment, {name...} all that follow
  std::string_view op;  // what it is for: the handler's name
  std::string_view verb, resource, subresource;
  // Recorded: it changes what exists, so it is audited with its outcome. Logging into a run is not: the run is the record.
  enum class Kind : uint8_t { Reads, Logs, Recorded } kind = Kind::Reads;
  bool stream = false;  // has a body of any length
};
std::span<const MlflowRoute> mlflow_routes();        // of what is tracked
std::span<const MlflowRoute> mlflow_model_routes();  // of registered models

struct MlflowMatch {
  const MlflowRoute* route = nullptr;
  std::vector<std::pair<std::string, std::string>> parts;  // what stands for {name}
};
// Segments below /mlflow, decoded. Pure; any thread, as all but serve_mlflow().
std::optional<MlflowMatch> match_mlflow(std::string_view method, std::span<const std::string> segments);

// Whether a target as it was sent lies below /mlflow: what cannot be read at all is refused in MLflow's words too.
bool is_mlflow(std::string_view target);
bool is_mlflow_stream(std::string_view method, std::string_view target);
Result<void> read_mlflow_request(Prepared&);
Reply mlflow_error_reply(const Error&);

// In the turn.
Result<Outcome> serve_mlflow(Call&);

}  // namespace ingot::apiserver
