#include "host/cri_log.h"

#include <algorithm>
#include <utility>

namespace ingot::host {
namespace {

// containerd cuts entries at 16 KiB; anything far longer is not one and is dropped.
constexpr size_t kLongestEntry = 1u << 20;

std::string_view next_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

}  // namespace

void CriLog::feed(std::string_view bytes, std::string& out) {
  while (!bytes.empty() && !full_) {
    const size_t end = bytes.find('\n');
    if (end == bytes.npos) {
      if (rest_.size() + bytes.size() <= kLongestEntry) rest_ += bytes;
      return;
    }
    if (rest_.empty()) {
      entry(bytes.substr(0, end), out);
    } else {
      rest_ += bytes.substr(0, end);
      entry(std::exchange(rest_, {}), out);
    }
    bytes.remove_prefix(end + 1);
  }
}

void CriLog::entry(std::string_view line, std::string& out) {
  const std::string_view stamp = next_word(line);
  const std::string_view stream = next_word(line);
  const std::string_view tag = next_word(line);
  if (stream != "stdout" && stream != "stderr") return;
  if (!in_window_ && window_.since) {
    const auto at = parse_rfc3339(stamp);
    if (!at || *at < *window_.since) return;
  }
  in_window_ = true;
  const bool partial = tag.substr(0, tag.find(':')) == "P";
  if (window_.timestamps && !line_open_) {
    append(stamp, out);
    append(" ", out);
  }
  append(line, out);
  if (!partial) append("\n", out);
  line_open_ = partial;
}

void CriLog::append(std::string_view text, std::string& out) {
  if (window_.limit_bytes) {
    const int64_t left = *window_.limit_bytes - shown_;
    full_ = int64_t(text.size()) >= left;
    text = text.substr(0, size_t(std::max<int64_t>(0, std::min<int64_t>(left, int64_t(text.size())))));
  }
  shown_ += int64_t(text.size());
  out += text;
}

}  // namespace ingot::host
