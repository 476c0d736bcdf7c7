// What an ended step left at a path, packed and kept as a blob of its tenant's. Any thread; blocks.
#pragma once

#include "env/blobs.h"
#include "host/tree_read.h"
#include "node/artifact.h"

namespace ingot::host {

// NotFound: nothing lies at `path` of `root`. Otherwise what is wrong, for people. Equal files have an equal digest.
Result<node::Kept> keep_artifact(env::Blobs&, const ClusterId&, const node::ArtifactOut&, const Fd& root,
                                 const std::string& path, const Stopped&);
// The same of files that are nobody's but the caller's: absolute path → bytes, all at or beneath the artifact's path.
Result<node::Kept> keep_files(env::Blobs&, const ClusterId&, const node::ArtifactOut&,
                              const node::ArtifactStore::Files&);

}  // namespace ingot::host
