#include "host/git_worker.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "api/remote_url.h"
#include "host/beneath.h"
#include "host/git_objects.h"
#include "host/worker.h"
#include "host/worker_line.h"

namespace ingot::host {
namespace {

constexpr size_t kLargestJob = 4u << 20;
constexpr rlim_t kMostMemory = 4ull << 30;
constexpr const char* kInside = "remote";  // where a file remote lies in the worker's root

std::unexpected<Error> cannot(const std::string& what) {
  return fail(Reason::InternalError, "a Git worker cannot " + what + ": " + std::strerror(errno));
}

std::string read_input() {
  std::string text;
  char buffer[16384];
  for (ssize_t n; text.size() < kLargestJob && (n = ::read(STDIN_FILENO, buffer, sizeof buffer)) > 0;)
    text.append(buffer, size_t(n));
  return text;
}

void limit(int resource, rlim_t most) {
  const rlimit both{most, most};
  ::setrlimit(__rlimit_resource_t(resource), &both);
}

// The remote appears, read-only, in a view of the file system that is this process's own. Taken by its handle, for its path
// may lead elsewhere by now.
Result<void> bring_remote() {
  const Fd remote(::open_tree(kGitRemote, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
  mount_attr tight{};
  tight.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  if (!remote || ::mount_setattr(remote.get(), "", AT_EMPTY_PATH, &tight, sizeof tight) != 0)
    return cannot("take a file remote");
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return cannot("have a file system of its own");
  ::mkdir(kInside, 0711);
  if (::move_mount(remote.get(), "", AT_FDCWD, kInside, MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return cannot("see a file remote");
  return {};
}

struct Place {
  std::string repository, remote;
};

std::string path_of(int handle) {
  char path[PATH_MAX];
  const ssize_t n = ::readlink(("/proc/self/fd/" + std::to_string(handle)).c_str(), path, sizeof path);
  return n > 0 ? std::string(path, size_t(n)) : "";
}

// Gives up everything but the repository's directory, and the user it belongs to.
Result<Place> enter(bool file_remote) {
  struct stat own{};
  if (::fchdir(kGitDirectory) != 0 || ::fstat(kGitDirectory, &own) != 0) return cannot("enter its directory");
  Place place{path_of(kGitDirectory) + "/git", path_of(kGitRemote)};
  if (::geteuid() == 0) {
    if (file_remote)
      if (auto brought = bring_remote(); !brought) return fail(brought.error());
    if (::chroot(".") != 0) return cannot("have a root of its own");
    place = {"/git", std::string("/") + kInside};
  }
  // A directory's handle is a way out of any root.
  for (const int handle : {kGitDirectory, kGitRemote}) ::close(handle);
  if (auto confined = confine_worker(Keep::Nothing, own.st_uid); !confined) return fail(confined.error());
  return place;
}

// libgit2's SSH reads the file of its user before it asks us (check_certificate in git_fetch.cc), to see which kind of key to
// ask the host for. Lines that begin with '@' it does not understand.
Result<void> write_known_hosts(std::string_view file) {
  std::string plain;
  while (!file.empty()) {
    const size_t end = std::min(file.find('\n'), file.size());
    if (const std::string_view line = file.substr(0, end); !line.starts_with('@')) (plain += line) += '\n';
    file.remove_prefix(std::min(end + 1, file.size()));
  }
  ::mkdir(".ssh", 0700);
  const Fd out(::open(".ssh/known_hosts", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!out || !write_all(out.get(), plain)) return cannot("write known_hosts");
  return {};
}

Result<GitRepositoryPtr> open_repository(const std::string& path) {
  git_repository* repository = nullptr;
  if (git_repository_open_bare(&repository, path.c_str()) != 0 &&
      git_repository_init(&repository, path.c_str(), 1) != 0)
    return fail(env::git_error(env::kGitBroken, "cannot keep the repository: " + git_complaint()));
  return GitRepositoryPtr(repository);
}

void tame_libgit2(const GitLimits& limits) {
  git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
  git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, size_t(limits.objects));
  git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 0);
  git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, ssize_t(64 << 20));
  git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, size_t(512) << 20);
  for (const int level :
       {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_PROGRAMDATA})
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
  git_libgit2_opts(GIT_OPT_SET_USER_AGENT, "ingot");
  // Read now: later there is no /etc.
  git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, "/etc/ssl/certs/ca-certificates.crt", nullptr);
}

Result<void> work(const GitJob& job) {
  const auto url = api::parse_remote_url(job.look.url);
  const bool pack = job.kind == GitJob::Kind::Pack;
  if (!url && !pack) return fail(Reason::Invalid, "spec.url " + url.error());
  const bool file = job.kind == GitJob::Kind::Look && url->scheme == api::RemoteUrl::Scheme::File;
  limit(RLIMIT_CPU, rlim_t(job.limits.seconds));
  limit(RLIMIT_AS, kMostMemory);
  limit(RLIMIT_FSIZE, rlim_t(job.limits.bytes));
  ::setenv("HOME", ::geteuid() == 0 ? "/" : path_of(kGitDirectory).c_str(), 1);
  git_libgit2_init();
  tame_libgit2(job.limits);
  const bool report = job.kind == GitJob::Kind::Report;
  const auto trust = report ? read_trust() : nullptr;
  const auto place = enter(file);
  if (!place) return fail(place.error());
  if (report) {
    if (write_all(STDOUT_FILENO, to_text(git_report(job.report, trust.get(), kGitConnections)))) return {};
    return cannot("answer");
  }
  git_connect_by(kGitConnections, job.limits.bytes);
  if (!pack && url->scheme == api::RemoteUrl::Scheme::Ssh)
    if (auto written = write_known_hosts(job.look.credential.known_hosts); !written) return written;
  const auto repository = open_repository(place->repository);
  if (!repository) return fail(repository.error());
  if (job.kind == GitJob::Kind::Checkout) {
    const auto commit = git_checkout(repository->get(), job);
    if (!commit) return fail(commit.error());
    return git_pack(repository->get(), *commit, job.limits, STDOUT_FILENO);
  }
  if (pack) return git_pack(repository->get(), job.commit, job.limits, STDOUT_FILENO);
  const Result<env::GitSeen> seen = git_look(repository->get(), job, file ? place->remote : job.look.url);
  if (!write_all(STDOUT_FILENO, to_text(seen))) return cannot("answer");
  return {};
}

}  // namespace

int git_worker(std::span<const char* const> arguments) {
  if (arguments.size() != 1 || arguments[0] != std::string_view("git")) return -1;
  const auto job = parse_git_job(read_input());
  const Result<void> done = job ? work(*job) : Result<void>(fail(job.error()));
  if (!done) std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return done ? 0 : 1;
}

}  // namespace ingot::host
