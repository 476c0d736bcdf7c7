#include "host/disk_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "host/beneath.h"

namespace ingot::host {
namespace {

std::unexpected<Error> failed(const char* what, const std::string& path) {
  return fail(errno == ENOENT ? Reason::NotFound : Reason::InternalError,
              fmt::format("cannot {} {}: {}", what, path, strerror(errno)));
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  Fd old(std::exchange(fd_, other.release()));
  return *this;
}
Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}
int Fd::release() { return std::exchange(fd_, -1); }

Result<std::string> read_file(const std::string& path, size_t limit) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failed("read", path);
  std::string bytes;
  char block[16 * 1024];
  while (true) {
    const ssize_t n = ::read(fd.get(), block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read", path);
    if (n == 0) return bytes;
    bytes.append(block, size_t(n));
    if (bytes.size() > limit)
      return fail(Reason::InternalError, fmt::format("{} is larger than {} bytes", path, limit));
  }
}

Result<void> write_file(const std::string& path, std::string_view bytes, mode_t mode) {
  std::string temporary = path + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return failed("write", path);
  if (::fchmod(fd.get(), mode) != 0 || !write_all(fd.get(), bytes) || ::fsync(fd.get()) != 0 ||
      ::rename(temporary.c_str(), path.c_str()) != 0) {
    auto error = failed("write", path);
    ::unlink(temporary.c_str());
    return error;
  }
  const std::string parent = std::filesystem::path(path).parent_path();
  Fd directory(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return failed("write", path);
  return {};
}

Result<void> make_directory(const std::string& path, mode_t mode) {
  const std::string parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) {
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    if (error) return fail(Reason::InternalError, fmt::format("cannot make {}: {}", parent, error.message()));
  }
  if (::mkdir(path.c_str(), mode) == 0) return {};
  if (errno != EEXIST) return failed("make", path);
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return failed("read", path);
  if (!S_ISDIR(found.st_mode)) return fail(Reason::InternalError, path + " is not a directory");
  return {};
}

}  // namespace ingot::host
