#include "host/tree_read.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ingot::host {
namespace {

std::unexpected<Error> unreadable(const std::string& name) {
  return fail(Reason::InternalError, fmt::format("cannot read {}: {}", name, std::strerror(errno)));
}

Result<std::vector<std::string>> names_in(const Fd& directory, const std::string& name, size_t most) {
  const Fd again(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* entries = again ? ::fdopendir(::dup(again.get())) : nullptr;
  if (!entries) return unreadable(name);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries)) {
    const std::string_view step = entry->d_name;
    if (step == "." || step == "..") continue;
    names.emplace_back(step);
    if (names.size() > most) break;
  }
  ::closedir(entries);
  std::ranges::sort(names);
  return names;
}

struct Walk {
  ArchiveWriter& out;
  const Stopped& stopped;
  const TreeLimits limits;
  size_t entries = 0, pending = 0;  // pending: named by a directory above, and not yet looked at
  int64_t bytes = 0, holes = 0;

  Result<void> one(const Fd& pin, const std::string& name, int depth) {
    if (stopped()) return fail(Reason::Timeout, "nobody waits for it any more");
    if (++entries > limits.entries)
      return fail(Reason::RequestEntityTooLarge, fmt::format("holds more than {} files", limits.entries));
    if (depth > limits.depth) return fail(Reason::Invalid, fmt::format("{} lies too deep", name));
    struct stat about{};
    if (::fstat(pin.get(), &about) != 0) return unreadable(name);
    if (S_ISREG(about.st_mode)) return file(pin, name, about);
    if (S_ISDIR(about.st_mode)) return directory(pin, name, about, depth);
    if (S_ISLNK(about.st_mode)) return link(pin, name);
    return {};
  }

  Result<void> file(const Fd& pin, const std::string& name, const struct stat& about) {
    bytes += about.st_size;
    if (bytes > limits.bytes)
      return fail(Reason::RequestEntityTooLarge, fmt::format("holds more than {} bytes", limits.bytes));
    const auto more = add_holes(holes, about, limits.holes);
    if (!more) return fail(more.error());
    holes = *more;
    const Fd opened = open_pinned(pin, S_IFREG);
    if (!opened) return unreadable(name);
    ::posix_fadvise(opened.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    const Pull pull = [&](char* to, size_t most) -> Result<size_t> {
      if (stopped()) return fail(Reason::Timeout, "nobody waits for it any more");
      while (true) {
        const ssize_t n = ::read(opened.get(), to, most);
        if (n >= 0) return size_t(n);
        if (errno != EINTR) return unreadable(name);
      }
    };
    return out.add({.name = name, .mode = about.st_mode & 0777, .size = about.st_size}, pull);
  }

  Result<void> directory(const Fd& pin, const std::string& name, const struct stat& about, int depth) {
    const auto added =
        out.add({.name = name, .type = ArchiveEntry::Type::Directory, .mode = about.st_mode & 0777}, {});
    if (!added) return added;
    const Fd opened = open_pinned(pin, S_IFDIR);
    if (!opened) return unreadable(name);
    const size_t left = limits.entries - std::min(limits.entries, entries + pending);
    const auto names = names_in(opened, name, left);
    if (!names) return fail(names.error());
    if (names->size() > left)
      return fail(Reason::RequestEntityTooLarge, fmt::format("holds more than {} files", limits.entries));
    pending += names->size();
    for (const std::string& step : *names) {
      --pending;
      const Fd below(::openat(opened.get(), step.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (!below) return unreadable(name + "/" + step);
      if (auto done = one(below, name + "/" + step, depth + 1); !done) return done;
    }
    return {};
  }

  Result<void> link(const Fd& pin, const std::string& name) {
    char target[4096];
    const ssize_t n = ::readlinkat(pin.get(), "", target, sizeof target);
    if (n < 0) return unreadable(name);
    return out.add({.name = name,
                    .type = ArchiveEntry::Type::Link,
                    .mode = 0777,
                    .target = std::string(target, size_t(n))},
                   {});
  }
};

}  // namespace

Fd pin_in(const Fd& root, const std::string& path) {
  if (path.empty()) return Fd(::fcntl(root.get(), F_DUPFD_CLOEXEC, 0));
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return Fd(int(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

Fd open_pinned(const Fd& pin, mode_t type) {
  struct stat about{};
  if (!pin || ::fstat(pin.get(), &about) != 0) return {};
  if ((about.st_mode & S_IFMT) != type) {
    errno = EINVAL;
    return {};
  }
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (type == S_IFDIR ? O_DIRECTORY : 0);
  return Fd(::open(fmt::format("/proc/self/fd/{}", pin.get()).c_str(), flags));
}

Result<int64_t> add_holes(int64_t before, const struct stat& about, int64_t most) {
  const int64_t on_disk = int64_t(about.st_blocks) * 512;
  const int64_t holes = std::max<int64_t>(about.st_size - on_disk, 0);
  if (holes <= most - before) return before + holes;
  return fail(
      Reason::RequestEntityTooLarge,
      fmt::format("holds files with holes (sparse) of more than {} bytes that are not on the disk: make them "
                  "smaller, or pack them in the step (tar --sparse)",
                  most));
}

Result<void> archive_tree(const Fd& pin, const std::string& name, ArchiveWriter& out, const Stopped& stopped,
                          const TreeLimits& limits) {
  Walk walk{out, stopped, limits};
  if (auto done = walk.one(pin, name, 0); !done) return done;
  return out.finish();
}

}  // namespace ingot::host
