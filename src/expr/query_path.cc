#include "expr/query_path.h"

#include <algorithm>

#include "expr/go_text.h"

namespace ingot::expr {
namespace {

constexpr int kMostLevels = 40;
constexpr size_t kMostSteps = 100;
using Kind = PathStep::Kind;

// Where the bracket at text[0] is closed; npos: nowhere. Quoted brackets do not count.
size_t closing(std::string_view text, char open, char close) {
  int level = 0;
  char quote = '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != '\0') {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = '\0';
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == open) {
      ++level;
    } else if (c == close && --level == 0) {
      return i;
    }
  }
  return text.npos;
}

bool is_quoted(std::string_view text) {
  return text.size() > 1 && (text[0] == '\'' || text[0] == '"') && text.back() == text[0];
}
// Without its quotes; "\'" is "'".
std::string unquoted(std::string_view text) {
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size() && (text[i + 1] == text[0] || text[i + 1] == '\\')) ++i;
    out += text[i];
  }
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view text, int level) : text_(text), level_(level) {}

  // A path that takes the whole text, or in a condition as much of it as belongs to it.
  Maybe<Path> path(bool whole) {
    Path out{.from_root = peek() == '$'};
    if ((peek() != '$' && peek() != '@') || level_ > kMostLevels) return fault();
    ++at_;
    while (at_ < text_.size() && (peek() == '.' || peek() == '[')) {
      if (out.steps.size() > kMostSteps) return fault();
      const bool dot = peek() == '.';
      if (dot && peek(1) == '.') {
        at_ += 2;
        out.steps.push_back({.kind = Kind::Recursive});
        if (at_ >= text_.size() || peek() == '.') continue;
        if (peek() != '[') {
          if (auto step = name(whole); step)
            out.steps.push_back(*std::move(step));
          else
            return wrong(step.error());
          continue;
        }
      } else if (dot && peek(1) == '[') {
        ++at_;
      }
      const bool bracket = peek() == '[';
      if (!bracket) ++at_;
      auto step = bracket ? subscript() : name(whole);
      if (!step) return wrong(step.error());
      out.steps.push_back(*std::move(step));
    }
    if (whole && at_ != text_.size()) return fault();
    return out;
  }

  Maybe<Condition> condition() {
    auto all = chain(0);
    if (all && (blank(), at_ != text_.size())) return fault();
    return all;
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  std::unexpected<std::string> fault() const {
    return wrong("jsonpath: unexpected text at byte " + std::to_string(at_) + " of " + std::string(text_));
  }
  void blank() {
    while (peek() == ' ') ++at_;
  }

  Maybe<PathStep> name(bool whole) {
    const std::string_view ends = whole ? ".[" : ".[ =!<>&|+-*/%~(),]}";
    const size_t from = at_;
    if (peek() == '*' && !whole) ++at_;
    while (at_ < text_.size() && !ends.contains(peek()) && !text_.substr(from, at_ - from).starts_with('*'))
      ++at_;
    const std::string_view word = trimmed(text_.substr(from, at_ - from));
    if (word.empty()) return fault();
    if (word == "*") return PathStep{.kind = Kind::Wildcard};
    if (word == "length") return PathStep{.kind = Kind::Length};
    return PathStep{.kind = Kind::Key, .key = std::string(word)};
  }

  Maybe<PathStep> subscript() {
    const size_t end = closing(text_.substr(at_), '[', ']');
    if (end == text_.npos) return fault();
    const std::string_view inside = trimmed(text_.substr(at_ + 1, end - 1));
    at_ += end + 1;
    if (inside == "*") return PathStep{.kind = Kind::Wildcard};
    if (inside.starts_with('?') || inside.starts_with('(')) return scripted(inside);
    std::vector<std::string_view> parts = pieces(inside, ',');
    if (parts.size() > 1) return all_of(parts);
    if (is_quoted(inside)) return PathStep{.kind = Kind::Key, .key = unquoted(inside)};
    parts = pieces(inside, ':');
    if (parts.size() > 3) return fault();
    PathStep step{.kind = parts.size() == 1 ? Kind::Index : Kind::Range};
    std::optional<int64_t>* const bounds[] = {&step.from, &step.to, &step.step};
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto n = parsed_int(parts[i]);
      if (!n && (step.kind == Kind::Index || !parts[i].empty())) return fault();
      if (n) *bounds[i] = *n;
    }
    return step;
  }

  Maybe<PathStep> scripted(std::string_view inside) {
    const bool filter = inside[0] == '?';
    if (filter) inside.remove_prefix(1);
    if (inside.size() < 3 || closing(inside, '(', ')') != inside.size() - 1) return fault();
    auto condition = Parser(trimmed(inside.substr(1, inside.size() - 2)), level_ + 1).condition();
    if (!condition) return wrong(condition.error());
    return PathStep{.kind = filter ? Kind::Filter : Kind::Script,
                    .condition = std::make_shared<const Condition>(*std::move(condition))};
  }

  Maybe<PathStep> all_of(const std::vector<std::string_view>& parts) {
    PathStep step{.kind = Kind::Union};
    for (const std::string_view part : parts) {
      const auto n = parsed_int(part);
      if (!n && !is_quoted(part)) return fault();
      step.keys.push_back(n ? Json(*n) : text(unquoted(part)));
      if (step.keys.back().kind() != step.keys.front().kind()) return fault();
    }
    return step;
  }

  static std::vector<std::string_view> pieces(std::string_view text, char at) {
    std::vector<std::string_view> out;
    char quote = '\0';
    size_t from = 0;
    for (size_t i = 0; i <= text.size(); ++i) {
      if (i == text.size() || (quote == '\0' && text[i] == at)) {
        out.push_back(trimmed(text.substr(from, i - from)));
        from = i + 1;
      } else if (quote != '\0' && text[i] == '\\') {
        ++i;
      } else if (quote == '\0' ? text[i] == '\'' || text[i] == '"' : text[i] == quote) {
        quote = quote == '\0' ? text[i] : '\0';
      }
    }
    return out;
  }

  // What binds loosest first.
  Maybe<Condition> chain(size_t binds) {
    static const std::vector<std::string_view> kSigns[] = {
        {"||"},
        {"&&"},
        {"==", "!=", "<=", ">=", "=~", "<", ">", "not in ", "in "},
        {"+", "-"},
        {"**", "*", "/", "%"}};
    if (binds == std::size(kSigns)) return primary();
    auto left = chain(binds + 1);
    while (left) {
      blank();
      const auto sign = std::ranges::find_if(
          kSigns[binds], [&](std::string_view s) { return text_.substr(at_).starts_with(s); });
      if (sign == kSigns[binds].end()) break;
      at_ += sign->size();
      auto right = chain(binds + 1);
      if (!right) return right;
      if (++parts_ > kMostParts) return fault();
      Condition both{.kind = Condition::Kind::Binary, .sign = std::string(trimmed(*sign))};
      both.parts.push_back(*std::move(left));
      both.parts.push_back(*std::move(right));
      left = std::move(both);
    }
    return left;
  }

  Maybe<Condition> primary() {
    struct Level {
      int& level;
      explicit Level(int& l) : level(l) { ++level; }
      ~Level() { --level; }
    } const deeper(level_);
    if (level_ > kMostLevels) return fault();
    blank();
    const char c = peek();
    if (c == '!') {
      ++at_;
      auto of = primary();
      if (!of) return of;
      Condition no{.kind = Condition::Kind::Not};
      no.parts.push_back(*std::move(of));
      return no;
    }
    if (c == '(') {
      ++at_;
      auto inside = chain(0);
      if (!inside) return inside;
      blank();
      if (peek() != ')') return fault();
      ++at_;
      return inside;
    }
    if (c == '@' || c == '$') {
      Parser rest(text_.substr(at_), level_);
      auto path = rest.path(false);
      if (!path) return wrong(path.error());
      at_ += rest.at_;
      return Condition{.kind = Condition::Kind::Path, .path = *std::move(path)};
    }
    return literal(c);
  }

  Maybe<Condition> literal(char c) {
    Condition out{.kind = Condition::Kind::Literal};
    const std::string_view rest = text_.substr(at_);
    size_t size = 0;
    if (c == '\'' || c == '"') {
      for (size = 1; size < rest.size() && rest[size] != c; ++size) size += rest[size] == '\\';
      if (size >= rest.size()) return fault();
      out.literal = text(unquoted(rest.substr(0, ++size)));
    } else if (c == '[' || c == '{') {
      size = closing(rest, c, c == '[' ? ']' : '}');
      if (size == rest.npos) return fault();
      const auto json = parsed_json(rest.substr(0, ++size));
      if (!json) return fault();
      out.literal = *json;
    } else {
      size = c == '-';
      while (size < rest.size() && !std::string_view(" =!<>&|+-*/%~(),").contains(rest[size])) ++size;
      const std::string_view word = rest.substr(0, size);
      const auto number = parsed_float(word);
      if (word.empty()) return fault();
      out.literal = number                              ? Json(*number)
                    : word == "true" || word == "false" ? Json(word == "true")
                    : word == "nil" || word == "null"   ? Json()
                                                        : text(word);
    }
    at_ += size;
    return out;
  }

  static constexpr int kMostParts = 50;
  const std::string_view text_;
  size_t at_ = 0;
  int level_ = 0, parts_ = 0;
};

}  // namespace

Maybe<Path> parse_path(std::string_view text) {
  constexpr size_t kMost = 4096;
  if (text.size() > kMost) return wrong("jsonpath: the path is longer than 4096 bytes");
  return Parser(text, 0).path(true);
}

}  // namespace ingot::expr
