#include "host/artifact_in.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "api/json.h"
#include "host/beneath.h"
#include "host/blob_files.h"
#include "host/fetch.h"
#include "host/git_artifact.h"
#include "host/pod_files.h"
#include "host/tree_read.h"
#include "host/unpack_worker.h"

namespace ingot::host {
namespace {

using From = node::ArtifactSource::From;

constexpr const char* kDone =
    "done";  // holds which boot of the machine saw it whole: a crash may lose what was not synced
constexpr int64_t kReserve = 256ll << 20;

std::unexpected<Error> failed(std::string_view what) {
  if (errno == ENOSPC || errno == EDQUOT)
    return fail(Reason::InternalError, fmt::format("the node's disk is full: cannot {}", what));
  return fail(Reason::InternalError, fmt::format("cannot {}: {}", what, std::strerror(errno)));
}

std::string boot_id() {
  const auto id = read_file("/proc/sys/kernel/random/boot_id", 64);
  return id ? *id : "";
}

Fd open_directory(int parent, const char* name) {
  return Fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// What one artifact needs while it is brought.
struct Bringing {
  env::Blobs& blobs;
  const node::Bring& ask;
  const node::ArtifactIn& artifact;
  const PodPlace& place;
  Fd own;  // DIRECTORY/I

  bool stopped() const { return ask.stop && *ask.stop; }

  Result<int64_t> room() const {
    struct statvfs about{};
    if (::fstatvfs(own.get(), &about) != 0) return failed("ask how full its disk is");
    const int64_t left = int64_t(about.f_bavail) * int64_t(about.f_frsize) - kReserve;
    if (left <= 0) return fail(Reason::InternalError, "the node's disk is full");
    return left;
  }

  // Its bytes as they come.
  Result<void> fetch(const Fd& file, int64_t room) const {
    const node::ArtifactSource& s = artifact.source;
    if (s.from == From::Raw) return write_all(file.get(), s.text) ? Result<void>() : failed("write it");
    if (s.from == From::Own) {
      const ClusterId cluster{ask.cluster};
      auto about = blobs.stat(cluster, *s.digest);
      if (!about) return fail(about.error());
      if (about->bytes > room)
        return fail(Reason::InternalError,
                    fmt::format("the node's disk has no room for its {} bytes", about->bytes));
      return get_file(blobs, cluster, *s.digest, file.get());
    }
    if (s.from == From::Git) return git_apart(s, place, own.get(), file, room, ask.stop.get());
    return fetch_apart(s, place, file, room, ask.stop.get());
  }

  // As "data": what was unpacked, the one thing in it where there is no other.
  Result<void> settle_tree() const {
    const Fd out = open_directory(own.get(), "out");
    if (!out) return failed("open what was unpacked");
    std::string from = "out";
    std::vector<std::string> names;
    if (DIR* entries = ::fdopendir(::dup(out.get()))) {
      while (const dirent* entry = ::readdir(entries))
        if (const std::string_view step = entry->d_name; step != "." && step != ".." && names.size() < 2)
          names.emplace_back(step);
      ::closedir(entries);
    }
    struct stat about{};
    // What Git has is as it is there, and never one thing packed.
    if (names.size() == 1 && artifact.source.from != From::Git &&
        ::fstatat(out.get(), names[0].c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
        (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)))
      from += "/" + names[0];
    if (!artifact.sub_path.empty()) {
      from += "/" + artifact.sub_path;
      const Fd there = open_beneath(own.get(), from, O_PATH);
      if (!there || ::fstat(there.get(), &about) != 0 || (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)))
        return fail(Reason::NotFound, fmt::format("holds nothing at subPath \"{}\"", artifact.sub_path));
    }
    if (::renameat(own.get(), from.c_str(), own.get(), "data") != 0) return failed("put it in its place");
    remove_tree(own.get(), "out");
    return {};
  }

  Result<void> settle(const Fd& file, int64_t room) const {
    if (artifact.unpack) {
      if (::mkdirat(own.get(), "out", 0700) != 0) return failed("make a directory");
      const Fd out = open_directory(own.get(), "out");
      const auto unpacked = unpack_apart(file, out, {.bytes = room}, ask.stop.get());
      if (!unpacked) return fail(unpacked.error());
      if (*unpacked) {
        ::unlinkat(own.get(), "fetched", 0);
        return settle_tree();
      }
    }
    if (!artifact.sub_path.empty())
      return fail(Reason::Invalid, fmt::format("subPath \"{}\": it is no archive", artifact.sub_path));
    remove_tree(own.get(), "out");
    if (::fchmod(file.get(), 0644) != 0 || ::renameat(own.get(), "fetched", own.get(), "data") != 0)
      return failed("put it in its place");
    return {};
  }

  // Owner and mode, of all that is in it; no link is followed.
  Result<void> hand_over(const Fd& pin, bool top) const {
    if (stopped()) return fail(Reason::Timeout, "nobody waits for it any more");
    struct stat about{};
    if (::fstat(pin.get(), &about) != 0 || ::fchownat(pin.get(), "", uid_t(ask.user), gid_t(ask.group),
                                                      AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
      return failed("make it its user's");
    if (S_ISLNK(about.st_mode)) return {};
    if (S_ISDIR(about.st_mode)) {
      const Fd opened = open_pinned(pin, S_IFDIR);
      DIR* entries = opened ? ::fdopendir(::dup(opened.get())) : nullptr;
      if (!entries) return failed("read it");
      Result<void> done;
      while (const dirent* entry = done ? ::readdir(entries) : nullptr) {
        const std::string_view step = entry->d_name;
        if (step == "." || step == "..") continue;
        done = hand_over(Fd(::openat(opened.get(), entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC)), false);
      }
      ::closedir(entries);
      if (!done) return done;
    }
    mode_t mode = about.st_mode & 0777;
    if (top && S_ISDIR(about.st_mode)) mode |= 0755;  // "out" is 0700
    if (artifact.mode && (top || artifact.recurse_mode)) mode = *artifact.mode;
    if (::chmod(fmt::format("/proc/self/fd/{}", pin.get()).c_str(), mode) != 0) return failed("set its mode");
    return {};
  }

  Result<void> bring() const {
    const auto left = room();
    if (!left) return fail(left.error());
    const Fd file(::openat(own.get(), "fetched", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return failed("write it");
    if (auto fetched = fetch(file, *left); !fetched) return fetched;
    if (stopped()) return fail(Reason::Timeout, "nobody waits for it any more");
    if (auto settled = settle(file, *left); !settled) return settled;
    return hand_over(Fd(::openat(own.get(), "data", O_PATH | O_NOFOLLOW | O_CLOEXEC)), true);
  }
};

}  // namespace

bool comes_from_elsewhere(const node::Bring& ask) {
  return std::ranges::any_of(ask.artifacts, [](const node::ArtifactIn& a) {
    return a.source.from != From::Own && a.source.from != From::Raw;
  });
}

Result<bool> bring_artifact(env::Blobs& blobs, const node::Bring& ask, size_t index, const PodPlace& place) {
  const node::ArtifactIn& artifact = ask.artifacts[index];
  const auto named = [&](const Error& e) {
    return fail(e.reason, fmt::format("artifact {}: {}", artifact.name, e.message));
  };
  const std::string directory = fmt::format("{}/{}", ask.directory, index), boot = boot_id();
  if (const auto done = read_file(directory + "/" + kDone, 128); done && done->starts_with(boot))
    return done->ends_with("+");
  if (auto made = make_directory(ask.directory, 0700); !made) return named(made.error());
  const Fd above(::open(ask.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  remove_tree(above.get(), std::to_string(index));  // what a crash left
  if (auto made = make_directory(directory, 0700); !made) return named(made.error());
  Bringing bringing{blobs, ask, artifact, place, open_directory(above.get(), std::to_string(index).c_str())};
  const auto brought = bringing.bring();
  const bool absent = !brought && brought.error().reason == Reason::NotFound && artifact.optional;
  if (!brought && !absent) return named(brought.error());
  if (absent) remove_tree(bringing.own.get(), "fetched");
  if (auto noted = write_file(directory + "/" + kDone, boot + (absent ? "-" : "+"), 0600); !noted)
    return named(noted.error());
  return !absent;
}

}  // namespace ingot::host
