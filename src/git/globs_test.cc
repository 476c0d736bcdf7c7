#include "git/globs.h"

#include <gtest/gtest.h>

#include <vector>

namespace ingot::git {
namespace {

TEST(Globs, AStarStaysWithinAPart) {
  EXPECT_TRUE(glob_matches("main", "main"));
  EXPECT_FALSE(glob_matches("main", "maint"));
  EXPECT_TRUE(glob_matches("release/*", "release/1.2"));
  EXPECT_FALSE(glob_matches("release/*", "release/1/2"));
  EXPECT_TRUE(glob_matches("*", "main"));
  EXPECT_FALSE(glob_matches("*", "feature/x"));
  EXPECT_TRUE(glob_matches("v?", "v1"));
  EXPECT_FALSE(glob_matches("a?b", "a/b"));
}

TEST(Globs, TwoStarsGoOverParts) {
  EXPECT_TRUE(glob_matches("src/**", "src/a/b.py"));
  EXPECT_FALSE(glob_matches("src/**", "lib/a.py"));
  EXPECT_TRUE(glob_matches("**/*.py", "a/b/c.py"));
  EXPECT_TRUE(glob_matches("**/*.py", "c.py"));
  EXPECT_FALSE(glob_matches("**/*.py", "c.pyc"));
  EXPECT_TRUE(glob_matches("a/**/z", "a/z"));
  EXPECT_TRUE(glob_matches("a/**/z", "a/b/c/z"));
  EXPECT_TRUE(glob_matches("**", "feature/x"));
}

TEST(Globs, TheLastThatMatchesDecides) {
  const std::vector<std::string> globs{"src/**", "!src/docs/**", "src/docs/api.md"};
  EXPECT_TRUE(any_matches(globs, "src/a.py"));
  EXPECT_FALSE(any_matches(globs, "src/docs/b.md"));
  EXPECT_TRUE(any_matches(globs, "src/docs/api.md"));
  EXPECT_FALSE(any_matches(globs, "README.md"));
}

TEST(Globs, NoneMeansAllAndOnlyExclusionsBeginWithAll) {
  EXPECT_TRUE(any_matches({}, "anything/at/all"));
  const std::vector<std::string> globs{"!docs/**"};
  EXPECT_TRUE(any_matches(globs, "src/a.py"));
  EXPECT_FALSE(any_matches(globs, "docs/a.md"));
}

TEST(Globs, StarsWithoutEndCostPatternTimesText) {
  std::string glob;
  for (int i = 0; i < 80; ++i) glob += "**a";
  EXPECT_FALSE(glob_matches(glob, std::string(4'000, 'a') + "b"));
}

}  // namespace
}  // namespace ingot::git
