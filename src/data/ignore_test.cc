#include "data/ignore.h"

#include <gtest/gtest.h>

namespace ingot::data {
namespace {

struct Case {
  const char *pattern, *path;
  bool directory, out;
};

// What `git check-ignore` says of each.
constexpr Case kCases[] = {
    {"*.o", "a.o", false, true},
    {"*.o", "x/y/a.o", false, true},
    {"*.o", "a.oo", false, false},
    {"/*.o", "x/a.o", false, false},
    {"build/", "build", true, true},
    {"build/", "build", false, false},
    {"build/", "x/build", true, true},
    {"x/build", "y/x/build", true, false},
    {"/build", "build", false, true},
    {"**/log", "log", false, true},
    {"**/log", "a/b/log", false, true},
    {"a/**", "a", true, false},
    {"a/**", "a/b/c", false, true},
    {"a/**/b", "a/b", false, true},
    {"a/**/b", "a/x/y/b", false, true},
    {"a/**/b", "ab", false, false},
    {"a**b", "axxb", false, true},
    {"x/a**b", "x/a/b", false, false},
    {"**", "anything", false, true},
    {"a?c", "abc", false, true},
    {"a?c", "ac", false, false},
    {"[a-c]x", "bx", false, true},
    {"[!a-c]x", "bx", false, false},
    {"[^a-c]x", "dx", false, true},
    {"[[:digit:]]*", "7up", false, true},
    {"[]a]", "]", false, true},
    {"[a", "[a", false, false},
    {"\\*", "*", false, true},
    {"\\*", "a", false, false},
    {"\\#x", "#x", false, true},
    {"\\!x", "!x", false, true},
    {"#x", "#x", false, false},
    {"x ", "x", false, true},
    {"x\\ ", "x ", false, true},
    {"x\r", "x", false, true},
    {"*", ".hidden", false, true},
    {"/", "x", false, false},
    {"", "x", false, false},
};

TEST(Ignore, OnePatternIsAsGitHasIt) {
  for (const Case& c : kCases) {
    IgnoreRules rules;
    rules.add("", c.pattern);
    EXPECT_EQ(rules.leaves_out(c.path, c.directory), c.out) << c.pattern << " " << c.path;
  }
}

TEST(Ignore, TheLastThatMatchesDecides) {
  IgnoreRules rules;
  rules.add("", "*.txt\n!keep.txt\nkeep.txt/\n");
  EXPECT_TRUE(rules.leaves_out("a.txt", false));
  EXPECT_FALSE(rules.leaves_out("x/keep.txt", false));
  EXPECT_TRUE(rules.leaves_out("x/keep.txt", true));
}

TEST(Ignore, ADeeperDirectoryHasTheLastWord) {
  IgnoreRules rules;
  rules.add("", "*.bin\n");
  const size_t mark = rules.mark();
  rules.add("models", "!/best.bin\nnotes\n");
  EXPECT_FALSE(rules.leaves_out("models/best.bin", false));
  EXPECT_TRUE(rules.leaves_out("models/old/best.bin", false));
  EXPECT_TRUE(rules.leaves_out("best.bin", false));
  EXPECT_FALSE(rules.leaves_out("notes", false));
  EXPECT_FALSE(rules.leaves_out("models-2/notes", false));
  rules.back_to(mark);
  EXPECT_TRUE(rules.leaves_out("models/best.bin", false));
}

TEST(Ignore, AByteOrderMarkIsNoPartOfAPattern) {
  IgnoreRules rules;
  rules.add("", "\xef\xbb\xbf*.o");
  EXPECT_TRUE(rules.leaves_out("a.o", false));
}

TEST(Ignore, StarsCostNoMoreThanTheirLength) {
  std::string stars, deep;
  for (int i = 0; i < 500; ++i) stars += "*a";
  for (int i = 0; i < 200; ++i) deep += "**/x/";
  IgnoreRules rules;
  rules.add("", stars + "b\n" + deep + "y\n");
  std::string path(200, 'a');
  EXPECT_FALSE(rules.leaves_out(path, false));
  for (int i = 0; i < 500; ++i) path += "/x";
  EXPECT_FALSE(rules.leaves_out(path, false));
}

}  // namespace
}  // namespace ingot::data
