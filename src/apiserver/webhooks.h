// Webhooks as they are written, and what they are told: an event is kept for each that asked for it in the turn that changed
// the model, so it is there if and only if the change is; registry/courier.h delivers it. Loop thread, inside the turn.
//
// A secret is kept apart (resource `webhooksecrets`), where no request reaches it. Bounds: kMostWebhooks of a cluster; of one
// webhook so many events and bytes wait, and what is too much is counted in its status; kMostEvents of one request.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

bool is_webhook(const api::Resource&);
// `before` is null of a new one. A secret in it is put where it belongs.
Result<void> admit_webhook(Call&, const api::Json& before, api::Json& after);
// Its secret and what waits for it go with it.
Result<void> forget_webhook(Call&, std::string_view name);

// What is told of a Model or a ModelVersion that is new, or was changed.
Result<void> tell_of_model(Call&, const api::Json& created);
Result<void> tell_of_model(Call&, const api::Json& before, const api::Json& after);

}  // namespace ingot::apiserver
