// env::Blobs in memory, for unit tests and simulations: time is its test's. Thread rule: one thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "env/blobs.h"
#include "env/env.h"

namespace ingot::env {

class MemoryBlobs final : public Blobs {
 public:
  explicit MemoryBlobs(const Clock& clock) : clock_(clock) {}

  Result<std::unique_ptr<BlobUpload>> begin(const ClusterId& cluster, int64_t expected) override {
    if (auto fits = fit(cluster, expected); !fits) return fail(fits.error());
    std::string id = std::to_string(++last_);
    uploads_[{cluster, id}] = {.changed = clock_.wall(), .busy = true};
    return std::make_unique<Upload>(*this, std::pair(cluster, std::move(id)));
  }
  Result<std::unique_ptr<BlobUpload>> resume(const ClusterId& cluster, std::string_view id) override {
    const auto found = uploads_.find({cluster, std::string(id)});
    if (found == uploads_.end()) return fail(Reason::NotFound, "no such upload");
    if (std::exchange(found->second.busy, true)) return fail(Reason::Conflict, "somebody has this upload");
    return std::make_unique<Upload>(*this, found->first);
  }
  Result<int64_t> upload_size(const ClusterId& cluster, std::string_view id) override {
    const auto found = uploads_.find({cluster, std::string(id)});
    if (found == uploads_.end()) return fail(Reason::NotFound, "no such upload");
    return int64_t(found->second.bytes.size());
  }
  Result<std::unique_ptr<BlobReader>> open(const ClusterId& cluster, const Digest& digest) override {
    const auto found = blobs_.find({cluster, digest});
    if (found == blobs_.end()) return none(digest);
    return std::make_unique<Reader>(found->second.bytes);
  }
  Result<BlobInfo> stat(const ClusterId& cluster, const Digest& digest) override {
    const auto found = blobs_.find({cluster, digest});
    if (found == blobs_.end()) return none(digest);
    return BlobInfo{digest, int64_t(found->second.bytes.size()), found->second.changed};
  }
  Result<BlobInfo> renew(const ClusterId& cluster, const Digest& digest) override {
    if (const auto found = blobs_.find({cluster, digest}); found != blobs_.end())
      found->second.changed = clock_.wall();
    return stat(cluster, digest);
  }
  Result<void> remove(const ClusterId& cluster, const Digest& digest, WallTime before) override {
    const auto found = blobs_.find({cluster, digest});
    if (found == blobs_.end()) return none(digest);
    if (found->second.changed >= before) return fail(Reason::Conflict, "asked for lately");
    blobs_.erase(found);
    return {};
  }
  Result<void> list(const ClusterId& cluster, const std::function<bool(const BlobInfo&)>& visit) override {
    for (const auto& [key, blob] : blobs_)
      if (key.first == cluster && !visit({key.second, int64_t(blob.bytes.size()), blob.changed})) break;
    return {};
  }
  std::vector<ClusterId> clusters() override {
    std::set<ClusterId> found;
    for (const auto& [key, blob] : blobs_) found.insert(key.first);
    for (const auto& [key, upload] : uploads_) found.insert(key.first);
    return {found.begin(), found.end()};
  }
  Result<void> remove_cluster(const ClusterId& cluster) override {
    std::erase_if(blobs_, [&](const auto& blob) { return blob.first.first == cluster; });
    std::erase_if(uploads_, [&](const auto& upload) { return upload.first.first == cluster; });
    return {};
  }
  int expire_uploads(const ClusterId& cluster, WallTime before) override {
    return int(std::erase_if(uploads_, [&](const auto& upload) {
      return upload.first.first == cluster && !upload.second.busy && upload.second.changed < before;
    }));
  }
  void limit(const ClusterId& cluster, std::optional<int64_t> bytes) override { limits_[cluster] = bytes; }
  Result<BlobUsage> usage(const ClusterId& cluster) override {
    BlobUsage usage{.limit = limits_[cluster]};
    for (const auto& [key, blob] : blobs_)
      if (key.first == cluster) usage.bytes += int64_t(blob.bytes.size());
    for (const auto& [key, upload] : uploads_)
      if (key.first == cluster) usage.bytes += int64_t(upload.bytes.size());
    return usage;
  }

 private:
  struct Kept {
    std::string bytes;
    WallTime changed;
    bool busy = false;
  };
  using UploadKey = std::pair<ClusterId, std::string>;

  struct Upload final : BlobUpload {
    Upload(MemoryBlobs& o, UploadKey k) : owner(o), key(std::move(k)) {}
    ~Upload() override {
      if (const auto found = owner.uploads_.find(key); found != owner.uploads_.end())
        found->second.busy = false;
    }
    const std::string& id() const override { return key.second; }
    int64_t size() const override { return owner.upload_size(key.first, key.second).value_or(0); }
    Result<void> append(std::string_view bytes) override {
      if (auto fits = owner.fit(key.first, int64_t(bytes.size())); !fits) return abort(), fits;
      Kept& kept = owner.uploads_[key];
      kept.bytes += bytes;
      kept.changed = owner.clock_.wall();
      return {};
    }
    Result<BlobInfo> commit(const std::optional<Digest>& expected) override {
      std::string bytes = std::exchange(owner.uploads_[key].bytes, {});
      abort();
      const Digest digest = Digest::of(bytes);
      if (expected && digest != *expected) return fail(Reason::Invalid, "digest: other bytes were sent");
      owner.blobs_[{key.first, digest}] = {.bytes = std::move(bytes), .changed = owner.clock_.wall()};
      return owner.stat(key.first, digest);
    }
    void abort() override { owner.uploads_.erase(key); }
    MemoryBlobs& owner;
    const UploadKey key;
  };
  struct Reader final : BlobReader {
    explicit Reader(std::string b) : bytes(std::move(b)) {}
    int64_t size() const override { return int64_t(bytes.size()); }
    Result<std::string> read(int64_t offset, size_t most) override {
      return offset >= size() ? "" : bytes.substr(size_t(offset), most);
    }
    const std::string bytes;
  };

  static std::unexpected<Error> none(const Digest& digest) {
    return fail(Reason::NotFound, "blob " + digest.text() + " not found");
  }
  Result<void> fit(const ClusterId& cluster, int64_t bytes) {
    const auto now = usage(cluster);
    if (!now->limit || now->bytes + bytes <= *now->limit) return {};
    return fail(Reason::Forbidden, "exceeded spec.storage.limit");
  }

  const Clock& clock_;
  uint64_t last_ = 0;
  std::map<std::pair<ClusterId, Digest>, Kept> blobs_;
  std::map<UploadKey, Kept> uploads_;
  std::map<ClusterId, std::optional<int64_t>> limits_;
};

}  // namespace ingot::env
