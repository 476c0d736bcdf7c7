// The port to the store of blobs: bytes named by their SHA-256, kept apart for each virtual cluster and once in it.
//
// Thread rule: any thread but the loop's, for everything here may wait for a disk or a network; limit() never does and
// is called from any. One caller at a time uses one BlobUpload or BlobReader.
// Invariants: a blob that was acknowledged is durable, whole, and has the digest it is named by; its bytes never change;
// one cluster's digest finds nothing of another's; what a cluster holds (uploads included) never passes its limit.
//
// An implementation in front of S3 maps an upload to a multipart upload and append() to its parts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"

namespace ingot::env {

struct BlobInfo {
  Digest digest;
  int64_t bytes = 0;
  WallTime renewed;  // when it was stored, or last asked for by somebody who means to name it
};

// Of an Error (ServiceUnavailable) that says that a disk is full: a cause of this type. HTTP has a code of its own for it.
inline constexpr std::string_view kDiskFull = "InsufficientStorage";
inline Error disk_full(std::string message) {
  Error error{.reason = Reason::ServiceUnavailable, .message = message};
  error.causes.push_back({std::string(kDiskFull), "", std::move(message)});
  return error;
}
inline bool is_disk_full(const Error& error) {
  return !error.causes.empty() && error.causes.front().type == kDiskFull;
}

struct BlobUsage {
  int64_t bytes = 0;  // of blobs and of uploads under way
  std::optional<int64_t> limit;
};

// Bytes on their way in. Dropping it keeps what was appended: it can be resumed by its id, also after a restart.
struct BlobUpload {
  virtual ~BlobUpload() = default;
  virtual const std::string& id() const = 0;
  virtual int64_t size() const = 0;  // bytes so far: where the next ones go
  // Forbidden, naming spec.storage.limit, when the cluster's limit would be passed; disk_full() when the disk is. The upload is then gone, so that its bytes are in nobody's way.
  virtual Result<void> append(std::string_view bytes) = 0;
  // Makes it a blob, durably; the upload is then gone. A blob that is there already is kept and renewed. Invalid, naming
  // the digest the bytes have, when they are not the `expected` ones; without, they are whatever they are.
  virtual Result<BlobInfo> commit(const std::optional<Digest>& expected) = 0;
  virtual void abort() = 0;
};

struct BlobReader {
  virtual ~BlobReader() = default;
  virtual int64_t size() const = 0;
  // Up to `most` bytes from `offset`; "" at the end.
  virtual Result<std::string> read(int64_t offset, size_t most) = 0;
};

struct Blobs {
  virtual ~Blobs() = default;

  // A new upload. `expected` bytes (0: unknown) that have no room are refused here, as by append().
  virtual Result<std::unique_ptr<BlobUpload>> begin(const ClusterId&, int64_t expected = 0) = 0;
  // NotFound when there is none of that id; Conflict while another caller has it.
  virtual Result<std::unique_ptr<BlobUpload>> resume(const ClusterId&, std::string_view id) = 0;
  // How much of an upload is here, without taking it.
  virtual Result<int64_t> upload_size(const ClusterId&, std::string_view id) = 0;

  virtual Result<std::unique_ptr<BlobReader>> open(const ClusterId&, const Digest&) = 0;
  virtual Result<BlobInfo> stat(const ClusterId&, const Digest&) = 0;
  // As stat(), and the blob counts as new again: whoever is told that it is there has time to name it.
  virtual Result<BlobInfo> renew(const ClusterId&, const Digest&) = 0;
  // Not if it was renewed since `before`: Conflict.
  virtual Result<void> remove(const ClusterId&, const Digest&, WallTime before) = 0;
  // In no order; false ends it.
  virtual Result<void> list(const ClusterId&, const std::function<bool(const BlobInfo&)>&) = 0;

  virtual std::vector<ClusterId> clusters() = 0;  // that hold anything
  virtual Result<void> remove_cluster(const ClusterId&) = 0;
  // Removes uploads that nobody has and nobody appended to since `before`; how many.
  virtual int expire_uploads(const ClusterId&, WallTime before) = 0;

  // nullopt: no limit. Holds for what is begun or appended from now on.
  virtual void limit(const ClusterId&, std::optional<int64_t> bytes) = 0;
  // Counted from what is stored when a cluster is first used, kept up to date from then on.
  virtual Result<BlobUsage> usage(const ClusterId&) = 0;
};

// All of `bytes` as one blob: for what fits into memory, such as a manifest.
inline Result<BlobInfo> put_blob(Blobs& blobs, const ClusterId& cluster, std::string_view bytes) {
  auto upload = blobs.begin(cluster, int64_t(bytes.size()));
  if (!upload) return fail(std::move(upload.error()));
  if (auto appended = (*upload)->append(bytes); !appended) {
    (*upload)->abort();
    return fail(std::move(appended.error()));
  }
  return (*upload)->commit(std::nullopt);
}

// The whole blob; RequestEntityTooLarge beyond `most` bytes.
inline Result<std::string> get_blob(Blobs& blobs, const ClusterId& cluster, const Digest& digest,
                                    int64_t most) {
  auto reader = blobs.open(cluster, digest);
  if (!reader) return fail(std::move(reader.error()));
  if ((*reader)->size() > most)
    return fail(Reason::RequestEntityTooLarge, "blob " + digest.text() + " is too large to be read at once");
  std::string all;
  while (int64_t(all.size()) < (*reader)->size()) {
    auto some = (*reader)->read(int64_t(all.size()), size_t((*reader)->size()) - all.size());
    if (!some) return some;
    if (some->empty())
      return fail(Reason::InternalError, "blob " + digest.text() + " is shorter than it was");
    all += *some;
  }
  return all;
}

}  // namespace ingot::env
