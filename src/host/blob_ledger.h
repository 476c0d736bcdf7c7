// How much each cluster holds of the blob store, against its limit. Any thread; never waits for a disk but in `count`,
// which runs once for a cluster, before anything else is asked of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "env/blobs.h"

namespace ingot::host {

class BlobAccount {
 public:
  // `dry`: only whether it would fit. Forbidden, naming spec.storage.limit, when it does not.
  Result<void> take(int64_t bytes, bool dry = false);
  void give_back(int64_t bytes);
  // TooManyRequests at kMostUploads.
  Result<void> open_upload();
  void close_upload();
  env::BlobUsage usage() const;

 private:
  friend class BlobLedger;
  mutable std::mutex mutex_;
  std::once_flag counted_;
  int64_t bytes_ = 0;  // guarded, as all below
  int uploads_ = 0;
  std::optional<int64_t> limit_;
};

class BlobLedger {
 public:
  struct Held {
    int64_t bytes = 0;
    int uploads = 0;
  };
  explicit BlobLedger(std::function<Held(const ClusterId&)> count) : count_(std::move(count)) {}

  std::shared_ptr<BlobAccount> of(const ClusterId&);
  void limit(const ClusterId&, std::optional<int64_t> bytes);
  void forget(const ClusterId&);

 private:
  std::shared_ptr<BlobAccount> find(const ClusterId&);

  const std::function<Held(const ClusterId&)> count_;
  std::mutex mutex_;
  std::map<ClusterId, std::shared_ptr<BlobAccount>> accounts_;  // guarded
};

}  // namespace ingot::host
