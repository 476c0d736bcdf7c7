// What the simulate commands share: files in and out, and progress. Main thread.
#pragma once

#include <chrono>
#include <expected>
#include <string>

namespace ingot {

// At most 512 MiB.
std::expected<std::string, std::string> read_text(const std::string& path);
std::expected<void, std::string> write_text(const std::string& path, const std::string& text);

// On standard error: one line that is written over on a terminal, a line every few seconds in a pipe. Quiet work is
// not told of: who reads JSON wants nothing else, and what is over at once needs no telling.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void say(const std::string& text);

 private:
  const bool quiet_, terminal_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace ingot
