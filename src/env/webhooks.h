// The port to receivers of webhooks: one request, and what came back.
//
// Thread rule: the loop; answers are posted to it, one for each request, never inline. Invariants: an answer comes within a
// bounded time; where a URL leads is judged when it is connected to, and no answer leads anywhere else.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace ingot::env {

struct WebhookPost {
  ClusterId cluster;  // whose; one's posts hold up nobody else's
  std::string url, body;
  std::vector<std::pair<std::string, std::string>> headers;
};
struct WebhookAnswer {
  int status = 0;
  std::string body;  // the beginning of it
};

struct WebhookSender {
  virtual ~WebhookSender() = default;
  // Error: no answer. Forbidden: it may not go there, and never may.
  virtual void post(WebhookPost, std::move_only_function<void(Result<WebhookAnswer>)>) = 0;
};

}  // namespace ingot::env
