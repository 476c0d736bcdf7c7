// What a write says of the object that is in its way, in Kubernetes' words, and of a shard that cannot take it. Pure;
// any thread.
#pragma once

#include "api/object.h"
#include "base/error.h"

namespace ingot::store {

Error not_found(const api::Key&);
Error already_exists(const api::Key&);
Error conflict(const api::Key&);

Error too_new(Revision asked, Revision current);
Error disk_full(const std::string& path);
Error queue_full(size_t queued);
Error reading_again(const std::string& path);

}  // namespace ingot::store
