// The best node from blocks is the best of all, whatever changed before.
#include "scheduler/ranking.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <tuple>

namespace ingot::scheduler {
namespace {

int best_of_all(const std::vector<Ranking::Score>& scores, const Ranking::Names& names,
                const std::vector<bool>& admitted) {
  int best = -1;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == Ranking::kNone || !admitted[i]) continue;
    if (best < 0 || std::tuple(scores[i], names[i]) < std::tuple(scores[size_t(best)], names[size_t(best)]))
      best = int(i);
  }
  return best;
}

TEST(Ranking, FindsWhatLookingAtAllFinds) {
  std::mt19937_64 random(7);
  const auto below = [&](size_t n) { return size_t(random() % n); };
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    std::vector<Ranking::Score> scores(1 + below(300), Ranking::kNone);
    const auto score = [&] { return below(3) == 0 ? Ranking::kNone : Ranking::Score(below(6)); };
    for (auto& s : scores) s = score();
    Ranking::Names names(scores.size());
    std::iota(names.begin(), names.end(), 0);
    std::ranges::shuffle(names, random);
    Ranking ranking;
    ranking.assign(scores, names);
    for (int step = 0; step < 200; ++step) {
      if (below(20) == 0) {                 // nodes come, with names among those there are
        for (int& name : names) name *= 2;  // in the order they had
        for (size_t n = below(70); n > 0; --n) {
          int name = 1;
          while (std::ranges::count(names, name) > 0) name = 2 * int(below(2 * names.size())) + 1;
          names.push_back(name);
          scores.push_back(Ranking::kNone);
        }
        ranking.grow(scores.size());
      }
      const size_t slot = below(scores.size());
      ranking.set(int(slot), scores[slot] = score(), names);
      std::vector<bool> admitted(scores.size());
      const size_t refused_part = 1 + below(4);
      for (size_t i = 0; i < admitted.size(); ++i) admitted[i] = below(refused_part) == 0;
      bool refused = false;
      const int found = ranking.best(names, [&](int s) { return bool(admitted[size_t(s)]); }, &refused);
      ASSERT_EQ(found, best_of_all(scores, names, admitted));
      EXPECT_EQ(ranking.ranked(), scores.size() - size_t(std::ranges::count(scores, Ranking::kNone)));
      if (found < 0)
        EXPECT_EQ(refused, best_of_all(scores, names, std::vector<bool>(scores.size(), true)) >= 0);
      EXPECT_EQ(ranking.best(names, {}, &refused),
                best_of_all(scores, names, std::vector<bool>(scores.size(), true)));
    }
  }
}

}  // namespace
}  // namespace ingot::scheduler
