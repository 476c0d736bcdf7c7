#include "node/tracking.h"

#include <fmt/format.h>

#include <algorithm>

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

void settle_tracking(Environment& env, const Environment& ours) {
  const auto value = [](const Environment& in, std::string_view name) -> const std::string* {
    const auto found = std::ranges::find_if(in, [&](const auto& one) { return one.first == name; });
    return found == in.end() ? nullptr : &found->second;
  };
  const std::string *uri = value(ours, "MLFLOW_TRACKING_URI"), *now = value(env, "MLFLOW_TRACKING_URI");
  if (!uri) return;
  const bool elsewhere = !now || *now != *uri;
  const bool has_id = value(env, "MLFLOW_EXPERIMENT_ID") != nullptr;
  std::erase_if(env, [&](const auto& one) {
    const std::string* own = value(ours, one.first);
    if (!own || *own != one.second) return false;
    return elsewhere || (has_id && one.first == "MLFLOW_EXPERIMENT_NAME");
  });
}

}  // namespace ingot::node
