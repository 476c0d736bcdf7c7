// Which blobs nobody names any more. Pure; any thread.
#pragma once

#include <span>
#include <vector>

#include "base/digest.h"
#include "base/time.h"
#include "env/blobs.h"

namespace ingot::data {

// Of `listing`, in its order, what is not among `reachable` (in order, each once) and was not renewed within `grace`:
// bytes come before the object that names them.
std::vector<Digest> sweep(std::span<const Digest> reachable, std::span<const env::BlobInfo> listing,
                          WallTime now, Duration grace);

}  // namespace ingot::data
