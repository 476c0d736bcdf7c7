#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "ingot/simulate.h"

namespace ingot {
namespace {

constexpr size_t kMaxFile = size_t(512) << 20;
constexpr auto kBetweenLines = std::chrono::seconds(5);

}  // namespace

std::expected<std::string, std::string> read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return std::unexpected(fmt::format("{} cannot be read", path));
  const auto size = in.tellg();
  if (size < 0 || size_t(size) > kMaxFile)
    return std::unexpected(fmt::format("{} is no file of at most 512 MiB", path));
  std::string text(size_t(size), '\0');
  in.seekg(0);
  if (!in.read(text.data(), size)) return std::unexpected(fmt::format("{} cannot be read", path));
  return text;
}

std::expected<void, std::string> write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (out) out.write(text.data(), std::streamsize(text.size()));
  if (out) out.close();
  if (!out) return std::unexpected(fmt::format("{} cannot be written", path));
  return {};
}

Progress::Progress(bool quiet)
    : quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) != 0),
      next_(std::chrono::steady_clock::now() + (terminal_ ? std::chrono::seconds(0) : kBetweenLines)) {}

Progress::~Progress() {
  if (!quiet_ && terminal_) fmt::print(stderr, "\r\033[K");
}

void Progress::say(const std::string& text) {
  if (quiet_) return;
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{}", text);
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kBetweenLines;
  fmt::print(stderr, "{}\n", text);
}

}  // namespace ingot
