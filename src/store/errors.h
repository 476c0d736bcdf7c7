// What a write says of the object that is in its way, in Kubernetes' words. Pure; any thread.
#pragma once

#include "api/object.h"
#include "base/error.h"

namespace ingot::store {

Error not_found(const api::Key&);
Error already_exists(const api::Key&);
Error conflict(const api::Key&);

}  // namespace ingot::store
