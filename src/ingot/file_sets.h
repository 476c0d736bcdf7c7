// Files of this machine and of a cluster's blobs, many at once: hashed, sent, fetched. Main thread; threads of its own do the
// work, each with a piece of a file in memory.
#pragma once

#include <string>

#include "data/manifest.h"
#include "host/dataset_files.h"
#include "ingot/blob_client.h"

namespace ingot {

// Every file hashed, as many beside each other as there are processors.
Result<data::Manifest> hash_files(const host::DatasetSource&);

struct SentFiles {
  data::Manifest manifest;
  Digest digest;      // of the manifest, which is a blob now
  int64_t fresh = 0;  // files whose bytes were not there
};
// Hashes, and sends what is not there yet.
Result<SentFiles> send_files(Client&, const std::string& tenant, const host::DatasetSource&);
// The same for who has hashed them.
Result<SentFiles> send_files(Client&, const std::string& tenant, const host::DatasetSource&, data::Manifest);
// Into an empty directory, every byte checked.
Result<void> fetch_files(Client&, const std::string& tenant, const data::Manifest&, const std::string& path);
// Every byte checked, and kept nowhere.
Result<void> check_files(Client&, const std::string& tenant, const data::Manifest&);

std::string files_text(int64_t files);  // "1 file", "1,797 files"

}  // namespace ingot
