#include "data/ignore.h"

#include <algorithm>
#include <cctype>
#include <ranges>

namespace ingot::data {
namespace {

constexpr size_t kMostPatterns = 100'000, kLongest = 4'096;

struct Class {
  std::string_view name;
  int (*holds)(int);
};
constexpr Class kClasses[] = {
    {"alnum", std::isalnum}, {"alpha", std::isalpha}, {"blank", std::isblank}, {"cntrl", std::iscntrl},
    {"digit", std::isdigit}, {"graph", std::isgraph}, {"lower", std::islower}, {"print", std::isprint},
    {"punct", std::ispunct}, {"space", std::isspace}, {"upper", std::isupper}, {"xdigit", std::isxdigit},
};

// A bracket at the front of `rest` (after the "["): whether `c` is in it; none: it is no bracket at all. `rest` is then after it.
std::optional<bool> in_bracket(std::string_view& rest, char c) {
  size_t i = 0;
  const bool negated = i < rest.size() && (rest[i] == '!' || rest[i] == '^');
  i += negated;
  bool found = false;
  const auto one = [&]() -> std::optional<unsigned char> {
    if (i < rest.size() && rest[i] == '\\') ++i;
    if (i >= rest.size()) return std::nullopt;
    return static_cast<unsigned char>(rest[i++]);
  };
  const auto self = static_cast<unsigned char>(c);
  for (bool first = true;; first = false) {
    if (i >= rest.size()) return std::nullopt;
    if (rest[i] == ']' && !first) break;
    if (rest.substr(i).starts_with("[:")) {
      const size_t end = rest.find(":]", i + 2);
      if (end != rest.npos) {
        const auto known = std::ranges::find(kClasses, rest.substr(i + 2, end - i - 2), &Class::name);
        if (known == std::end(kClasses)) return std::nullopt;
        found |= known->holds(self) != 0;
        i = end + 2;
        continue;
      }
    }
    const auto low = one();
    if (!low) return std::nullopt;
    if (i + 1 < rest.size() && rest[i] == '-' && rest[i + 1] != ']') {
      ++i;
      const auto high = one();
      if (!high) return std::nullopt;
      found |= *low <= self && self <= *high;
    } else {
      found |= *low == self;
    }
  }
  rest.remove_prefix(i + 1);
  return found != negated;
}

// One character of `name` against the front of `pattern`, which it then moves past.
bool one_matches(std::string_view& pattern, char c) {
  const char p = pattern.front();
  pattern.remove_prefix(1);
  if (p == '?') return true;
  if (p == '[') return in_bracket(pattern, c).value_or(false);
  if (p != '\\') return p == c;
  if (pattern.empty()) return false;
  const char literal = pattern.front();
  pattern.remove_prefix(1);
  return literal == c;
}

bool any_directories(std::string_view step) {
  return step.size() >= 2 && step.find_first_not_of('*') == step.npos;
}

// Steps of a path against steps of a pattern, of which "**" stands for any number.
bool path_matches(const std::vector<std::string>& pattern, const std::vector<std::string_view>& path) {
  // reach[j]: the steps of the pattern looked at so far stand for the first j of the path.
  std::vector<char> reach(path.size() + 1, 0), next;
  reach[0] = 1;
  for (size_t i = 0; i < pattern.size(); ++i) {
    next.assign(path.size() + 1, 0);
    if (any_directories(pattern[i])) {
      // At the end what lies in a directory, not itself.
      const bool last = i + 1 == pattern.size() && i > 0;
      bool before = false;
      for (size_t j = 0; j <= path.size(); ++j) {
        next[j] = before || (reach[j] && !last);
        before |= reach[j] != 0;
      }
    } else {
      for (size_t j = 0; j < path.size(); ++j) next[j + 1] = reach[j] && name_matches(pattern[i], path[j]);
    }
    reach.swap(next);
  }
  return reach[path.size()] != 0;
}

std::vector<std::string_view> steps_of(std::string_view path) {
  std::vector<std::string_view> steps;
  for (const auto step : path | std::views::split('/')) steps.emplace_back(step.begin(), step.end());
  return steps;
}

// A pattern at its slashes; one in brackets is none of them, and one after a backslash is.
std::vector<std::string> steps_of_pattern(std::string_view rest) {
  std::vector<std::string> steps(1);
  while (!rest.empty()) {
    std::string_view after = rest.substr(1);
    if (rest.front() == '[' && !in_bracket(after, 0)) after = rest.substr(1);
    if (rest.front() == '\\') after = rest.substr(std::min(size_t(2), rest.size()));
    const std::string_view one = rest.substr(0, rest.size() - after.size());
    if (one == "/" || one == "\\/")
      steps.emplace_back();
    else
      steps.back() += one;
    rest = after;
  }
  return steps;
}

// Spaces at the end count for nothing, unless a backslash stands before one.
std::string_view without_spaces(std::string_view line) {
  size_t end = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size())
      ++i;
    else if (line[i] == ' ')
      continue;
    end = i + 1;
  }
  return line.substr(0, end);
}

}  // namespace

bool name_matches(std::string_view pattern, std::string_view name) {
  std::string_view after_star;  // of the pattern, since its last star …
  size_t at_star = 0;           // … which was taken to end here
  bool star = false;
  size_t at = 0;
  while (at < name.size() || !pattern.empty()) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      after_star = pattern;
      at_star = at;
      star = true;
      continue;
    }
    if (!pattern.empty() && at < name.size()) {
      std::string_view rest = pattern;
      if (one_matches(rest, name[at])) {
        pattern = rest;
        ++at;
        continue;
      }
    }
    if (!star || at_star >= name.size()) return false;
    at = ++at_star;
    pattern = after_star;
  }
  return true;
}

std::optional<IgnorePattern> IgnorePattern::parse(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with('#')) return std::nullopt;
  line = without_spaces(line);
  IgnorePattern out;
  if (line.starts_with('!')) {
    out.lets_in_ = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    out.directories_ = true;
    line.remove_suffix(1);
  }
  out.anchored_ = line.contains('/');
  if (line.starts_with('/')) line.remove_prefix(1);
  if (line.empty() || line.size() > kLongest) return std::nullopt;
  out.steps_ = steps_of_pattern(line);
  return out;
}

bool IgnorePattern::matches(std::string_view path, bool directory) const {
  if (directories_ && !directory) return false;
  if (anchored_ || steps_.size() > 1) return path_matches(steps_, steps_of(path));
  return name_matches(steps_.front(), path.substr(path.rfind('/') + 1));
}

void IgnoreRules::add(std::string_view directory, std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::string prefix = directory.empty() ? "" : std::string(directory) + "/";
  while (!text.empty() && patterns_.size() < kMostPatterns) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (auto pattern = IgnorePattern::parse(text.substr(0, end)))
      patterns_.push_back({prefix, *std::move(pattern)});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool IgnoreRules::leaves_out(std::string_view path, bool directory) const {
  for (const Of& of : std::views::reverse(patterns_)) {
    if (!path.starts_with(of.directory) || path.size() == of.directory.size()) continue;
    if (of.pattern.matches(path.substr(of.directory.size()), directory)) return !of.pattern.lets_in();
  }
  return false;
}

}  // namespace ingot::data
