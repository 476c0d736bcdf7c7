#include "host/unpack_worker.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "host/worker.h"

namespace ingot::host {
namespace {

constexpr int kArchive = 3, kDirectory = 4;
constexpr Duration kLongest = std::chrono::hours(2);
constexpr rlim_t kMemory = rlim_t(4) << 30;

// Nothing but this directory's files, where the kernel can (landlock): a second wall behind who the worker is.
void keep_beneath(int directory) {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return;
  landlock_ruleset_attr all{.handled_access_fs = (uint64_t(LANDLOCK_ACCESS_FS_MAKE_SYM) << 1) - 1};
  const int rules = int(::syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0));
  if (rules < 0) return;
  landlock_path_beneath_attr own{.allowed_access = all.handled_access_fs, .parent_fd = directory};
  if (::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &own, 0) == 0)
    ::syscall(SYS_landlock_restrict_self, rules, 0);
  ::close(rules);
}

int64_t number(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

int complain(const Error& error) {
  std::string line = error.message;
  for (char& c : line)
    if (c == '\n') c = ' ';
  std::fprintf(stderr, "error: %s\n", line.c_str());
  return 1;
}

}  // namespace

Result<bool> unpack_apart(const Fd& archive, const Fd& directory, const UnpackLimits& limits,
                          const std::atomic<bool>* stopped) {
  if (::fchown(directory.get(), kNobody, kNobody) != 0 && ::geteuid() == 0)
    return fail(Reason::InternalError, "cannot give a directory to the worker that unpacks");
  const auto answer =
      run_worker({.arguments = {"unpack", std::to_string(limits.bytes), std::to_string(limits.entries)},
                  .deadline = kLongest,
                  .most_output = 4096,
                  .cancelled = stopped,
                  .files = {archive.get(), directory.get()}});
  if (!answer) return fail(answer.error());
  return *answer != "plain\n";
}

int unpack_worker(std::span<const char* const> arguments) {
  if (arguments.size() != 3 || arguments[0] != std::string_view("unpack")) return -1;
  std::setlocale(LC_ALL, "C.UTF-8");  // names are what they are
  if (auto loaded = load_unpacker(); !loaded) return complain(loaded.error());
  const UnpackLimits limits{.bytes = number(arguments[1]), .entries = number(arguments[2])};
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit size{rlim_t(limits.bytes), rlim_t(limits.bytes)}, memory{kMemory, kMemory};
  setrlimit(RLIMIT_FSIZE, &size);
  setrlimit(RLIMIT_AS, &memory);
  if (auto confined = confine_worker(); !confined) return complain(confined.error());
  keep_beneath(kDirectory);
  const auto done = unpack(kArchive, kDirectory, limits);
  if (!done) return complain(done.error());
  std::puts(*done ? "unpacked" : "plain");
  return 0;
}

}  // namespace ingot::host
