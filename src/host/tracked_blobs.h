// What blobs clusters' artifacts hold, for the sweep of blobs: asked of who tracks (tracking_service.h).
// Thread rule: the sweep's thread, which waits; `ask` is called on the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "controllers/blob_roots.h"
#include "env/env.h"

namespace ingot::host {

inline constexpr std::string_view kTrackingSuffix = ".db";  // of a cluster's file

using AskTracking = std::function<void(const ClusterId&, std::string op, std::string args,
                                       std::move_only_function<void(Result<std::string>)>)>;
std::unique_ptr<controllers::BlobRoots> tracked_blobs(env::Loop&, std::string directory, AskTracking ask);

}  // namespace ingot::host
