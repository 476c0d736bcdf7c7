#include "gpu/mig.h"

#include <gmock/gmock.h>

#include <vector>

#include "gpu/models.h"

namespace ingot::gpu {
namespace {

using testing::HasSubstr;

std::vector<Instance> layout(std::string_view model, std::vector<std::pair<std::string_view, int>> parts) {
  std::vector<Instance> out;
  for (const auto& [name, start] : parts) out.push_back({find_profile(model, name), start});
  return out;
}
std::string why_not(std::string_view model, std::vector<std::pair<std::string_view, int>> parts) {
  const auto verdict = legal(model, layout(model, std::move(parts)));
  return verdict ? "" : verdict.error();
}

TEST(Mig, EveryBoardThatCanBeCutHasItsProfilesAndNoOther) {
  for (const Model& m : models()) {
    SCOPED_TRACE(m.name);
    EXPECT_EQ(!profiles(m.name).empty(), m.mig);
    EXPECT_EQ(memory_units(m.name) > 0, m.mig);
    for (const Profile& p : profiles(m.name)) {
      EXPECT_EQ(find_profile(m.name, p.name), &p);
      EXPECT_EQ(find_profile(m.name, p.id), &p);
      EXPECT_LE(p.slices, compute_slices(m.name));
      // 184,320 MiB is published for 7g.180gb, a little more than a B200's own figure.
      EXPECT_LE(p.memory_mib * memory_units(m.name), (m.memory_mib * p.units) * 101 / 100);
      EXPECT_GE(p.memory_mib * memory_units(m.name), (m.memory_mib * p.units) * 87 / 100);
      for (int s = 0; s < 8; ++s)
        if (p.may_start(s)) EXPECT_EQ(p.at(s) >> memory_units(m.name), 0) << p.name << " at " << s;
    }
  }
}

TEST(Mig, NamesFollowTheMemory) {
  EXPECT_EQ(profile_names("A30"), "1g.6gb, 2g.12gb, 4g.24gb");
  EXPECT_EQ(profile_names("A100-40GB"), "1g.5gb, 1g.5gb+me, 1g.10gb, 2g.10gb, 3g.20gb, 4g.20gb, 7g.40gb");
  EXPECT_EQ(profile_names("H200-141GB"), "1g.18gb, 1g.18gb+me, 1g.35gb, 2g.35gb, 3g.71gb, 4g.71gb, 7g.141gb");
  EXPECT_EQ(profile_names("L40S"), "");
  // The same name is another profile on a board of half the memory.
  EXPECT_EQ(find_profile("A100-40GB", "1g.10gb")->id, 15);
  EXPECT_EQ(find_profile("A100-80GB", "1g.10gb")->id, 19);
  EXPECT_EQ(find_profile("A30", "3g.40gb"), nullptr);
}

TEST(Mig, ResourcesWriteADotForThePlus) {
  EXPECT_EQ(profile_of_resource("1g.10gb.me"), "1g.10gb+me");
  EXPECT_EQ(profile_of_resource("1g.10gb"), "1g.10gb");
  EXPECT_EQ(resource_suffix("1g.10gb+me"), "1g.10gb.me");
}

TEST(Mig, LayoutsThatTheGuideShowsAreLegal) {
  EXPECT_EQ(why_not("H100-80GB", {}), "");
  EXPECT_EQ(why_not("H100-80GB", {{"7g.80gb", 0}}), "");
  EXPECT_EQ(why_not("H100-80GB", {{"4g.40gb", 0}, {"3g.40gb", 4}}), "");
  EXPECT_EQ(why_not("H100-80GB", {{"3g.40gb", 0}, {"3g.40gb", 4}}), "");
  EXPECT_EQ(why_not("H100-80GB", {{"2g.20gb", 0}, {"2g.20gb", 2}, {"2g.20gb", 4}, {"1g.10gb", 6}}), "");
  EXPECT_EQ(why_not("H100-80GB", {{"1g.20gb", 0}, {"1g.20gb", 2}, {"1g.20gb", 4}, {"1g.20gb", 6}}), "");
  EXPECT_EQ(why_not("A100-40GB", {{"1g.5gb", 0},
                                  {"1g.5gb", 1},
                                  {"1g.5gb", 2},
                                  {"1g.5gb", 3},
                                  {"1g.5gb", 4},
                                  {"1g.5gb", 5},
                                  {"1g.5gb+me", 6}}),
            "");
  EXPECT_EQ(why_not("A30", {{"2g.12gb", 0}, {"1g.6gb", 2}, {"1g.6gb", 3}}), "");
}

TEST(Mig, OthersAreRefusedWithTheReason) {
  EXPECT_EQ(why_not("H100-80GB", {{"2g.20gb", 1}}), "2g.20gb may not start at 1; it may at 0, 2, 4");
  EXPECT_EQ(why_not("H100-80GB", {{"1g.10gb", 7}}),
            "1g.10gb may not start at 7; it may at 0, 1, 2, 3, 4, 5, 6");
  EXPECT_EQ(why_not("H100-80GB", {{"4g.40gb", 4}}), "4g.40gb may not start at 4; it may at 0");
  EXPECT_EQ(why_not("H100-80GB", {{"3g.40gb", 0}, {"1g.10gb", 3}}), "memory unit 3 is in two instances");
  EXPECT_EQ(why_not("H100-80GB", {{"1g.10gb+me", 0}, {"1g.10gb+me", 1}}), "at most 1 of 1g.10gb+me");
  EXPECT_EQ(why_not("H100-80GB", {{"3g.40gb", -1}}), "3g.40gb may not start at -1; it may at 0, 4");
  EXPECT_THAT(why_not("L4", {{"1g.10gb", 0}}), HasSubstr("L4 cannot be cut"));
  const Instance other[] = {{find_profile("H100-80GB", "3g.40gb"), 0}};
  EXPECT_EQ(legal("A30", other).error(), "A30 has no profile 3g.40gb; it has 1g.6gb, 2g.12gb, 4g.24gb");
}

// Over all layouts there are: what counts of a board never exceeds it, and free starts are the legal ones.
void visit(std::string_view model, std::vector<Instance>& now, int from, size_t& seen) {
  Cut cut;
  for (const Instance& i : now) {
    cut.taken |= i.profile->at(i.start);
    cut.media |= i.profile->media();
  }
  for (int start = from; start < memory_units(model); ++start)
    for (const Profile& p : profiles(model)) {
      now.push_back({&p, start});
      const bool may = legal(model, now).has_value();
      EXPECT_EQ(may, (free_starts(p, cut) >> start & 1) != 0) << p.name << " at " << start;
      if (may) {
        ++seen;
        int32_t milli = 0;
        for (const Instance& i : now) milli += board_milli(model, i.profile->name, 1000);
        EXPECT_LE(milli, 1000);
        visit(model, now, start + 1, seen);
      }
      now.pop_back();
    }
}

TEST(Mig, NoLayoutCountsMoreThanItsBoard) {
  for (const Model& m : models()) {
    std::vector<Instance> now;
    size_t seen = 0;
    visit(m.name, now, 0, seen);
    EXPECT_EQ(seen > 0, m.mig) << m.name;
  }
}

TEST(Mig, WhatAHoldingCounts) {
  EXPECT_EQ(board_milli("H100-80GB", "", 1000), 1000);
  EXPECT_EQ(board_milli("H100-80GB", "", 250), 250);
  EXPECT_EQ(board_milli("H100-80GB", "1g.10gb", 1000), 125);
  EXPECT_EQ(board_milli("H100-80GB", "3g.40gb", 1000), 500);
  EXPECT_EQ(board_milli("H100-80GB", "3g.40gb", 100), 50);
  EXPECT_EQ(board_milli("A30", "1g.6gb", 1000), 250);
}

}  // namespace
}  // namespace ingot::gpu
