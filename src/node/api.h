// The control plane as a node sees it: the Kubernetes API, as user system:node:NAME in group system:nodes.
// Thread rule: the loop. Callbacks never run inline. A call may fail or never reach the server: callers retry from
// state, never from memory of what they sent.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/json.h"

namespace ingot::node {

struct Call {
  std::string method;  // "GET", "PATCH"…
  std::string path;    // "/clusters/root/apis/factory.ingot.dev/v1alpha1/allocations?…"
  std::string body;
  std::string content_type = "application/json";  // "application/merge-patch+json" for patches
};
struct Answer {
  int code = 0;
  std::string body;
};

struct Watch {
  virtual ~Watch() = default;  // destroying it ends the watch; no callback runs after
};

struct Api {
  virtual ~Api() = default;
  // Result error: no answer (connection lost, timeout). An HTTP error is an Answer.
  virtual void call(Call, std::move_only_function<void(Result<Answer>)>) = 0;
  // A list-then-watch over `path` (a collection, with selectors): `reset` with the whole list (again after each
  // reconnect), then `event("ADDED"|"MODIFIED"|"DELETED", object)`. Reconnects by itself with backoff.
  struct Sink {
    virtual ~Sink() = default;
    virtual void reset(const api::JsonArray& items) = 0;
    virtual void event(std::string_view type, api::Json object) = 0;
  };
  virtual std::unique_ptr<Watch> watch(std::string path, std::shared_ptr<Sink>) = 0;
};

}  // namespace ingot::node
