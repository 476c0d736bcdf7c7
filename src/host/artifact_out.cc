#include "host/artifact_out.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

namespace ingot::host {
namespace {

using Archive = node::ArtifactOut::Archive;

constexpr size_t kPiece = 1 << 20;

std::string last_step(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Small pieces together, so that each append is worth its while.
class Upload {
 public:
  static Result<std::unique_ptr<Upload>> begin(env::Blobs& blobs, const ClusterId& cluster,
                                               int64_t expected) {
    auto begun = blobs.begin(cluster, expected);
    if (!begun) return fail(begun.error());
    return std::unique_ptr<Upload>(new Upload(*std::move(begun)));
  }
  ~Upload() {
    if (!over_) upload_->abort();
  }
  Result<void> put(std::string_view bytes) {
    pending_ += bytes;
    return pending_.size() < kPiece ? Result<void>() : flush();
  }
  Result<node::Kept> commit() {
    if (auto flushed = flush(); !flushed) return fail(flushed.error());
    auto made = upload_->commit(std::nullopt);
    over_ = true;
    if (!made) return fail(made.error());
    return node::Kept{made->digest, made->bytes};
  }

 private:
  explicit Upload(std::unique_ptr<env::BlobUpload> upload) : upload_(std::move(upload)) {}
  Result<void> flush() {
    auto appended = pending_.empty() ? Result<void>() : upload_->append(pending_);
    pending_.clear();
    return appended;
  }
  std::unique_ptr<env::BlobUpload> upload_;
  std::string pending_;
  bool over_ = false;
};

// An artifact is one blob: a directory that is to be kept as it is becomes a tar without compression.
std::unique_ptr<ArchiveWriter> writer_for(const node::ArtifactOut& a, Upload& upload) {
  Sink sink = [&upload](std::string_view bytes) { return upload.put(bytes); };
  if (a.archive == Archive::Zip) return zip_writer(std::move(sink));
  return tar_writer(std::move(sink), a.archive == Archive::None ? 0 : a.level);
}

Result<node::Kept> plain(Result<node::Kept> kept) {
  if (kept) kept->packed = false;
  return kept;
}

Result<node::Kept> keep_plain(env::Blobs& blobs, const ClusterId& cluster, const Fd& pin,
                              const Stopped& stopped) {
  const Fd file = open_pinned(pin, S_IFREG);
  if (!file) return fail(Reason::InternalError, std::string("cannot be read: ") + std::strerror(errno));
  struct stat about{};
  ::fstat(file.get(), &about);
  if (auto few = add_holes(0, about); !few) return fail(few.error());
  auto upload = Upload::begin(blobs, cluster, about.st_size);
  if (!upload) return fail(upload.error());
  std::string block(kPiece, '\0');
  // As long as it is now: on a volume somebody may go on writing, faster than it is read.
  for (int64_t left = about.st_size; left > 0;) {
    if (stopped()) return fail(Reason::Timeout, "nobody waits for it any more");
    const ssize_t n = ::read(file.get(), block.data(), size_t(std::min<int64_t>(left, kPiece)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Reason::InternalError, std::string("cannot be read: ") + std::strerror(errno));
    if (n == 0) return fail(Reason::Conflict, "became shorter while it was read");
    if (auto put = (*upload)->put({block.data(), size_t(n)}); !put) return fail(put.error());
    left -= n;
  }
  return plain((*upload)->commit());
}

}  // namespace

Result<node::Kept> keep_artifact(env::Blobs& blobs, const ClusterId& cluster, const node::ArtifactOut& a,
                                 const Fd& root, const std::string& path, const Stopped& stopped) {
  if (!root) return fail(Reason::InternalError, "the container's files are gone");
  const Fd pin = pin_in(root, path);
  if (!pin && errno != ENOENT && errno != ENOTDIR)
    return fail(Reason::Invalid, std::string("cannot be read: ") + std::strerror(errno));
  if (!pin) return fail(Reason::NotFound, "no such file or directory");
  struct stat about{};
  if (::fstat(pin.get(), &about) != 0 || (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)))
    return fail(Reason::Invalid, "is neither a file nor a directory");
  if (a.archive == Archive::None && S_ISREG(about.st_mode)) return keep_plain(blobs, cluster, pin, stopped);
  auto upload = Upload::begin(blobs, cluster, 0);
  if (!upload) return fail(upload.error());
  const auto out = writer_for(a, **upload);
  if (auto packed = archive_tree(pin, last_step(a.path), *out, stopped); !packed) return fail(packed.error());
  return (*upload)->commit();
}

Result<node::Kept> keep_files(env::Blobs& blobs, const ClusterId& cluster, const node::ArtifactOut& a,
                              const node::ArtifactStore::Files& files) {
  auto upload = Upload::begin(blobs, cluster, 0);
  if (!upload) return fail(upload.error());
  if (const auto file = files.find(a.path); a.archive == Archive::None && file != files.end()) {
    if (auto put = (*upload)->put(file->second); !put) return fail(put.error());
    return plain((*upload)->commit());
  }
  const auto out = writer_for(a, **upload);
  const std::string top = last_step(a.path);
  std::set<std::string> made;
  for (const auto& [path, bytes] : files) {
    const std::string name = top + path.substr(a.path.size());
    for (size_t slash = name.find('/'); slash != name.npos; slash = name.find('/', slash + 1)) {
      const std::string above = name.substr(0, slash);
      if (!made.insert(above).second) continue;
      const ArchiveEntry entry{.name = above, .type = ArchiveEntry::Type::Directory, .mode = 0755};
      if (auto added = out->add(entry, {}); !added) return fail(added.error());
    }
    std::string_view left = bytes;
    const Pull pull = [&](char* to, size_t most) -> Result<size_t> {
      const size_t n = left.copy(to, most);
      left.remove_prefix(n);
      return n;
    };
    if (auto added = out->add({.name = name, .size = int64_t(bytes.size())}, pull); !added)
      return fail(added.error());
  }
  if (auto ended = out->finish(); !ended) return fail(ended.error());
  return (*upload)->commit();
}

}  // namespace ingot::host
