// Webhooks of the model registry: what they may be told of, and where they may be. Pure; any thread.
// Facts: mlflow/entities/webhook.py, mlflow/utils/validation.py (_WEBHOOK_NAME_REGEX).
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace ingot::api {

inline constexpr std::string_view kWebhooks = "webhooks.factory.ingot.dev";
// What no client sees: the secret of a webhook, by its name; and what is on its way to it, in the namespace of its name.
inline constexpr std::string_view kWebhookSecrets = "webhooksecrets",
                                  kWebhookDeliveries = "webhookdeliveries";

inline constexpr size_t kMostWebhooks = 10;  // of a cluster

std::span<const std::string_view> webhook_events();  // "model_version.created", in the order of MLflow
std::string webhook_name_fault(std::string_view);    // "" for a good one

struct WebhookUrl {
  bool encrypted = true;
  std::string host;  // an IPv6 address without brackets
  uint16_t port = 443;
  std::string authority;  // as the header Host says it
  std::string target;     // path and query
};
// Error: what is wrong, for after "spec.url: ".
std::expected<WebhookUrl, std::string> parse_webhook_url(std::string_view);

}  // namespace ingot::api
