#include "host/blob_upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/quantity.h"
#include "host/blob_files.h"

namespace ingot::host {
namespace {

constexpr int64_t kWindow = 16 << 20;  // written back as soon as so much is new: the last sync is short

std::unexpected<Error> no_room(int64_t left) {
  return fail(env::disk_full(
      fmt::format("the disk that holds the blobs is full: {} are left, {} of them for the factory itself\n  "
                  "free space on it, or delete versions of data sets that nobody needs",
                  format_bytes(left), format_bytes(kBlobReserve))));
}

bool is_full() { return errno == ENOSPC || errno == EDQUOT; }

}  // namespace

std::unexpected<Error> blob_failure(std::string_view what) {
  return fail(Reason::InternalError,
              fmt::format("the store of blobs cannot {}: {}", what, std::strerror(errno)));
}

std::unexpected<Error> no_such_blob(const Digest& digest) {
  return fail(Reason::NotFound, fmt::format("blob {} not found", digest.text()));
}

std::unexpected<Error> no_such_upload(std::string_view id) {
  return fail(Reason::NotFound,
              fmt::format("upload \"{}\" not found: it was finished, aborted or left for more than a day; "
                          "begin another",
                          id.substr(0, 64)));
}

BlobLedger::Held BlobShelves::count(const ClusterId& cluster) const {
  BlobLedger::Held held;
  tree.blobs(cluster, [&](std::string_view, const struct stat& about) {
    held.bytes += about.st_size;
    return true;
  });
  tree.uploads(cluster, [&](std::string_view, const struct stat& about) {
    held.bytes += about.st_size;
    ++held.uploads;
    return true;
  });
  return held;
}

Result<void> BlobShelves::room(int64_t bytes) const {
  struct statvfs about{};
  if (::fstatvfs(tree.root(), &about) != 0) return blob_failure("ask how full its disk is");
  const int64_t left = int64_t(about.f_bavail) * int64_t(about.f_frsize);
  if (left - kBlobReserve < bytes) return no_room(left);
  return {};
}

bool BlobShelves::take(const UploadKey& key) {
  std::lock_guard lock(mutex);
  return busy.insert(key).second;
}

void BlobShelves::let_go(const UploadKey& key, std::optional<Progress> progress) {
  std::lock_guard lock(mutex);
  busy.erase(key);
  left.erase(key);
  if (progress) left.emplace(key, std::move(*progress));
}

std::optional<BlobShelves::Progress> BlobShelves::progress_of(const UploadKey& key) {
  std::lock_guard lock(mutex);
  const auto found = left.find(key);
  if (found == left.end()) return std::nullopt;
  Progress progress = std::move(found->second);
  left.erase(found);
  return progress;
}

std::optional<env::BlobInfo> BlobShelves::renew(const ClusterId& cluster, const Digest& digest) {
  std::lock_guard lock(naming);
  const Fd shelf = tree.open(BlobTree::shelf_path(cluster, digest), O_PATH | O_DIRECTORY);
  const std::string name = digest.hex();
  struct stat about{};
  if (!shelf || ::utimensat(shelf.get(), name.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fstatat(shelf.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(about.st_mode))
    return std::nullopt;
  return env::BlobInfo{digest, about.st_size, modified(about)};
}

BlobUploadFile::BlobUploadFile(std::shared_ptr<BlobShelves> shelves, BlobShelves::UploadKey key,
                               std::shared_ptr<BlobAccount> account, Fd file, BlobShelves::Progress progress)
    : shelves_(std::move(shelves)),
      key_(std::move(key)),
      account_(std::move(account)),
      file_(std::move(file)),
      size_(progress.hashed),
      synced_(size_),
      hash_(std::move(progress.hash)) {}

BlobUploadFile::~BlobUploadFile() {
  if (!gone_) shelves_->let_go(key_, BlobShelves::Progress{std::move(hash_), size_});
}

Result<void> BlobUploadFile::append(std::string_view bytes) {
  if (gone_) return no_such_upload(id());
  const auto size = int64_t(bytes.size());
  if (auto taken = account_->take(size); !taken) return abort(), taken;
  if (auto room = shelves_->room(size); !room) return account_->give_back(size), abort(), room;
  if (!write_all(file_.get(), bytes)) {
    account_->give_back(size);
    return spoilt("write an upload");
  }
  hash_.add(bytes);
  size_ += size;
  if (size_ - synced_ >= kWindow) {
    ::sync_file_range(file_.get(), synced_, size_ - synced_, SYNC_FILE_RANGE_WRITE);
    synced_ = size_;
  }
  return {};
}

Result<env::BlobInfo> BlobUploadFile::commit(const std::optional<Digest>& expected) {
  if (gone_) return no_such_upload(id());
  const Digest digest = hash_.finish();
  if (expected && digest != *expected) {
    abort();
    return fail(Reason::Invalid, fmt::format("digest: the bytes sent are {}, not {}; the upload was dropped",
                                             digest.text(), expected->text()));
  }
  if (auto known = shelves_->renew(key_.first, digest)) {
    abort();
    return *known;
  }
  ::futimens(file_.get(), nullptr);
  if (::fsync(file_.get()) != 0) return spoilt("sync a blob");
  return name(digest);
}

// Of a file that is synced.
Result<env::BlobInfo> BlobUploadFile::name(const Digest& digest) {
  auto shelf = shelves_->tree.make_shelf(key_.first, digest);
  if (!shelf) return abort(), fail(shelf.error());
  const Fd uploads = shelves_->tree.open(key_.first.value + "/uploads", O_PATH | O_DIRECTORY);
  if (!uploads) return spoilt("find its uploads");
  const std::string hex = digest.hex();
  bool first = true;
  {
    std::lock_guard lock(shelves_->naming);
    first = ::renameat2(uploads.get(), id().c_str(), shelf->get(), hex.c_str(), RENAME_NOREPLACE) == 0;
    if (!first && errno != EEXIST) return spoilt("name a blob");
    if (!first) ::utimensat(shelf->get(), hex.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  }
  first ? gone() : abort();  // somebody else was before us with the same bytes
  struct stat about{};
  if (::fsync(shelf->get()) != 0 || ::fstatat(shelf->get(), hex.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0)
    return blob_failure("sync a blob");
  return env::BlobInfo{digest, about.st_size, modified(about)};
}

void BlobUploadFile::abort() {
  if (gone_) return;
  shelves_->tree.unlink(BlobTree::upload_path(key_.first, id()));
  account_->give_back(size_);
  gone();
}

// What cannot be completed is in nobody's way.
std::unexpected<Error> BlobUploadFile::spoilt(std::string_view what) {
  const auto error = is_full() ? no_room(0) : blob_failure(what);
  abort();
  return error;
}

void BlobUploadFile::gone() {
  gone_ = true;
  account_->close_upload();
  shelves_->let_go(key_, std::nullopt);
}

}  // namespace ingot::host
