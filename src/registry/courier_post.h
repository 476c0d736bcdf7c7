// A webhook's request: its body, and the headers that say that it is the factory's. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "base/time.h"
#include "env/webhooks.h"

namespace ingot::registry {

// `secret`: "" of a webhook that has none. The signature is over `{id}.{seconds}.{body}`, so that neither can be replayed with
// another.
env::WebhookPost webhook_post(const ClusterId&, std::string_view url, std::string_view secret,
                              std::string_view id, std::string body, WallTime now);

// An example of what is told, as JSON; null: no such event.
api::Json example_of(std::string_view event);

enum class Taken : uint8_t { Yes, NotYet, Never };
Taken taken(const Result<env::WebhookAnswer>&);

}  // namespace ingot::registry
