#include "host/blob_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "env/blobs.h"

namespace ingot::host {
namespace {

std::unexpected<Error> failed(std::string_view what) {
  std::string message = fmt::format("the store of blobs cannot {}: {}", what, std::strerror(errno));
  if (errno == ENOSPC || errno == EDQUOT) return fail(env::disk_full(std::move(message)));
  return fail(Reason::InternalError, std::move(message));
}

bool is_hex(std::string_view text, size_t size) {
  return text.size() == size && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// Every entry of the directory `fd` but "." and ".."; false ends it.
bool each_name(Fd fd, const std::function<bool(int directory, const char* name)>& visit) {
  DIR* entries = fd ? ::fdopendir(fd.get()) : nullptr;
  if (entries == nullptr) return true;
  fd.release();
  bool more = true;
  while (more) {
    const dirent* entry = ::readdir(entries);
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') more = visit(::dirfd(entries), entry->d_name);
  }
  ::closedir(entries);
  return more;
}

bool each_file(Fd fd, const BlobTree::Each& visit) {
  return each_name(std::move(fd), [&](int directory, const char* name) {
    struct stat about{};
    if (::fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(about.st_mode)) return true;
    return visit(name, about);
  });
}

}  // namespace

bool is_upload_id(std::string_view id) { return is_hex(id, 32); }

bool is_blob_cluster(std::string_view id) {
  return !id.empty() && id.size() <= 16 &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == id.npos;
}

WallTime modified(const struct stat& about) {
  return WallTime(std::chrono::seconds(about.st_mtim.tv_sec) +
                  std::chrono::microseconds(about.st_mtim.tv_nsec / 1000));
}

std::string BlobTree::upload_path(const ClusterId& cluster, std::string_view id) {
  return fmt::format("{}/uploads/{}", cluster.value, id);
}
std::string BlobTree::shelf_path(const ClusterId& cluster, const Digest& digest) {
  return fmt::format("{}/sha256/{}", cluster.value, digest.hex().substr(0, 2));
}
std::string BlobTree::blob_path(const ClusterId& cluster, const Digest& digest) {
  const std::string hex = digest.hex();
  return fmt::format("{}/sha256/{}/{}", cluster.value, hex.substr(0, 2), hex);
}

Fd BlobTree::open(const std::string& path, int flags, mode_t mode) const {
  return open_beneath(root_.get(), path, flags, mode);
}

bool BlobTree::stat(const std::string& path, struct stat& about) const {
  const Fd file = open(path, O_PATH);
  return file && ::fstat(file.get(), &about) == 0 && S_ISREG(about.st_mode);
}

bool BlobTree::unlink(const std::string& path) const {
  const size_t slash = path.rfind('/');
  const Fd directory = open(path.substr(0, slash), O_PATH | O_DIRECTORY);
  return directory && ::unlinkat(directory.get(), path.c_str() + slash + 1, 0) == 0;
}

Result<void> BlobTree::make(int parent, const std::string& name) {
  if (::mkdirat(parent, name.c_str(), 0700) == 0) {
    if (::fsync(parent) != 0) return failed("make a directory");
    return {};
  }
  if (errno != EEXIST) return failed("make a directory");
  return {};
}

Result<void> BlobTree::make_cluster(const ClusterId& cluster) {
  std::lock_guard lock(making_);
  if (auto made = make(root_.get(), cluster.value); !made) return made;
  const Fd own = open(cluster.value, O_RDONLY | O_DIRECTORY);
  if (!own) return failed("open a directory");
  for (const char* name : {"sha256", "uploads"})
    if (auto made = make(own.get(), name); !made) return made;
  return {};
}

Result<Fd> BlobTree::make_shelf(const ClusterId& cluster, const Digest& digest) {
  const std::string path = shelf_path(cluster, digest);
  {
    std::lock_guard lock(making_);
    const Fd shelves = open(path.substr(0, path.rfind('/')), O_RDONLY | O_DIRECTORY);
    if (!shelves) return failed("open a directory");
    if (auto made = make(shelves.get(), path.substr(path.rfind('/') + 1)); !made) return fail(made.error());
  }
  Fd shelf = open(path, O_RDONLY | O_DIRECTORY);
  if (!shelf) return failed("open a directory");
  return shelf;
}

void BlobTree::uploads(const ClusterId& cluster, const Each& visit) const {
  each_file(open(cluster.value + "/uploads", O_RDONLY | O_DIRECTORY),
            [&](std::string_view name, const struct stat& about) {
              return !is_upload_id(name) || visit(name, about);
            });
}

void BlobTree::blobs(const ClusterId& cluster, const Each& visit) const {
  each_name(open(cluster.value + "/sha256", O_RDONLY | O_DIRECTORY), [&](int directory, const char* shelf) {
    if (!is_hex(shelf, 2)) return true;
    return each_file(open_beneath(directory, shelf, O_RDONLY | O_DIRECTORY),
                     [&](std::string_view name, const struct stat& about) {
                       return !is_hex(name, 64) || visit(name, about);
                     });
  });
}

std::vector<ClusterId> BlobTree::clusters() const {
  std::vector<ClusterId> found;
  each_name(open(".", O_RDONLY | O_DIRECTORY), [&](int, const char* name) {
    if (is_blob_cluster(name)) found.emplace_back(std::string(name));
    return true;
  });
  std::ranges::sort(found);
  return found;
}

}  // namespace ingot::host
