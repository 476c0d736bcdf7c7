#include "host/git_clones.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/encoding.h"
#include "host/beneath.h"
#include "host/pod_files.h"

namespace ingot::host {
namespace {

// Users that no program and no container of this machine has (systemd, "Users, Groups, UIDs and GIDs").
constexpr uid_t kFirstUser = 0x70000000, kUsers = 0x0ff00000;
// What an empty one takes, and references, of which the worker leaves no more than a remote may have branches.
constexpr int64_t kLeast = 128 << 10;

uid_t user_of(const std::string& repository) {
  const std::string hash = sha256(repository);
  uint32_t number = 0;
  std::memcpy(&number, hash.data(), sizeof number);
  return kFirstUser + number % kUsers;
}

bool is_plain(const std::string& repository) {
  return !repository.empty() && repository.size() <= 64 && std::ranges::all_of(repository, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Result<Fd> cannot(const std::string& what) {
  return fail(env::git_error(env::kGitBroken, "cannot " + what + ": " + std::strerror(errno)));
}

}  // namespace

Result<Fd> GitClones::open(const std::string& repository) {
  if (!is_plain(repository)) return fail(Reason::Invalid, "no such repository");
  const char* name = repository.c_str();
  if (::mkdirat(root_.get(), name, 0700) != 0 && errno != EEXIST) return cannot("make a directory");
  Fd made(::openat(root_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made) return cannot("open a directory");
  const uid_t user = user_of(repository);
  if (::geteuid() == 0 && ::fchown(made.get(), user, user) != 0) return cannot("give a directory away");
  return made;
}

int64_t GitClones::bytes_of(const std::string& repository) const {
  Fd packs = open_beneath(root_.get(), repository + "/git/objects/pack", O_RDONLY | O_DIRECTORY);
  DIR* listing = packs ? ::fdopendir(packs.get()) : nullptr;
  if (!listing) return kLeast;
  const int directory = packs.release();
  int64_t bytes = kLeast;
  struct stat one{};
  while (const dirent* entry = ::readdir(listing))
    if (::fstatat(directory, entry->d_name, &one, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(one.st_mode))
      bytes += one.st_size;
  ::closedir(listing);
  return bytes;
}

int64_t GitClones::measure(const ClusterId& cluster, const std::string& repository) {
  if (!is_plain(repository)) return 0;
  const int64_t bytes = bytes_of(repository);
  std::lock_guard lock(mutex_);
  held_.insert_or_assign(repository, Held{cluster, bytes});
  return bytes;
}

GitClones::Room GitClones::room(const ClusterId& cluster) {
  const auto usage = blobs_.usage(cluster);
  Room room{.limit = kMostOfOne};
  {
    std::lock_guard lock(mutex_);
    for (const auto& [repository, held] : held_)
      if (held.cluster == cluster) room.held += held.bytes;
  }
  if (usage && usage->limit) {
    room.limit = *usage->limit;
    room.of_tenant = true;
    room.held += usage->bytes;
  }
  room.left = std::max<int64_t>(room.limit - room.held, 0);
  return room;
}

int64_t GitClones::disk_left() const {
  struct statvfs disk{};
  return ::fstatvfs(root_.get(), &disk) == 0 ? int64_t(disk.f_bavail) * int64_t(disk.f_frsize) : 0;
}

void GitClones::forget(const std::string& repository) {
  if (!is_plain(repository)) return;
  (void)remove_tree(root_.get(), repository);
  std::lock_guard lock(mutex_);
  held_.erase(repository);
}

void GitClones::keep(const std::vector<env::GitKept>& kept) {
  std::set<std::string_view> names;
  for (const env::GitKept& one : kept) {
    names.insert(one.repository);
    measure(one.cluster, one.repository);
  }
  DIR* listing = ::fdopendir(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!listing) return;
  std::vector<std::string> others;
  while (const dirent* entry = ::readdir(listing))
    if (const std::string name = entry->d_name; name != "." && name != ".." && !names.contains(name))
      others.push_back(name);
  ::closedir(listing);
  for (const std::string& name : others) {
    (void)remove_tree(root_.get(), name);
    std::lock_guard lock(mutex_);
    held_.erase(name);
  }
}

}  // namespace ingot::host
