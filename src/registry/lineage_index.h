// Which rows name something: a hash of (cluster, name) and the rows' numbers, 16 bytes each, in sorted pieces that are merged
// as they grow. What it says is looked at again in the row: two names may have one hash.
//
// Thread rule: one thread at a time. Invariant: no more than `most` entries; beyond it those of the older rows are dropped, and
// `from()` says which rows are still known.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ingot::registry {

class LineageIndex {
 public:
  explicit LineageIndex(size_t most) : most_(most) {}

  void add(std::string_view cluster, std::string_view name, uint64_t row);
  // The newest `most` rows, the newest first; one more than that when there are more.
  std::vector<uint64_t> find(std::string_view cluster, std::string_view name, size_t most) const;
  size_t size() const;
  uint64_t from() const { return from_; }  // 0: all since the beginning

 private:
  struct Entry {
    uint64_t hash, row;
    auto operator<=>(const Entry&) const = default;
  };
  using Piece = std::vector<Entry>;  // sorted
  void settle();
  void shed();

  const size_t most_;
  std::vector<Piece> pieces_;  // each at least twice as large as the next
  Piece fresh_;                // in the order in which they came
  uint64_t from_ = 0;
};

}  // namespace ingot::registry
