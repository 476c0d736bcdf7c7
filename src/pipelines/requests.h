// How the engine asks the API server for something on behalf of a service account: authorized, admitted and audited as
// any request of that account. Thread rule: the loop; answers are posted, never given inline.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "base/ids.h"

namespace ingot::pipelines {

struct Ask {
  ClusterId cluster;
  std::string ns, account, account_uid;
  std::string method, target, content_type, body;
};
struct Told {
  int code = 0;
  std::string body;
};

struct Requests {
  virtual ~Requests() = default;
  // Error: no answer.
  virtual void send(Ask, std::move_only_function<void(Result<Told>)>) = 0;
};

}  // namespace ingot::pipelines
