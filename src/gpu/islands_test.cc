#include "gpu/islands.h"

#include <gmock/gmock.h>

#include <bit>
#include <random>

namespace ingot::gpu {
namespace {

constexpr BoardMask kAll8 = 0xff;

// Boards 0-3 on NUMA node 0, 4-7 on 1.
Links eight() {
  Links links{.boards = 8};
  for (int i = 0; i < 8; ++i) links.numa[size_t(i)] = int8_t(i / 4);
  return links;
}
Links joined(Links links, std::initializer_list<std::initializer_list<int>> islands) {
  for (const auto& island : islands)
    for (const int a : island)
      for (const int b : island)
        if (a != b) links.peers[size_t(a)] |= BoardMask(1u << b);
  return links;
}
const Links kSwitch = joined(eight(), {{0, 1, 2, 3, 4, 5, 6, 7}});
const Links kPairs = joined(eight(), {{0, 1}, {2, 3}, {4, 5}, {6, 7}});
const Links kFours = joined(eight(), {{0, 1, 2, 3}, {4, 5, 6, 7}});

TEST(Islands, ANodeBehindASwitchIsOneIslandAndNumaDecides) {
  const Islands islands(kSwitch);
  EXPECT_EQ(islands.largest(kAll8), 8);
  EXPECT_EQ(islands.pick(kAll8, 4), 0b00001111);
  EXPECT_EQ(islands.pick(0b11111110, 3), 0b00001110) << "the NUMA node with the least left over";
  EXPECT_EQ(islands.pick(0b11111100, 2), 0b00001100);
  EXPECT_EQ(islands.pick(0b11111100, 5), 0b11110100) << "all of NUMA node 1, one of 0";
  EXPECT_EQ(islands.pick(kAll8, 8), kAll8);
}

TEST(Islands, TheSmallestIslandThatFitsIsTakenSoThatLargerOnesStayWhole) {
  const Islands islands(joined(eight(), {{0, 1, 2, 3}, {4, 5}, {6, 7}}));
  EXPECT_EQ(islands.pick(kAll8, 2), 0b00110000);
  EXPECT_EQ(islands.pick(0b11101111, 1), 0b00100000) << "the broken pair first";
  EXPECT_EQ(islands.pick(kAll8, 3), 0b00000111);
  EXPECT_EQ(islands.pick(0b11000111, 2), 0b11000000);
}

TEST(Islands, MoreThanAnIslandTakesFewIslandsOnOneNumaNode) {
  const Islands islands(kPairs);
  EXPECT_EQ(islands.pick(kAll8, 4), 0b00001111);
  EXPECT_EQ(islands.pick(0b11111101, 4), 0b11110000) << "NUMA node 0 has three";
  EXPECT_EQ(islands.pick(0b11110111, 3), 0b00000111);
  EXPECT_EQ(islands.pick(kAll8, 3), 0b00000111);
  EXPECT_EQ(islands.pick(kAll8, 6), 0b00111111);
  EXPECT_EQ(islands.parts(0b00000110), 2);
}

TEST(Islands, RequiredIslandsAreNeverLeft) {
  const Islands islands(kFours);
  EXPECT_EQ(islands.pick(kAll8, 4, true), 0b00001111);
  EXPECT_EQ(islands.pick(kAll8, 5, true), 0) << "no island has five";
  EXPECT_NE(islands.pick(kAll8, 5, false), 0);
  EXPECT_EQ(islands.pick(0b11100111, 4, true), 0);
  EXPECT_EQ(islands.pick(0b11110111, 4, true), 0b11110000);
  EXPECT_EQ(islands.largest(0b11100111), 3);
  EXPECT_EQ(islands.groups(0b11110111, 2), 3);
  EXPECT_EQ(islands.groups(kAll8, 3), 2);
}

TEST(Islands, BoardsWithoutLinksAreIslandsOfTheirOwn) {
  const Islands islands(eight());
  EXPECT_EQ(islands.largest(kAll8), 1);
  EXPECT_EQ(islands.pick(0b11110001, 1), 0b00000001) << "the NUMA node with the least left over";
  EXPECT_EQ(islands.pick(kAll8, 2, true), 0);
  EXPECT_EQ(islands.pick(0b11110111, 4), 0b11110000);
  EXPECT_EQ(islands.pick(0b11110111, 5), 0b11110001);
}

TEST(Islands, WhereHopsDifferTheMostLinkedAreTaken) {
  // A ring of six: neighbours are one hop apart.
  Links ring{.boards = 6};
  for (int i = 0; i < 6; ++i) ring.peers[size_t(i)] = BoardMask(1u << (i + 1) % 6 | 1u << (i + 5) % 6);
  const Islands islands(ring);
  EXPECT_EQ(islands.largest(0x3f), 6);
  EXPECT_FALSE(islands.joins_all(2));
  EXPECT_EQ(islands.pick(0b011101, 3), 0b011100) << "2, 3, 4 hang together";
  EXPECT_EQ(islands.pick(0b100101, 2), 0b100001);
}

TEST(Islands, LinksComeFromTheInventory) {
  std::vector<Board> boards(3);
  boards[0] = {.index = 0, .numa_node = 1, .nvlink_peers = {2, 7, 0}};
  boards[2] = {.index = 2};
  const Links links = links_of(boards);
  EXPECT_EQ(links.peers[0], 0b100) << "a peer the node has not, and itself, are none";
  EXPECT_EQ(links.numa[0], 1);
  EXPECT_EQ(links.numa[2], -1);
  const Islands islands(links);
  EXPECT_EQ(islands.island_of(2), 0) << "a link has two ends";
  EXPECT_EQ(islands.island_of(1), 1);
}

TEST(IslandsProperty, PicksAreFreeWholeAndInOneIslandWheneverThatIsPossible) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Links links{.boards = 1 + int(random() % kMaxBoards)};
    for (int i = 0; i < links.boards; ++i) links.numa[size_t(i)] = int8_t(random() % 3) - 1;
    for (int n = int(random() % 12); n > 0; --n)
      links.peers[random() % size_t(links.boards)] |= BoardMask(random() & random());
    const Islands islands(links);
    for (int step = 0; step < 50; ++step) {
      const BoardMask free = BoardMask(random() & ((1u << links.boards) - 1));
      const int count = 1 + int(random() % size_t(links.boards));
      const BoardMask any = islands.pick(free, count), one = islands.pick(free, count, true);
      ASSERT_EQ(any != 0, std::popcount(free) >= count);
      ASSERT_EQ(one != 0, islands.largest(free) >= count);
      for (const BoardMask picked : {any, one}) {
        if (!picked) continue;
        ASSERT_EQ(std::popcount(picked), count);
        ASSERT_EQ(picked & ~free, 0);
      }
      if (one) ASSERT_EQ(islands.parts(any), 1);
      if (one) ASSERT_EQ(any, one) << "one island is taken unasked";
    }
  }
}

}  // namespace
}  // namespace ingot::gpu
