// Whole small files, read and replaced so that a crash leaves the old or the new one. Any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot::host {

// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  int release();
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// NotFound when there is none; InternalError naming path and cause otherwise.
Result<std::string> read_file(const std::string& path, size_t limit = 16u << 20);
// Written beside `path`, synced, renamed over it, and the directory synced.
Result<void> write_file(const std::string& path, std::string_view bytes, mode_t mode);
// Makes `path` (and its parents, 0755) with `mode`.
Result<void> make_directory(const std::string& path, mode_t mode);

}  // namespace ingot::host
