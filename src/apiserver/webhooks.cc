#include "apiserver/webhooks.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/deletion.h"
#include "api/webhook.h"
#include "apiserver/status.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using api::JsonObject;
using api::string_at;

std::string_view name_of(const Json& object) { return string_at(object, {"metadata", "name"}); }

Result<void> check_room(Call& call, const Json& webhook) {
  size_t there = 0;
  call.view.range(api::kWebhooks, "", "",
                  [&](const api::ObjectPtr&) { return ++there < api::kMostWebhooks; });
  if (there < api::kMostWebhooks) return {};
  return fail(forbidden(call.type(), name_of(webhook),
                        fmt::format("there are {} webhooks already, as many as a tenant may have: delete one",
                                    api::kMostWebhooks)));
}

// What was sent as spec.secret; it stays in nothing that anybody reads.
Result<void> keep_secret(Call& call, Json& webhook) {
  const Json* sent = api::find(webhook, {"spec", "secret"});
  if (!sent) return {};
  const std::string secret(string_at(*sent, {}));
  api::erase(webhook, {"spec", "secret"});
  if (secret.empty())
    api::erase(webhook, {"status", "signed"});
  else
    api::set(webhook, {"status", "signed"}, true);
  if (call.in.dry_run) return {};
  const std::string name(name_of(webhook));
  if (secret.empty()) {
    if (!call.view.get(api::kWebhookSecrets, "", name)) return {};
    const auto gone = call.view.erase(api::kWebhookSecrets, "", name);
    return gone ? Result<void>() : fail(gone.error());
  }
  const auto kept = call.view.put(api::kWebhookSecrets, "", name,
                                  JsonObject{{"metadata", JsonObject{{"name", name}}},
                                             {"uid", string_at(webhook, {"metadata", "uid"})},
                                             {"secret", secret}});
  return kept ? Result<void>() : fail(kept.error());
}

}  // namespace

bool is_webhook(const api::Resource& type) {
  return type.group == "factory.ingot.dev" && type.kind == "Webhook";
}

Result<void> admit_webhook(Call& call, const Json& before, Json& after) {
  if (call.route().subresource == "status")
    return fail(forbidden(call.type(), call.route().name, "its status is written by the factory alone"));
  if (before.is_null())
    if (auto room = check_room(call, after); !room) return room;
  if (string_at(after, {"spec", "name"}).empty()) {
    const std::string_view was = string_at(before, {"spec", "name"});
    const std::string called(was.empty() ? name_of(after) : was);
    if (const std::string fault = api::webhook_name_fault(called); !fault.empty())
      return fail(about({.reason = Reason::Invalid, .message = "spec.name: " + fault}, call.type(), called));
    api::set(after, {"spec", "name"}, called);
  }
  const bool changed = api::find(after, {"spec", "secret"}) || before.is_null() || !api::same(before, after);
  if (auto kept = keep_secret(call, after); !kept) return kept;
  if (changed) api::set(after, {"status", "updated"}, to_rfc3339_micro(call.services.env.clock.wall()));
  return {};
}

Result<void> forget_webhook(Call& call, std::string_view name) {
  if (call.view.get(api::kWebhookSecrets, "", name))
    if (const auto gone = call.view.erase(api::kWebhookSecrets, "", name); !gone) return fail(gone.error());
  std::vector<std::string> waiting;
  call.view.range(api::kWebhookDeliveries, name, "", [&](const api::ObjectPtr& delivery) {
    waiting.emplace_back(delivery->key.name());
    return true;
  });
  for (const std::string& delivery : waiting)
    if (const auto gone = call.view.erase(api::kWebhookDeliveries, name, delivery); !gone)
      return fail(gone.error());
  return {};
}

}  // namespace ingot::apiserver
