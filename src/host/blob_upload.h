// What the store of blobs (blob_files.h) and its uploads share, and an upload as a file. Thread rule: as env/blobs.h says.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "env/blobs.h"
#include "host/blob_ledger.h"
#include "host/blob_tree.h"

namespace ingot::host {

std::unexpected<Error> blob_failure(std::string_view what);  // with errno
std::unexpected<Error> no_such_blob(const Digest&);
std::unexpected<Error> no_such_upload(std::string_view id);

// An upload may outlive the store.
struct BlobShelves {
  explicit BlobShelves(Fd root)
      : tree(std::move(root)), ledger([this](const ClusterId& c) { return count(c); }) {}

  struct Progress {
    Sha256 hash;
    int64_t hashed = 0;
  };
  using UploadKey = std::pair<ClusterId, std::string>;

  BlobLedger::Held count(const ClusterId&) const;
  // Whether so much fits on the disk and leaves it usable; env::disk_full() otherwise.
  Result<void> room(int64_t bytes) const;

  // An upload has one caller at a time; false: somebody has it.
  bool take(const UploadKey&);
  void let_go(const UploadKey&, std::optional<Progress>);
  std::optional<Progress> progress_of(const UploadKey&);  // once, after take()

  // What is there, as if it had just been stored.
  std::optional<env::BlobInfo> renew(const ClusterId&, const Digest&);

  BlobTree tree;
  BlobLedger ledger;
  std::mutex mutex;
  std::set<UploadKey> busy;            // guarded
  std::map<UploadKey, Progress> left;  // guarded: how far the uploads nobody has are hashed
  std::mutex naming;                   // a blob is not renewed or made while it is looked at to be removed
};

class BlobUploadFile final : public env::BlobUpload {
 public:
  // Of what was taken.
  BlobUploadFile(std::shared_ptr<BlobShelves>, BlobShelves::UploadKey, std::shared_ptr<BlobAccount>, Fd file,
                 BlobShelves::Progress);
  ~BlobUploadFile() override;

  const std::string& id() const override { return key_.second; }
  int64_t size() const override { return size_; }
  Result<void> append(std::string_view bytes) override;
  Result<env::BlobInfo> commit(const std::optional<Digest>& expected) override;
  void abort() override;

 private:
  Result<env::BlobInfo> name(const Digest&);
  std::unexpected<Error> spoilt(std::string_view what);
  void gone();

  const std::shared_ptr<BlobShelves> shelves_;
  const BlobShelves::UploadKey key_;
  const std::shared_ptr<BlobAccount> account_;
  const Fd file_;
  int64_t size_, synced_;
  Sha256 hash_;
  bool gone_ = false;
};

}  // namespace ingot::host
