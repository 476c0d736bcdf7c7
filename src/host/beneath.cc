#include "host/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ingot::host {

bool link_stays(std::string_view name, std::string_view target) {
  int64_t depth = std::ranges::count(name, '/');
  if (target.empty() || target.front() == '/') return false;
  for (size_t at = 0; at <= target.size();) {
    const size_t end = std::min(target.find('/', at), target.size());
    const std::string_view step = target.substr(at, end - at);
    if (step == "..") {
      if (depth-- == 0) return false;
    } else if (!step.empty() && step != ".") {
      ++depth;
    }
    at = end + 1;
  }
  return true;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) bytes.remove_prefix(size_t(n));
  }
  return true;
}

Fd open_beneath(int directory, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = uint64_t(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return Fd(int(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
}

}  // namespace ingot::host
