// Which files of a directory are left out: patterns as git's. Immutable once read; any thread.
// Source: gitignore(5), git's dir.c (last_matching_pattern) and wildmatch.c.
//
// What matches last decides; a pattern of a deeper directory comes after those of the ones above it. Below a directory that is
// left out nothing is looked at, so nothing there is let in again: that is up to who walks. Matching takes time in proportion
// to pattern times name, whatever the pattern.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::data {

// One pattern.
class IgnorePattern {
 public:
  // None: an empty line, a comment, or what can match nothing.
  static std::optional<IgnorePattern> parse(std::string_view line);
  // `path`: relative to the directory that the pattern is of, "a/b".
  bool matches(std::string_view path, bool directory) const;
  bool lets_in() const { return lets_in_; }

 private:
  std::vector<std::string> steps_;  // between slashes; "**": any number of directories
  bool anchored_ = false;           // otherwise a name at any depth
  bool directories_ = false;        // matches these alone
  bool lets_in_ = false;            // it began with "!"
};

class IgnoreRules {
 public:
  // What an ignore file of `directory` says, "" for the top. In the order of depth, the top first.
  void add(std::string_view directory, std::string_view text);
  // Forgets what was added for `directory` and after: who walks leaves it.
  size_t mark() const { return patterns_.size(); }
  void back_to(size_t mark) { patterns_.resize(mark); }

  bool leaves_out(std::string_view path, bool directory) const;

 private:
  struct Of {
    std::string directory;  // "a/b/", "" for the top
    IgnorePattern pattern;
  };
  std::vector<Of> patterns_;
};

// Whether `name`, without a slash, is what the pattern says: *, ?, [a-z], [!a], [[:digit:]], \x.
bool name_matches(std::string_view pattern, std::string_view name);

}  // namespace ingot::data
