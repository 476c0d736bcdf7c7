#include "apiserver/mlflow.h"

namespace ingot::apiserver {
namespace {
using enum MlflowRoute::Kind;

constexpr std::string_view kExperiments = "experiments", kRuns = "runs", kArtifacts = "artifacts",
                           kLogged = "loggedmodels";

constexpr MlflowRoute kRoutes[] = {
    {"GET", "health", "health", "get", kExperiments, ""},
    {"GET", "version", "version", "get", kExperiments, ""},

    {"POST", "mlflow/experiments/create", "experiments/create", "create", kExperiments, "", Recorded},
    {"GET", "mlflow/experiments/search", "experiments/search", "list", kExperiments, ""},
    {"POST", "mlflow/experiments/search", "experiments/search", "list", kExperiments, ""},
    {"GET", "mlflow/experiments/get", "experiments/get", "get", kExperiments, ""},
    {"GET", "mlflow/experiments/get-by-name", "experiments/get-by-name", "get", kExperiments, ""},
    {"POST", "mlflow/experiments/update", "experiments/update", "update", kExperiments, "", Recorded},
    {"POST", "mlflow/experiments/delete", "experiments/delete", "delete", kExperiments, "", Recorded},
    {"POST", "mlflow/experiments/restore", "experiments/restore", "delete", kExperiments, "", Recorded},
    {"POST", "mlflow/experiments/set-experiment-tag", "experiments/set-experiment-tag", "update",
     kExperiments, "", Recorded},
    {"POST", "mlflow/experiments/delete-experiment-tag", "experiments/delete-experiment-tag", "update",
     kExperiments, "", Recorded},
    {"POST", "mlflow/experiments/search-datasets", "experiments/search-datasets", "list", kRuns, ""},

    {"POST", "mlflow/runs/create", "runs/create", "create", kRuns, "", Recorded},
    {"GET", "mlflow/runs/get", "runs/get", "get", kRuns, ""},
    {"POST", "mlflow/runs/search", "runs/search", "list", kRuns, ""},
    {"POST", "mlflow/runs/update", "runs/update", "update", kRuns, "", Logs},
    {"POST", "mlflow/runs/delete", "runs/delete", "delete", kRuns, "", Recorded},
    {"POST", "mlflow/runs/restore", "runs/restore", "delete", kRuns, "", Recorded},
    {"POST", "mlflow/runs/log-metric", "runs/log-metric", "update", kRuns, "", Logs},
    {"POST", "mlflow/runs/log-parameter", "runs/log-parameter", "update", kRuns, "", Logs},
    {"POST", "mlflow/runs/log-batch", "runs/log-batch", "update", kRuns, "", Logs},
    {"POST", "mlflow/runs/log-inputs", "runs/log-inputs", "update", kRuns, "", Logs},
    {"POST", "mlflow/runs/outputs", "runs/outputs", "update", kRuns, "", Logs},
    {"POST", "mlflow/runs/log-model", "runs/log-model", "update", kRuns, "", Logs},
    {"POST", "mlflow/runs/set-tag", "runs/set-tag", "update", kRuns, "", Logs},
    {"POST", "mlflow/runs/delete-tag", "runs/delete-tag", "update", kRuns, "", Logs},
    {"GET", "mlflow/metrics/get-history", "metrics/get-history", "get", kRuns, ""},
    {"GET", "mlflow/metrics/get-history-bulk", "metrics/get-history-bulk", "get", kRuns, ""},
    {"GET", "mlflow/metrics/get-history-bulk-interval", "metrics/get-history-bulk-interval", "get", kRuns,
     ""},

    {"POST", "mlflow/logged-models", "logged-models/create", "create", kLogged, "", Recorded},
    {"POST", "mlflow/logged-models/search", "logged-models/search", "list", kLogged, ""},
    {"GET", "mlflow/logged-models/{model_id}", "logged-models/get", "get", kLogged, ""},
    {"PATCH", "mlflow/logged-models/{model_id}", "logged-models/finalize", "update", kLogged, "", Logs},
    {"DELETE", "mlflow/logged-models/{model_id}", "logged-models/delete", "delete", kLogged, "", Recorded},
    {"PATCH", "mlflow/logged-models/{model_id}/tags", "logged-models/set-tags", "update", kLogged, "", Logs},
    {"DELETE", "mlflow/logged-models/{model_id}/tags/{tag_key}", "logged-models/delete-tag", "update",
     kLogged, "", Logs},
    {"POST", "mlflow/logged-models/{model_id}/params", "logged-models/log-params", "update", kLogged, "",
     Logs},
    {"GET", "mlflow/logged-models/{model_id}/artifacts/directories", "logged-models/list-artifacts", "get",
     kRuns, kArtifacts},

    {"GET", "mlflow/artifacts/list", "artifacts/list", "get", kRuns, kArtifacts},
    {"GET", "get-artifact", "artifacts/get", "get", kRuns, kArtifacts},
    {"GET", "mlflow-artifacts/artifacts", "proxy/list", "get", kRuns, kArtifacts},
    {"GET", "mlflow-artifacts/artifacts/{path...}", "proxy/get", "get", kRuns, kArtifacts},
    {"PUT", "mlflow-artifacts/artifacts/{path...}", "proxy/put", "create", kRuns, kArtifacts, Logs, true},
    {"DELETE", "mlflow-artifacts/artifacts/{path...}", "proxy/delete", "delete", kRuns, kArtifacts, Recorded},
    {"POST", "mlflow-artifacts/mpu/create/{path...}", "mpu/create", "create", kRuns, kArtifacts, Logs},
    {"POST", "mlflow-artifacts/mpu/complete/{path...}", "mpu/complete", "create", kRuns, kArtifacts, Logs},
    {"POST", "mlflow-artifacts/mpu/abort/{path...}", "mpu/abort", "create", kRuns, kArtifacts, Logs},
};

bool is_rest(std::string_view pattern) { return pattern.ends_with("...}"); }

// "{name}" or "{name...}" → "name".
std::string name_of(std::string_view pattern) {
  pattern.remove_prefix(1);
  return std::string(pattern.substr(0, pattern.size() - (is_rest(pattern) ? 4 : 1)));
}

std::optional<MlflowMatch> match(const MlflowRoute& route, std::span<const std::string> segments) {
  MlflowMatch found{.route = &route};
  std::string_view rest = route.path;
  size_t at = 0;
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string_view pattern = rest.substr(0, slash);
    rest = slash == rest.npos ? std::string_view{} : rest.substr(slash + 1);
    if (at >= segments.size()) return std::nullopt;
    if (is_rest(pattern)) {
      std::string all;
      for (; at < segments.size(); ++at) all.append(all.empty() ? "" : "/").append(segments[at]);
      found.parts.emplace_back(name_of(pattern), std::move(all));
    } else if (pattern.starts_with('{')) {
      found.parts.emplace_back(name_of(pattern), segments[at++]);
    } else if (segments[at++] != pattern) {
      return std::nullopt;
    }
  }
  return at == segments.size() ? std::optional(std::move(found)) : std::nullopt;
}

}  // namespace

std::span<const MlflowRoute> mlflow_routes() { return kRoutes; }

std::optional<MlflowMatch> match_mlflow(std::string_view method, std::span<const std::string> segments) {
  if (!segments.empty() && (segments[0] == "api" || segments[0] == "ajax-api")) {
    if (segments.size() < 3 || (segments[1] != "2.0" && segments[1] != "3.0")) return std::nullopt;
    segments = segments.subspan(2);
    if (segments[0] != "mlflow" && segments[0] != "mlflow-artifacts") return std::nullopt;
  } else if (!segments.empty() && segments[0].starts_with("mlflow")) {
    return std::nullopt;
  }
  for (const auto routes : {mlflow_routes(), mlflow_model_routes()})
    for (const MlflowRoute& route : routes)
      if (route.method == method)
        if (auto found = match(route, segments)) return found;
  return std::nullopt;
}

}  // namespace ingot::apiserver
