#include "host/blob_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/assert.h"
#include "base/encoding.h"
#include "host/blob_upload.h"
#include "host/pod_files.h"

namespace ingot::host {
namespace {

using env::BlobInfo;

constexpr size_t kPiece =
    1u << 20;  // read at a time: stays in the processor's cache from read to hash to write
constexpr size_t kLargestRead = 4u << 20;

Result<void> check_cluster(const ClusterId& cluster) {
  if (is_blob_cluster(cluster.value)) return {};
  return fail(Reason::Invalid, fmt::format("\"{}\" is no cluster's id", cluster.value.substr(0, 40)));
}

class Reader final : public env::BlobReader {
 public:
  Reader(Fd file, int64_t size) : file_(std::move(file)), size_(size) {}
  int64_t size() const override { return size_; }
  Result<std::string> read(int64_t offset, size_t most) override {
    std::string block(size_t(std::clamp<int64_t>(size_ - offset, 0, int64_t(std::min(most, kLargestRead)))),
                      '\0');
    size_t have = 0;
    while (have < block.size()) {
      const ssize_t n =
          ::pread(file_.get(), block.data() + have, block.size() - have, off_t(offset) + off_t(have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return blob_failure("read a blob");
      if (n == 0) break;
      have += size_t(n);
    }
    block.resize(have);
    return block;
  }

 private:
  const Fd file_;
  const int64_t size_;
};

class BlobFiles final : public env::Blobs {
 public:
  explicit BlobFiles(Fd root) : shelves_(std::make_shared<BlobShelves>(std::move(root))) {}

  Result<std::unique_ptr<env::BlobUpload>> begin(const ClusterId& cluster, int64_t expected) override {
    if (auto fine = check_cluster(cluster); !fine) return fail(fine.error());
    const auto account = shelves_->ledger.of(cluster);
    if (auto fits = account->take(expected, true); !fits) return fail(fits.error());
    if (auto room = shelves_->room(expected); !room) return fail(room.error());
    if (auto made = shelves_->tree.make_cluster(cluster); !made) return fail(made.error());
    if (auto counted = account->open_upload(); !counted) return fail(counted.error());
    char random[16];
    ASSERT(RAND_bytes(reinterpret_cast<unsigned char*>(random), sizeof random) == 1);
    BlobShelves::UploadKey key{cluster, hex({random, sizeof random})};
    Fd file = shelves_->tree.open(BlobTree::upload_path(cluster, key.second),
                                  O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600);
    if (!file) {
      const auto error = blob_failure("begin an upload");
      account->close_upload();
      return error;
    }
    shelves_->take(key);
    return std::make_unique<BlobUploadFile>(shelves_, std::move(key), account, std::move(file),
                                            BlobShelves::Progress{});
  }

  Result<std::unique_ptr<env::BlobUpload>> resume(const ClusterId& cluster, std::string_view id) override {
    if (auto fine = check_cluster(cluster); !fine) return fail(fine.error());
    if (!is_upload_id(id)) return no_such_upload(id);
    const auto account = shelves_->ledger.of(cluster);
    BlobShelves::UploadKey key{cluster, std::string(id)};
    if (!shelves_->take(key))
      return fail(Reason::Conflict, fmt::format("somebody is sending bytes to upload {}", id));
    auto progress = shelves_->progress_of(key);
    Fd file = shelves_->tree.open(BlobTree::upload_path(cluster, id), O_RDWR | O_APPEND);
    if (!file) {
      shelves_->let_go(key, std::nullopt);
      return no_such_upload(id);
    }
    auto read = read_back(file.get(), std::move(progress));
    if (!read) {
      shelves_->let_go(key, std::nullopt);
      return fail(read.error());
    }
    return std::make_unique<BlobUploadFile>(shelves_, std::move(key), account, std::move(file),
                                            std::move(*read));
  }

  Result<int64_t> upload_size(const ClusterId& cluster, std::string_view id) override {
    struct stat about{};
    if (!check_cluster(cluster) || !is_upload_id(id) ||
        !shelves_->tree.stat(BlobTree::upload_path(cluster, id), about))
      return no_such_upload(id);
    return about.st_size;
  }

  Result<std::unique_ptr<env::BlobReader>> open(const ClusterId& cluster, const Digest& digest) override {
    if (auto fine = check_cluster(cluster); !fine) return fail(fine.error());
    Fd file = shelves_->tree.open(BlobTree::blob_path(cluster, digest), O_RDONLY);
    struct stat about{};
    if (!file || ::fstat(file.get(), &about) != 0) return no_such_blob(digest);
    return std::make_unique<Reader>(std::move(file), about.st_size);
  }

  Result<BlobInfo> stat(const ClusterId& cluster, const Digest& digest) override {
    if (auto fine = check_cluster(cluster); !fine) return fail(fine.error());
    struct stat about{};
    if (!shelves_->tree.stat(BlobTree::blob_path(cluster, digest), about)) return no_such_blob(digest);
    return BlobInfo{digest, about.st_size, modified(about)};
  }

  Result<BlobInfo> renew(const ClusterId& cluster, const Digest& digest) override {
    if (auto fine = check_cluster(cluster); !fine) return fail(fine.error());
    auto found = shelves_->renew(cluster, digest);
    if (!found) return no_such_blob(digest);
    return *found;
  }

  Result<void> remove(const ClusterId& cluster, const Digest& digest, WallTime before) override {
    const auto account = shelves_->ledger.of(cluster);
    std::lock_guard lock(shelves_->naming);
    auto about = stat(cluster, digest);
    if (!about) return fail(about.error());
    if (about->renewed >= before)
      return fail(Reason::Conflict, fmt::format("blob {} was asked for lately", digest.text()));
    if (!shelves_->tree.unlink(BlobTree::blob_path(cluster, digest))) return blob_failure("remove a blob");
    account->give_back(about->bytes);
    return {};
  }

  Result<void> list(const ClusterId& cluster, const std::function<bool(const BlobInfo&)>& visit) override {
    if (auto fine = check_cluster(cluster); !fine) return fine;
    shelves_->tree.blobs(cluster, [&](std::string_view name, const struct stat& about) {
      const auto digest = Digest::parse_hex(name);
      return !digest || visit({*digest, about.st_size, modified(about)});
    });
    return {};
  }

  std::vector<ClusterId> clusters() override { return shelves_->tree.clusters(); }

  Result<void> remove_cluster(const ClusterId& cluster) override {
    if (auto fine = check_cluster(cluster); !fine) return fine;
    shelves_->ledger.forget(cluster);
    if (!remove_tree(shelves_->tree.root(), cluster.value)) return blob_failure("remove a cluster's blobs");
    return {};
  }

  int expire_uploads(const ClusterId& cluster, WallTime before) override {
    if (!check_cluster(cluster)) return 0;
    const auto account = shelves_->ledger.of(cluster);
    std::vector<std::string> stale;
    shelves_->tree.uploads(cluster, [&](std::string_view name, const struct stat& about) {
      if (modified(about) < before) stale.emplace_back(name);
      return true;
    });
    int removed = 0;
    for (const std::string& id : stale) {
      const BlobShelves::UploadKey key{cluster, id};
      if (!shelves_->take(key)) continue;
      const std::string path = BlobTree::upload_path(cluster, id);
      struct stat about{};
      if (shelves_->tree.stat(path, about) && shelves_->tree.unlink(path)) {
        account->give_back(about.st_size);
        account->close_upload();
        ++removed;
      }
      shelves_->let_go(key, std::nullopt);
    }
    return removed;
  }

  void limit(const ClusterId& cluster, std::optional<int64_t> bytes) override {
    shelves_->ledger.limit(cluster, bytes);
  }
  Result<env::BlobUsage> usage(const ClusterId& cluster) override {
    if (auto fine = check_cluster(cluster); !fine) return fail(fine.error());
    return shelves_->ledger.of(cluster)->usage();
  }

 private:
  // Brings the hash to the end of the file: a restart, or a crash between a write and its hash, left it behind.
  static Result<BlobShelves::Progress> read_back(int file, std::optional<BlobShelves::Progress> known) {
    struct stat about{};
    if (::fstat(file, &about) != 0) return blob_failure("read an upload");
    if (known && known->hashed == about.st_size) return std::move(*known);
    BlobShelves::Progress progress;
    std::string block(kPiece, '\0');
    while (progress.hashed < about.st_size) {
      const ssize_t n = ::pread(file, block.data(), block.size(), progress.hashed);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return blob_failure("read an upload");
      progress.hash.add({block.data(), size_t(n)});
      progress.hashed += n;
    }
    return progress;
  }

  const std::shared_ptr<BlobShelves> shelves_;
};

}  // namespace

Result<BlobInfo> put_file(env::Blobs& blobs, const ClusterId& cluster, int file) {
  struct stat about{};
  if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
    return fail(Reason::Invalid, "not a regular file");
  auto upload = blobs.begin(cluster, about.st_size);
  if (!upload) return fail(upload.error());
  std::string block(kPiece, '\0');
  for (int64_t at = 0;;) {
    const ssize_t n = ::pread(file, block.data(), block.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) return (*upload)->commit(std::nullopt);
    const Result<void> appended =
        n < 0 ? Result<void>(blob_failure("read a file")) : (*upload)->append({block.data(), size_t(n)});
    if (!appended) return (*upload)->abort(), fail(appended.error());
    at += n;
  }
}

Result<void> get_file(env::Blobs& blobs, const ClusterId& cluster, const Digest& digest, int file) {
  auto reader = blobs.open(cluster, digest);
  if (!reader) return fail(reader.error());
  Sha256 hash;
  for (int64_t at = 0; at < (*reader)->size();) {
    auto piece = (*reader)->read(at, kPiece);
    if (!piece) return fail(piece.error());
    if (piece->empty()) break;
    hash.add(*piece);
    if (!write_all(file, *piece)) return blob_failure("write a file");
    at += int64_t(piece->size());
  }
  if (hash.finish() == digest) return {};
  return fail(Reason::InternalError,
              fmt::format("blob {} is damaged: its bytes have another digest", digest.text()));
}

Result<std::unique_ptr<env::Blobs>> open_blob_files(const std::string& root) {
  if (auto made = make_directory(root, 0700); !made) return fail(made.error());
  Fd directory(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory)
    return fail(Reason::InternalError, fmt::format("cannot open {}: {}", root, std::strerror(errno)));
  return std::make_unique<BlobFiles>(std::move(directory));
}

}  // namespace ingot::host
