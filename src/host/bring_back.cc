#include "host/bring_back.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "host/beneath.h"

namespace ingot::host {
namespace {

constexpr int kDeepest = 200;
constexpr size_t kBlock = 64 << 10;

std::unexpected<Error> cannot(std::string_view what, const std::string& name) {
  return fail(Reason::InternalError, fmt::format("cannot {} {}: {}", what, name, std::strerror(errno)));
}

Result<std::vector<std::string>> names_in(int directory, const std::string& shown) {
  DIR* entries = ::fdopendir(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entries == nullptr) return cannot("read", shown);
  const std::unique_ptr<DIR, int (*)(DIR*)> closer(entries, ::closedir);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries))
    if (const std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
  std::ranges::sort(names);
  return names;
}

bool same_bytes(int a, int b) {
  std::string one(kBlock, '\0'), other(kBlock, '\0');
  for (off_t at = 0;;) {
    const ssize_t n = ::pread(a, one.data(), one.size(), at), m = ::pread(b, other.data(), other.size(), at);
    if (n < 0 || n != m || std::memcmp(one.data(), other.data(), size_t(n)) != 0) return false;
    if (n == 0) return true;
    at += n;
  }
}

// A directory of its own that goes away with it.
class Staging {
 public:
  static Result<Staging> make(const std::string& beside) {
    Staging s;
    s.path_ = beside + ".XXXXXX";
    if (::mkdtemp(s.path_.data()) == nullptr) {
      const std::string path = std::exchange(s.path_, "");
      return cannot("make", path);
    }
    s.fd_ = Fd(::open(s.path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!s.fd_) return cannot("open", s.path_);
    return s;
  }
  Staging(Staging&& other) noexcept : path_(std::exchange(other.path_, "")), fd_(std::move(other.fd_)) {}
  ~Staging() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const Fd& fd() const { return fd_; }

 private:
  Staging() = default;
  std::string path_;
  Fd fd_;
};

class Merging {
 public:
  explicit Merging(std::string shown) : shown_(std::move(shown)), mask_(::umask(0)) { ::umask(mask_); }

  Result<void> merge(int from, int to, const std::string& below, int depth) {
    if (depth > kDeepest) return fail(Reason::Invalid, fmt::format("{}/{} lies too deep", shown_, below));
    const auto names = names_in(from, shown_ + "/" + below);
    if (!names) return fail(names.error());
    for (const std::string& step : *names)
      if (auto done = one(from, to, step, below + step, depth); !done) return done;
    return {};
  }
  Brought brought;

 private:
  Result<void> one(int from, int to, const std::string& step, const std::string& name, int depth) {
    struct stat about{}, there{};
    if (::fstatat(from, step.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return cannot("read", name);
    const bool taken = ::fstatat(to, step.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
    if (taken && S_ISDIR(about.st_mode) != S_ISDIR(there.st_mode))
      return fail(Reason::Conflict,
                  fmt::format("{}/{} is {} here, and {} in what the run left\n  move it away, and "
                              "fetch again with `ingot runs outputs`",
                              shown_, name, S_ISDIR(there.st_mode) ? "a directory" : "none",
                              S_ISDIR(about.st_mode) ? "one" : "none"));
    if (S_ISDIR(about.st_mode)) {
      if (!taken && ::mkdirat(to, step.c_str(), 0777) != 0) return cannot("make", shown_ + "/" + name);
      const Fd in = open_beneath(from, step, O_RDONLY | O_DIRECTORY),
               out = open_beneath(to, step, O_RDONLY | O_DIRECTORY);
      if (!in || !out) return cannot("open", shown_ + "/" + name);
      return merge(in.get(), out.get(), name + "/", depth + 1);
    }
    if (S_ISLNK(about.st_mode)) {
      char target[4096];
      const ssize_t n = ::readlinkat(from, step.c_str(), target, sizeof target);
      if (n < 0 || !link_stays(name, {target, size_t(n)})) {
        brought.left_out.push_back(name);
        return {};
      }
      if (::fchownat(from, step.c_str(), ::geteuid(), ::getegid(), AT_SYMLINK_NOFOLLOW) != 0)
        return cannot("write", shown_ + "/" + name);
    } else if (!S_ISREG(about.st_mode)) {
      brought.left_out.push_back(name);
      return {};
    } else if (auto owned = own(from, step, name, about, to, taken && S_ISREG(there.st_mode)); !owned) {
      return owned;
    }
    if (::renameat(from, step.c_str(), to, step.c_str()) != 0) return cannot("write", shown_ + "/" + name);
    ++brought.files;
    return {};
  }

  // A file becomes ours, as if we had written it.
  Result<void> own(int from, const std::string& step, const std::string& name, const struct stat& about,
                   int to, bool taken) {
    const Fd file = open_beneath(from, step, O_RDONLY | O_NONBLOCK);
    const bool fine = file && ::fchown(file.get(), ::geteuid(), ::getegid()) == 0 &&
                      ::fchmod(file.get(), ((about.st_mode & 0777) | 0600) & ~mask_) == 0;
    if (!fine) return cannot("write", shown_ + "/" + name);
    brought.bytes += about.st_size;
    if (!taken) return {};
    const Fd before = open_beneath(to, step, O_RDONLY | O_NONBLOCK);
    brought.replaced += !before || !same_bytes(before.get(), file.get());
    return {};
  }

  const std::string shown_;
  const mode_t mask_;
};

}  // namespace

Result<Brought> bring_back(const Fd& archive, const std::string& directory, const Unpacker& unpacker) {
  if (::mkdir(directory.c_str(), 0777) != 0 && errno != EEXIST) return cannot("make", directory);
  const Fd to(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!to && (errno == ELOOP || errno == ENOTDIR))
    return fail(Reason::Conflict,
                fmt::format("{} is no directory but a link or a file: move it away", directory));
  if (!to) return cannot("open", directory);
  auto staging = Staging::make(directory);
  if (!staging) return fail(staging.error());
  auto unpacked = unpacker(archive, staging->fd());
  if (!unpacked) return fail(unpacked.error());
  if (!*unpacked) return fail(Reason::Invalid, "what the run left is no archive");
  const auto names = names_in(staging->fd().get(), directory);
  if (!names) return fail(names.error());
  Fd from =
      names->size() == 1 ? open_beneath(staging->fd().get(), names->front(), O_RDONLY | O_DIRECTORY) : Fd();
  if (!names->empty() && !from) return fail(Reason::Invalid, "what the run left is not one directory");
  Merging merging(directory);
  if (from)
    if (auto merged = merging.merge(from.get(), to.get(), "", 0); !merged) return fail(merged.error());
  return std::move(merging.brought);
}

}  // namespace ingot::host
