#include "git/globs.h"

#include <vector>

namespace ingot::git {
namespace {

// Positions of the pattern that may be gone on from, one text character after another.
class Positions {
 public:
  explicit Positions(std::string_view glob) : glob_(glob), now_(glob.size() + 1), next_(glob.size() + 1) {
    reach(now_, 0);
  }
  void take(char c) {
    next_.assign(next_.size(), false);
    for (size_t i = 0; i < glob_.size(); ++i) {
      if (!now_[i]) continue;
      if (glob_[i] == '*') {
        if (c != '/' || doubled(i)) reach(next_, i);
      } else if (glob_[i] == c || (glob_[i] == '?' && c != '/')) {
        reach(next_, i + 1);
      }
    }
    now_.swap(next_);
  }
  bool at_end() const { return now_[glob_.size()]; }

 private:
  bool doubled(size_t i) const { return i + 1 < glob_.size() && glob_[i + 1] == '*'; }
  // What may follow at `i` without a character: stars may be empty.
  void reach(std::vector<bool>& set, size_t i) {
    while (!set[i]) {
      set[i] = true;
      if (i >= glob_.size() || glob_[i] != '*') return;
      const bool two = doubled(i);
      const bool part = i == 0 || glob_[i - 1] == '/';
      if (two && part && i + 2 < glob_.size() && glob_[i + 2] == '/') reach(set, i + 3);
      i += two ? 2 : 1;
    }
  }

  const std::string_view glob_;
  std::vector<bool> now_, next_;
};

}  // namespace

bool glob_matches(std::string_view glob, std::string_view text) {
  Positions positions(glob);
  for (const char c : text) positions.take(c);
  return positions.at_end();
}

bool any_matches(std::span<const std::string> globs, std::string_view text) {
  bool matches = true;
  for (const std::string& glob : globs) matches = matches && glob.starts_with('!');
  for (const std::string& glob : globs) {
    const bool excludes = glob.starts_with('!');
    if (excludes == matches && glob_matches(std::string_view(glob).substr(excludes), text))
      matches = !excludes;
  }
  return matches;
}

}  // namespace ingot::git
