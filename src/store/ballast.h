// A file of a given size that does nothing but hold space, to be given back when the disk is full.
// Thread rule: the worker's. The file is reached through the store's VFS.
#pragma once

#include <string>

#include "store/sqlite.h"

namespace ingot::store {

class Ballast {
 public:
  Ballast(std::string path, std::string vfs, size_t bytes)
      : path_(std::move(path)), vfs_(std::move(vfs)), bytes_(bytes) {}

  bool exists() const;
  // Makes it, whole and synced, if it is not there; what was written of it is removed when that fails.
  Sql<void> fill();
  void release();
  const std::string& path() const { return path_; }

 private:
  Sql<void> write();
  std::string path_, vfs_;
  size_t bytes_;
};

// The size of a file, 0 when it is not there.
int64_t file_size(const std::string& path, const std::string& vfs);

}  // namespace ingot::store
