// What is looked up or counted is what would be computed or tried.
#include "scheduler/cost.h"

#include <gmock/gmock.h>

#include <random>

#include "scheduler/pass.h"

namespace ingot::scheduler {
namespace {

struct Draw {
  std::mt19937_64 random;
  int64_t below(int64_t n) { return int64_t(random() % uint64_t(n)); }

  // Few kinds of nodes, so that many are alike or nearly so.
  Space space() {
    Space s{.cpu_milli = 1'000 * below(3) - 500,
            .memory_mib = 2'048 * below(3),
            .cpu_milli_total = 4'000 + 4'000 * below(2),
            .memory_mib_total = 8'192,
            .gpus = int32_t(below(4)),
            .model = ModelId(below(2))};
    for (int g = 0; g < s.gpus; ++g) s.free_milli[size_t(g)] = int16_t(250 * below(5));
    return s;
  }
  Shape shape() {
    Shape s{.cpu_milli = 400 * below(3), .memory_mib = 1'024 * below(3), .gpus = int32_t(below(4))};
    if (s.gpus == 1 && below(2)) s.milli = int32_t(50 + 50 * below(18));
    if (below(3) == 0) s.models = 1;
    return s;
  }
};

TEST(Costs, OfARowAreThoseOfEachNode) {
  Draw draw{std::mt19937_64(1)};
  Costs costs;
  costs.set_capacity({40'000, 20'000});
  size_t fit = 0;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 20; ++i) costs.observe(draw.shape());
    const Shape shape = draw.shape();
    Costs::Row row(costs, shape);
    std::vector<std::pair<Space, Look>> nodes;
    for (int i = 0; i < 400; ++i) {
      const Space space = draw.space();
      nodes.emplace_back(space, look_at(space));
    }
    for (auto& [space, look] : nodes) {
      const Cost alone = costs.cost(space, shape, nullptr);
      ASSERT_EQ(row.at(space, look), alone);
      fit += alone != kNoCost;
    }
  }
  EXPECT_GT(fit, 1'000u);
}

TEST(PodsThatFit, AreAsManyAsCanBePutOneByOne) {
  Draw draw{std::mt19937_64(2)};
  size_t several = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Space space = draw.space();
    const Shape shape = draw.shape();
    Space left = space;
    int64_t tried = 0;
    while (tried < 9 && put(left, shape)) ++tried;
    ASSERT_EQ(pods_that_fit(space, shape, 9), tried);
    several += tried > 1 && tried < 9;
  }
  EXPECT_GT(several, 500u);
}

}  // namespace
}  // namespace ingot::scheduler
