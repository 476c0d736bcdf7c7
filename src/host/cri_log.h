// Container log files as CRI writes them, "2026-10-06T00:17:09.669794202Z stdout F text\n" (k8s.io/cri-api: logging;
// F ends a line, P continues it), into what `kubectl logs` shows. Pure; one thread at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ingot::host {

struct LogWindow {
  bool timestamps = false;
  std::optional<WallTime> since;
  std::optional<int64_t> limit_bytes;
};

class CriLog {
 public:
  explicit CriLog(LogWindow window) : window_(window) {}

  // Appends what `bytes` (any cut of the file) shows to `out`.
  void feed(std::string_view bytes, std::string& out);
  // The limit is reached: nothing more will be shown.
  bool full() const { return full_; }

 private:
  void entry(std::string_view line, std::string& out);
  void append(std::string_view text, std::string& out);

  const LogWindow window_;
  std::string rest_;  // of an entry not yet whole
  int64_t shown_ = 0;
  bool in_window_ = false;  // entries come in order: once in, always in
  bool line_open_ = false;  // the last entry was partial
  bool full_ = false;
};

}  // namespace ingot::host
