#include "gpu/mig_starts.h"

#include <gmock/gmock.h>

namespace ingot::gpu {
namespace {

constexpr int k1g = 0, k1gMedia = 1, k2g = 3, k3g = 4, k7g = 6;

// Demand in the order of the profiles: 1g, 1g+me, 1g double, 2g, 3g, 4g, 7g.
Starts h100(std::vector<double> demand, double whole = 0) {
  return Starts(geometry("H100-80GB"), demand, whole);
}

TEST(MigStarts, KeepsTheHalfWholeThatLargerOnesNeed) {
  const Starts starts = h100({1, 0, 0, 0, 1, 0, 0});
  // One unit of the upper half is of no use to 1g, so a 3g belongs there, and a 1g below.
  EXPECT_EQ(starts.best({}, k3g), 4);
  EXPECT_EQ(starts.best({0b1111'0000}, k1g), 0);
  EXPECT_LT(starts.best({0b0000'0001}, k1g), 4);
  EXPECT_EQ(starts.best({0b0000'0001}, k3g), 4);
}

TEST(MigStarts, PrefersABoardThatIsCutAlreadyWhereWholeOnesAreAskedFor) {
  const Starts starts = h100({1, 0, 0, 0, 0, 0, 0}, 1);
  EXPECT_GT(starts.loss({}, k1g), 2 * starts.loss({0b0000'0001}, k1g));
  EXPECT_GT(starts.worth({}), starts.worth({0b1}));
}

TEST(MigStarts, AFullBoardTakesNothing) {
  const Starts starts = h100({1, 1, 1, 1, 1, 1, 1});
  EXPECT_EQ(starts.best({0xff}, k1g), -1);
  EXPECT_EQ(starts.worth({0xff}), 0.0f);
  EXPECT_EQ(starts.best({0b0000'0001}, k7g), -1);
  EXPECT_EQ(starts.best({0b0000'0001, true}, k1gMedia), -1);
  EXPECT_GE(starts.best({0b0000'0001, false}, k1gMedia), 1);
}

// Whatever is asked for: the chosen start is a legal one, and nothing is worth more than the board.
TEST(MigStarts, AlwaysLegal) {
  for (int g = 0; g < kGeometries; ++g) {
    const auto all = profiles(g);
    for (size_t only = 0; only <= all.size(); ++only) {
      std::vector<double> demand(all.size(), only == all.size() ? 1.0 : 0.0);
      if (only < all.size()) demand[only] = 1;
      const Starts starts(g, demand, 1);
      for (int taken = 0; taken < 256; ++taken)
        for (const bool media : {false, true}) {
          const Cut cut{UnitMask(taken), media};
          EXPECT_GE(starts.worth(cut), 0.0f);
          EXPECT_LE(starts.worth(cut), 1000.5f);
          for (size_t p = 0; p < all.size(); ++p) {
            const int start = starts.best(cut, int(p));
            const UnitMask free = free_starts(all[p], cut);
            EXPECT_EQ(start < 0, free == 0);
            if (start >= 0) EXPECT_TRUE(free >> start & 1);
          }
        }
    }
  }
}

TEST(MigStarts, TwoGsGoWhereThreeGsCannot) {
  const Starts starts = h100({0, 0, 0, 1, 1, 0, 0});
  EXPECT_EQ(starts.best({0b0000'1111}, k2g), 4);
  EXPECT_LT(starts.best({0b0000'0011}, k2g), 4);  // the upper half stays whole for a 3g
}

}  // namespace
}  // namespace ingot::gpu
