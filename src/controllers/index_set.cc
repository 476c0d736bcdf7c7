#include "controllers/index_set.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace ingot::controllers {
namespace {

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

IndexSet IndexSet::parse(std::string_view text, int64_t end) {
  IndexSet set;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const size_t dash = part.find('-');
    const auto first = number(part.substr(0, dash));
    const auto last = dash == part.npos ? first : number(part.substr(dash + 1));
    if (!first || !last || *last < *first || *first >= end) continue;
    if (!set.ranges_.empty() && *first <= set.ranges_.back().second) continue;  // not ascending: not ours
    const int64_t stop = std::min(*last, end - 1);
    if (!set.ranges_.empty() && set.ranges_.back().second + 1 == *first) {
      set.ranges_.back().second = stop;
    } else {
      set.ranges_.emplace_back(*first, stop);
    }
  }
  return set;
}

void IndexSet::add(int64_t index) {
  if (contains(index)) return;
  auto next = std::ranges::upper_bound(ranges_, index, {}, [](const auto& r) { return r.first; });
  const bool joins_next = next != ranges_.end() && next->first == index + 1;
  const bool joins_previous = next != ranges_.begin() && std::prev(next)->second + 1 == index;
  if (joins_previous && joins_next) {
    std::prev(next)->second = next->second;
    ranges_.erase(next);
  } else if (joins_previous) {
    std::prev(next)->second = index;
  } else if (joins_next) {
    next->first = index;
  } else {
    ranges_.emplace(next, index, index);
  }
}

bool IndexSet::contains(int64_t index) const { return gap(index) != index; }

int64_t IndexSet::size() const {
  int64_t count = 0;
  for (const auto& [first, last] : ranges_) count += last - first + 1;
  return count;
}

int64_t IndexSet::gap(int64_t from) const {
  const auto next = std::ranges::upper_bound(ranges_, from, {}, [](const auto& r) { return r.first; });
  if (next == ranges_.begin() || std::prev(next)->second < from) return from;
  return std::prev(next)->second + 1;
}

std::string IndexSet::text() const {
  std::string out;
  for (const auto& [first, last] : ranges_) {
    if (!out.empty()) out += ',';
    out += std::to_string(first);
    if (last > first) out += (last == first + 1 ? "," : "-") + std::to_string(last);
  }
  return out;
}

}  // namespace ingot::controllers
