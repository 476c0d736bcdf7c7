#include "apiserver/managers.h"

#include "api/managed_fields.h"

namespace ingot::apiserver {

void record_manager(Call& call, const api::Json* before, api::Json& after) {
  api::record_fields(*call.type().schema, before, after,
                     {.manager = call.in.manager,
                      .subresource = call.route().subresource,
                      .at = call.services.env.clock.wall()});
}

}  // namespace ingot::apiserver
