#include "node/tracking.h"

#include <fmt/format.h>

namespace ingot::node {
namespace {

constexpr std::string_view kWorkflowLabel = "workflows.argoproj.io/workflow";
constexpr std::string_view kExperiment = "factory.ingot.dev/experiment";
constexpr std::string_view kAccountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr int64_t kLongest = 48 * 3600;  // the API gives no longer one

}  // namespace

std::optional<TokenRef> tracking_token(const Pod& pod) {
  if (api::string_at(pod.object, {"metadata", "labels", kWorkflowLabel}).empty()) return std::nullopt;
  for (const api::Json& volume : api::array_at(pod.object, {"spec", "volumes"}))
    for (const api::Json& source : api::array_at(volume, {"projected", "sources"}))
      if (api::find(source, {"serviceAccountToken"})) return TokenRef{"", kLongest};
  return std::nullopt;
}

Environment tracking_variables(const Pod& pod, const ContainerDef& c, const PodConfig& config,
                               const NodeFacts& node) {
  const auto ref = tracking_token(pod);
  if (!ref || node.api_host.empty()) return {};
  const auto token = config.tokens.find(*ref);
  bool sees = false;
  for (const api::Json& mount : api::array_at(*c.spec, {"volumeMounts"}))
    sees |= api::string_at(mount, {"mountPath"}) == kAccountPath;
  if (token == config.tokens.end() || !sees) return {};
  // Who logs elsewhere shows our token to nobody.
  for (const api::Json& own : api::array_at(*c.spec, {"env"}))
    if (api::string_at(own, {"name"}) == "MLFLOW_TRACKING_URI") return {};
  const bool v6 = node.api_host.find(':') != std::string::npos;
  Environment out{{"MLFLOW_TRACKING_URI",
                   fmt::format(fmt::runtime(v6 ? "https://[{}]:{}/mlflow" : "https://{}:{}/mlflow"),
                               node.api_host, node.api_port)},
                  {"MLFLOW_TRACKING_TOKEN", token->second.text},
                  {"MLFLOW_TRACKING_SERVER_CERT_PATH", fmt::format("{}/ca.crt", kAccountPath)}};
  if (const auto name = api::string_at(pod.object, {"metadata", "annotations", kExperiment}); !name.empty())
    out.emplace_back("MLFLOW_EXPERIMENT_NAME", std::string(name));
  return out;
}

}  // namespace ingot::node
