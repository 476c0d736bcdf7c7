#include "registry/courier_post.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/webhook.h"
#include "base/encoding.h"
#include "base/hmac.h"

namespace ingot::registry {
namespace {
using api::Json;
using api::JsonObject;

constexpr std::string_view kName = "digits", kKey = "team", kValue = "ocr";

JsonObject tags() { return {{kKey, kValue}}; }

}  // namespace

env::WebhookPost webhook_post(const ClusterId& cluster, std::string_view url, std::string_view secret,
                              std::string_view id, std::string body, WallTime now) {
  const auto seconds =
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
  env::WebhookPost post{.cluster = cluster, .url = std::string(url), .body = {}, .headers = {}};
  post.headers = {{"Content-Type", "application/json"},
                  {"X-MLflow-Delivery-Id", std::string(id)},
                  {"X-MLflow-Timestamp", seconds}};
  if (!secret.empty())
    post.headers.emplace_back(
        "X-MLflow-Signature",
        "v1," + base64(hmac_sha256(secret, fmt::format("{}.{}.{}", id, seconds, body))));
  post.body = std::move(body);
  return post;
}

Json example_of(std::string_view event) {
  if (std::ranges::find(api::webhook_events(), event) == api::webhook_events().end()) return {};
  const bool prompt = event.starts_with("prompt");
  JsonObject data{{"name", kName}};
  if (event == "registered_model.created" || event == "prompt.created") {
    data["tags"] = tags();
    data["description"] = "an example";
  } else if (event.ends_with("version.created")) {
    data["version"] = "1";
    if (prompt)
      data["template"] = "Which digit is {{image}}?";
    else
      data["source"] = "runs:/0123456789abcdef0123456789abcdef/model",
      data["run_id"] = "0123456789abcdef0123456789abcdef";
    data["tags"] = tags();
    data["description"] = "an example";
  } else if (event.find("_alias.") != event.npos) {
    data["alias"] = "production";
    if (event.ends_with("created")) data["version"] = "1";
  } else {
    if (event.find("version") != event.npos) data["version"] = "1";
    data["key"] = kKey;
    if (event.ends_with(".set")) data["value"] = kValue;
  }
  const size_t dot = event.find('.');
  return JsonObject{
      {"entity", event.substr(0, dot)}, {"action", event.substr(dot + 1)}, {"data", std::move(data)}};
}

// What asks for another time, and who cannot say anything yet, may take it later. A redirect leads nowhere.
Taken taken(const Result<env::WebhookAnswer>& answer) {
  if (!answer) return answer.error().reason == Reason::Forbidden ? Taken::Never : Taken::NotYet;
  if (answer->status / 100 == 2) return Taken::Yes;
  constexpr int kLater[] = {408, 409, 425, 429};
  const bool later = answer->status >= 500 || std::ranges::find(kLater, answer->status) != std::end(kLater);
  return later ? Taken::NotYet : Taken::Never;
}

}  // namespace ingot::registry
