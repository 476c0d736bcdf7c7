// env::Blobs as files: ROOT/CLUSTER/sha256/XX/DIGEST, and what is on its way in as ROOT/CLUSTER/uploads/ID.
//
// Thread rule: as env/blobs.h says; any number of threads. Invariants: names are made of validated parts and opened
// beneath the root's handle, through no link; a file has its digest's name only once it is whole and synced, so a crash
// leaves blobs or uploads, never half a blob; the last kBlobReserve of the disk are left to the factory itself.
#pragma once

#include <memory>
#include <string>

#include "env/blobs.h"

namespace ingot::host {

inline constexpr int64_t kBlobReserve = 16 << 20;
inline constexpr int kMostUploads = 1'000;  // of one cluster, under way or left

// Makes `root` (0700).
Result<std::unique_ptr<env::Blobs>> open_blob_files(const std::string& root);

// For who has files in this process, such as a node with a step's results: read and written once, in small pieces. Blocks.
// All of `file` as a blob; and a blob's bytes into `file`, checked (InternalError when they are damaged).
Result<env::BlobInfo> put_file(env::Blobs&, const ClusterId&, int file);
Result<void> get_file(env::Blobs&, const ClusterId&, const Digest&, int file);

}  // namespace ingot::host
