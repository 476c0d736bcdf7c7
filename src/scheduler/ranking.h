// Nodes by score, the smallest first, equal ones by name: the best of them without looking at all. In blocks of
// slots, each knowing its best.
//
// Thread rule: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace ingot::scheduler {

class Ranking {
 public:
  using Score = uint64_t;
  static constexpr Score kNone = UINT64_MAX;  // not among them

  // `names`: by slot, the place of its name in their order; entries of slots that are not among them do not count.
  // It may change, but only so that it orders those that stay as before.
  using Names = std::vector<int>;

  const std::vector<Score>& scores() const { return scores_; }
  std::size_t ranked() const { return ranked_; }  // slots that are among them
  void assign(std::vector<Score> scores, const Names&);
  void grow(std::size_t slots);  // by slots that are not among them
  void set(int slot, Score, const Names&);
  void clear() { *this = {}; }
  // The best slot that is admitted, or -1; then *refused tells whether there were others.
  int best(const Names&, const std::function<bool(int slot)>& admits, bool* refused) const;

 private:
  static constexpr std::size_t kBlock = 64;
  bool better(int a, int b, const Names&) const;  // -1: nobody
  void renew(std::size_t block, const Names&);

  std::vector<Score> scores_;  // by slot
  std::vector<int> best_;      // by block: its best slot, or -1
  std::size_t ranked_ = 0;
};

}  // namespace ingot::scheduler
