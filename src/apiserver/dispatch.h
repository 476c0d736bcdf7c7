// From an authorized call to the handler of its verb and subresource. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

Result<Outcome> dispatch(Call&);
// /api, /apis, /openapi…
Result<Outcome> discover(Call&);
Reply version_reply(const ServerOptions&);

}  // namespace ingot::apiserver
