// The part of a request that needs no state: what it names, who claims to send it, what its body says. Any thread.
#pragma once

#include <deque>
#include <memory>

#include "apiserver/context.h"

namespace ingot::apiserver {

struct PrepareInputs {
  const api::Registry& registry;
  Authenticator& authenticator;
  const ServerOptions& options;
  const std::deque<ExtraRoute>& extras;  // deque: Prepared points into it
};
std::shared_ptr<Prepared> prepare(const PrepareInputs&, Request);

// Which of the forms we speak an Accept header wants; NotAcceptable when none.
Result<Wanted> negotiate(std::string_view accept);
// Fills in defaults and checks a new object. A name still to be generated is checked as if it were.
Result<void> complete_new(const api::Resource&, api::Json& object);

}  // namespace ingot::apiserver
