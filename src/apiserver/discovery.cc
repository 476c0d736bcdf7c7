// /api, /apis and /openapi: what this cluster serves.
#include <fmt/format.h>

#include "apiserver/dispatch.h"
#include "apiserver/status.h"

namespace ingot::apiserver {

Result<Outcome> discover(Call& call) {
  return fail(Reason::NotFound, "the server could not find the requested resource");
}

}  // namespace ingot::apiserver
