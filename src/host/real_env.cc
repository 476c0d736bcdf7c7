#include "host/real_env.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace ingot::host {
namespace {

int64_t read_clock_ns(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

std::string_view level_name(env::Log::Level level) {
  switch (level) {
    case env::Log::Level::Debug:
      return "debug";
    case env::Log::Level::Info:
      return "info";
    case env::Log::Level::Warn:
      return "warn";
    case env::Log::Level::Error:
      return "error";
  }
  return "info";
}

bool plain(std::string_view text) {
  if (text.empty()) return false;
  for (const unsigned char c : text)
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  return true;
}

void append_value(std::string& line, std::string_view text) {
  if (plain(text)) {
    line += text;
    return;
  }
  line += '"';
  for (const unsigned char c : text) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += char(c);
    } else if (c == '\n') {
      line += "\\n";
    } else if (c < ' ' || c == 0x7f) {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", c);
    } else {
      line += char(c);
    }
  }
  line += '"';
}

}  // namespace

Instant RealClock::now() const { return Instant(Duration(read_clock_ns(CLOCK_MONOTONIC))); }

WallTime RealClock::wall() const {
  return WallTime(std::chrono::microseconds(read_clock_ns(CLOCK_REALTIME) / 1000));
}

uint64_t RealEntropy::next() {
  std::lock_guard lock(mutex_);
  if (left_ == 0) {
    // 512 bytes: longer than the 256 that the kernel gives uninterrupted, hence the loop.
    size_t got = 0;
    while (got < sizeof block_) {
      const ssize_t n = getrandom(reinterpret_cast<char*>(block_) + got, sizeof block_ - got, 0);
      ASSERT(n > 0 || errno == EINTR);
      if (n > 0) got += size_t(n);
    }
    left_ = std::size(block_);
  }
  return std::exchange(block_[--left_], 0);
}

LineLog::~LineLog() {
  if (out_ != stderr) fclose(out_);
}

Result<void> LineLog::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Reason::InternalError, fmt::format("cannot write {}: {}", path, strerror(errno)));
  std::lock_guard lock(mutex_);
  out_ = fdopen(fd, "a");
  return {};
}

void LineLog::event(Level level, std::string_view name, std::initializer_list<Field> fields) {
  if (level < least_) return;
  std::string line = to_rfc3339_micro(clock_.wall());
  line += ' ';
  line += level_name(level);
  line += ' ';
  line += name;
  for (const Field& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    if (const auto* number = std::get_if<int64_t>(&field.value)) {
      line += std::to_string(*number);
    } else {
      append_value(line, std::get<std::string>(field.value));
    }
  }
  line += '\n';
  std::lock_guard lock(mutex_);
  fwrite(line.data(), 1, line.size(), out_);
  fflush(out_);
}

}  // namespace ingot::host
