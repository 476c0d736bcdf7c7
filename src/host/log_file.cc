#include "host/log_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "host/beneath.h"

namespace ingot::host {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text != "." && text != ".." && text.find('/') == text.npos &&
         text.find('\0') == text.npos;
}

// ATTEMPT.log, in order.
std::vector<int> attempts_in(int directory) {
  std::vector<int> attempts;
  DIR* entries = ::fdopendir(::dup(directory));
  if (entries == nullptr) return attempts;
  while (const dirent* entry = ::readdir(entries)) {
    const std::string_view name = entry->d_name;
    int attempt = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), attempt);
    if (parsed.ec == std::errc() && std::string_view(parsed.ptr) == ".log") attempts.push_back(attempt);
  }
  ::closedir(entries);
  std::ranges::sort(attempts);
  return attempts;
}

}  // namespace

Result<Fd> open_log(const std::string& root, const apiserver::LogTarget& target) {
  if (!is_name(target.node) || !is_name(target.pod_uid) || !is_name(target.container))
    return fail(Reason::BadRequest, "no such log: a node, pod or container has no valid name");
  const auto none = [&] {
    return fail(Reason::NotFound,
                fmt::format("container \"{}\" has no log on node \"{}\"", target.container, target.node));
  };
  Fd top(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return none();
  const std::string path = fmt::format("{}/pods/{}/logs/{}", target.node, target.pod_uid, target.container);
  Fd directory = open_beneath(top.get(), path, O_RDONLY | O_DIRECTORY);
  if (!directory) return none();
  const std::vector<int> attempts = attempts_in(directory.get());
  if (attempts.empty()) return none();
  const size_t back = target.previous && attempts.size() > 1 ? 2 : 1;
  Fd file = open_beneath(directory.get(), fmt::format("{}.log", attempts[attempts.size() - back]),
                         O_RDONLY | O_NONBLOCK);
  struct stat found{};
  if (!file || ::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) return none();
  return file;
}

int64_t tail_offset(int fd, int64_t lines) {
  struct stat found{};
  if (::fstat(fd, &found) != 0) return 0;
  char block[64 * 1024];
  int64_t end = found.st_size;
  // The newline that ends the last entry does not begin another.
  int64_t newlines = lines + 1;
  while (end > 0) {
    const int64_t from = std::max<int64_t>(0, end - int64_t(sizeof block));
    const ssize_t n = ::pread(fd, block, size_t(end - from), from);
    if (n <= 0) return 0;
    for (ssize_t i = n; i > 0; --i)
      if (block[i - 1] == '\n' && --newlines == 0) return from + i;
    end = from;
  }
  return 0;
}

}  // namespace ingot::host
