// A set of completion indexes as intervals, in the text form of status.completedIndexes: "1,3-5". Its size is that of
// the text, never that of the numbers. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ingot::controllers {

class IndexSet {
 public:
  // What is not well formed, or at or above `end`, is left out.
  static IndexSet parse(std::string_view text, int64_t end);
  void add(int64_t index);
  bool contains(int64_t index) const;
  int64_t size() const;
  // The first index ≥ `from` that is not in the set.
  int64_t gap(int64_t from) const;
  std::string text() const;

 private:
  std::vector<std::pair<int64_t, int64_t>> ranges_;  // [first, last], ascending, not touching
};

}  // namespace ingot::controllers
