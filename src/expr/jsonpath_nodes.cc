#include "expr/jsonpath_nodes.h"

#include <algorithm>
#include <charconv>

#include "expr/go_text.h"

namespace ingot::expr {
namespace {

using Kind = PathNode::Kind;
using Nodes = std::vector<PathNode>;
constexpr int kMostLevels = 10;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80) != 0; }
bool ends_field(char c) { return std::string_view(" \t\r\n.,[]$@{}").contains(c); }

class Parser {
 public:
  Parser(std::string_view text, int level) : text_(text), level_(level) {}

  Maybe<Nodes> root() {
    Nodes out;
    int open = 0;
    while (at_ < text_.size()) {
      const size_t brace = std::min(text_.find('{', at_), text_.size());
      if (brace > at_) out.push_back({.kind = Kind::Literal, .value = text(text_.substr(at_, brace - at_))});
      at_ = brace + 1;
      if (brace == text_.size()) break;
      auto action = this->action();
      if (!action) return wrong(action.error());
      for (const PathNode& node : action->nodes) {
        open += (node.kind == Kind::Range) - (node.kind == Kind::End);
        if (open < 0) return wrong("jsonpath: not in range, nothing to end");
      }
      out.push_back(*std::move(action));
    }
    if (open > 0) return wrong("jsonpath: a range is not ended");
    return out;
  }

  // After "{", up to and with "}".
  Maybe<PathNode> action() {
    PathNode out{.kind = Kind::Action};
    if (level_ > kMostLevels) return wrong("jsonpath: nested too deeply");
    for (;;) {
      const char c = peek();
      if (at_ >= text_.size() || c == '\n' || c == '\r') return wrong("jsonpath: unclosed action");
      if (c == '}') return ++at_, out;
      Maybe<void> done;
      if (c == ' ' || c == '@' || c == '$')
        ++at_;
      else if (rest().starts_with("[?("))
        done = filter(out.nodes);
      else if (rest().starts_with(".."))
        done = recursive(out.nodes);
      else if (c == '[')
        done = array(out.nodes);
      else if (c == '"' || c == '\'')
        done = quote(out.nodes);
      else if (c == '.')
        ++at_, field(out.nodes);
      else if (c == '+' || c == '-' || is_digit(c))
        done = number(out.nodes);
      else if (is_word(c))
        done = word(out.nodes);
      else
        return wrong("jsonpath: unrecognized character in action: " + std::string(1, c));
      if (!done) return wrong(done.error());
    }
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  std::string_view rest() const { return text_.substr(at_); }
  // The nodes of another text as if it stood in braces.
  Maybe<PathNode> inner(std::string_view text) const {
    const std::string whole = std::string(text) + "}";
    Parser parser(whole, level_ + 1);
    auto action = parser.action();
    if (action && parser.at_ != whole.size()) return wrong("jsonpath: unexpected } in " + std::string(text));
    return action;
  }

  void field(Nodes& out) {
    std::string name;
    for (; at_ < text_.size() && !ends_field(text_[at_]); ++at_) {
      if (text_[at_] == '\\' && ++at_ >= text_.size()) break;
      name += text_[at_];
    }
    out.push_back({.kind = name == "*" ? Kind::Wildcard : Kind::Field, .text = name});
  }

  Maybe<void> recursive(Nodes& out) {
    if (!out.empty() && out.back().kind == Kind::Recursive)
      return wrong("jsonpath: invalid multiple recursive descent");
    at_ += 2;
    out.push_back({.kind = Kind::Recursive});
    if (is_word(peek())) field(out);
    return {};
  }

  Maybe<void> number(Nodes& out) {
    const size_t from = at_++;
    while (is_digit(peek()) || peek() == '.') ++at_;
    const std::string_view digits = text_.substr(from, at_ - from);
    const auto integer = parsed_int(digits);
    const auto real = parsed_float(digits);
    if (!real) return wrong("jsonpath: cannot parse number " + std::string(digits));
    out.push_back({.kind = Kind::Literal, .value = integer ? Json(*integer) : Json(*real)});
    return {};
  }

  Maybe<void> word(Nodes& out) {
    const size_t from = at_;
    while (at_ < text_.size() && !ends_field(text_[at_])) ++at_;
    const std::string_view word = text_.substr(from, at_ - from);
    if (word == "true" || word == "false")
      out.push_back({.kind = Kind::Literal, .value = Json(word == "true")});
    else if (word == "range" || word == "end")
      out.push_back({.kind = word == "range" ? Kind::Range : Kind::End});
    else
      return wrong("jsonpath: unrecognized identifier " + std::string(word));
    return {};
  }

  Maybe<void> quote(Nodes& out) {
    const size_t from = at_;
    const char end = text_[at_++];
    while (at_ < text_.size() && text_[at_] != '\n' && !(text_[at_] == end && text_[at_ - 1] != '\\')) ++at_;
    if (peek() != end) return wrong("jsonpath: unterminated quoted string");
    ++at_;
    std::string plain;
    if (!unquote(text_.substr(from + 1, at_ - from - 2), plain))
      return wrong("jsonpath: cannot unquote a string");
    out.push_back({.kind = Kind::Literal, .value = text(plain)});
    return {};
  }

  static bool unquote(std::string_view text, std::string& out) {
    static constexpr std::string_view kFrom = "abfnrtv\\'\"", kTo = "\a\b\f\n\r\t\v\\'\"";
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out += text[i];
        continue;
      }
      if (++i >= text.size()) return false;
      if (const size_t known = kFrom.find(text[i]); known != kFrom.npos) {
        out += kTo[known];
        continue;
      }
      const size_t size = text[i] == 'x' ? 2 : text[i] == 'u' ? 4 : text[i] == 'U' ? 8 : 0;
      const std::string_view digits = text.substr(i + 1, size);
      uint32_t code = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      if (size == 0 || digits.size() < size || error != std::errc{} || end != digits.data() + size)
        return false;
      if (size == 2)
        out += char(code);
      else
        put_utf8(out, code);
      i += size;
    }
    return true;
  }

  // In brackets: a slice, a key in quotes, or several of them.
  Maybe<void> array(Nodes& out) {
    const size_t close = text_.find_first_of("]\n", at_);
    if (close == text_.npos || text_[close] != ']') return wrong("jsonpath: unterminated array");
    const std::string_view inside = text_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    const auto parts = split(inside, ",");
    if (parts.size() > 1) {
      PathNode all{.kind = Kind::Union};
      for (const std::string_view part : parts) {
        auto one = inner("[" + std::string(trimmed(part, " ")) + "]");
        if (!one) return wrong(one.error());
        all.nodes.push_back(*std::move(one));
      }
      out.push_back(std::move(all));
      return {};
    }
    if (inside.size() > 1 && inside[0] == '\'' && inside.find('\'', 1) == inside.size() - 1) {
      auto fields = inner("." + std::string(inside.substr(1, inside.size() - 2)));
      if (!fields) return wrong(fields.error());
      out.insert(out.end(), fields->nodes.begin(), fields->nodes.end());
      return {};
    }
    return bounds(inside == "*" ? ":" : inside, out);
  }

  static Maybe<void> bounds(std::string_view inside, Nodes& out) {
    PathNode node{.kind = Kind::Array};
    const auto parts = split(inside, ":");
    node.one = parts.size() == 1;
    if (parts.size() > 3) return wrong("jsonpath: invalid array index " + std::string(inside));
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].empty() && !node.one) continue;
      const auto n = parsed_int(parts[i]);
      if (!n || parts[i][0] == '+') return wrong("jsonpath: invalid array index " + std::string(inside));
      node.bounds[i] = std::clamp<int64_t>(*n, INT32_MIN, INT32_MAX);
    }
    out.push_back(std::move(node));
    return {};
  }

  Maybe<void> filter(Nodes& out) {
    const size_t from = at_ += 3;
    char quote = '\0';
    for (; at_ < text_.size() && text_[at_] != '\n'; ++at_) {
      const char c = text_[at_];
      if (quote == '\0' ? c == ')' : false) break;
      if (quote == '\0' && (c == '"' || c == '\''))
        quote = c;
      else if (c == quote && text_[at_ - 1] != '\\')
        quote = '\0';
    }
    if (peek() != ')') return wrong("jsonpath: unterminated filter");
    const std::string_view inside = text_.substr(from, at_ - from);
    if (!rest().starts_with(")]")) return wrong("jsonpath: unclosed array expect ]");
    at_ += 2;
    return condition(inside, out);
  }

  Maybe<void> condition(std::string_view inside, Nodes& out) const {
    static constexpr std::string_view kSigns[] = {"<", ">", "==", "!=", "<=", ">="};
    PathNode node{.kind = Kind::Filter, .text = "exists"};
    const size_t begin = inside.find_first_of("!<>="), end = inside.find_first_not_of("!<>=", begin);
    const bool compares = begin != inside.npos && begin > 0 && end != inside.npos;
    if (compares) node.text = inside.substr(begin, end - begin);
    if (compares && !includes(kSigns, node.text))
      return wrong("jsonpath: unrecognized filter operator " + node.text);
    auto left = inner(compares ? inside.substr(0, begin) : inside);
    if (!left) return wrong(left.error());
    node.nodes.push_back(*std::move(left));
    if (compares) {
      auto right = inner(inside.substr(end));
      if (!right) return wrong(right.error());
      node.nodes.push_back(*std::move(right));
    }
    out.push_back(std::move(node));
    return {};
  }

  const std::string_view text_;
  const int level_;
  size_t at_ = 0;
};

}  // namespace

Maybe<std::vector<PathNode>> parse_jsonpath(std::string_view text) {
  constexpr size_t kMost = 16 * 1024;
  if (text.size() > kMost) return wrong("jsonpath: the template is longer than 16384 bytes");
  return Parser(text, 0).root();
}

}  // namespace ingot::expr
