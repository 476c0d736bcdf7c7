// The directories of the blob store, by validated names beneath a handle to its root (host/blob_files.h has the layout).
// Any thread; blocks.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "host/beneath.h"

struct stat;

namespace ingot::host {

bool is_upload_id(std::string_view);     // 32 lower-case hexadecimal digits
bool is_blob_cluster(std::string_view);  // as ClusterId says
WallTime modified(const struct stat&);

class BlobTree {
 public:
  explicit BlobTree(Fd root) : root_(std::move(root)) {}

  // Relative to the root, for open_beneath().
  static std::string upload_path(const ClusterId&, std::string_view id);
  static std::string blob_path(const ClusterId&, const Digest&);
  static std::string shelf_path(const ClusterId&, const Digest&);  // the directory of blob_path()

  int root() const { return root_.get(); }
  Fd open(const std::string& path, int flags, mode_t mode = 0) const;
  // What lies at `path`; false: nothing.
  bool stat(const std::string& path, struct stat& about) const;
  bool unlink(const std::string& path) const;

  // Directories, made durably.
  Result<void> make_cluster(const ClusterId&);
  Result<Fd> make_shelf(const ClusterId&, const Digest&);

  using Each = std::function<bool(std::string_view name, const struct stat&)>;  // false ends it
  void uploads(const ClusterId&, const Each&) const;
  void blobs(const ClusterId&, const Each&) const;  // `name`: the digest's digits
  std::vector<ClusterId> clusters() const;

 private:
  Result<void> make(int parent, const std::string& name);

  const Fd root_;
  std::mutex making_;  // whoever finds a directory finds one that is durable
};

}  // namespace ingot::host
