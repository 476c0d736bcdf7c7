// What waits for a shard's turns, in a lane for each kind. Thread rule: the loop.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <utility>

#include "store/shard.h"

namespace ingot::store {

class Inputs {
 public:
  using Kind = Shard::Kind;

  void add(Input input, Kind kind) { lane(kind).push_back(std::move(input)); }
  bool any(Kind kind) const { return !lanes_[size_t(kind)].empty(); }
  size_t size() const { return lanes_[0].size() + lanes_[1].size() + lanes_[2].size(); }

  std::optional<Input> take(Kind kind) {
    if (!any(kind)) return std::nullopt;
    std::optional<Input> first = std::move(lane(kind).front());
    lane(kind).pop_front();
    return first;
  }
  // One that may come later, if it is its time: nothing else waits, or the last one was long ago for what it took.
  std::optional<Input> take_later(Instant now) {
    const bool others = any(Kind::Reads) || any(Kind::Writes);
    return others && now < later_from_ ? std::nullopt : take(Kind::Later);
  }
  void later_took(Instant began, Instant ended) { later_from_ = ended + kRest * (ended - began); }

 private:
  static constexpr int kRest = 7;
  std::deque<Input>& lane(Kind kind) { return lanes_[size_t(kind)]; }

  std::array<std::deque<Input>, 3> lanes_;
  Instant later_from_{};
};

}  // namespace ingot::store
