#include "expr/when_tokens.h"

#include <algorithm>
#include <charconv>

#include "expr/go_text.h"
#include "expr/go_time.h"

namespace ingot::expr {
namespace {

using Kind = WhenToken::Kind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0; }
bool is_space(char c) { return std::string_view(" \t\n\v\f\r").contains(c); }
bool is_number(char c) { return is_digit(c) || c == '.'; }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '.'; }
bool is_quote(char c) { return c == '\'' || c == '"'; }
bool is_sign(char c) {
  return !is_letter(c) && !is_digit(c) && !is_quote(c) && !std::string_view("()[]").contains(c);
}

bool is_value(Kind kind) {
  return kind == Kind::Number || kind == Kind::Bool || kind == Kind::Text || kind == Kind::Word ||
         kind == Kind::Time;
}
bool is_operator(Kind kind) {
  return kind == Kind::Comparator || kind == Kind::Logic || kind == Kind::Modifier;
}

bool may_follow(Kind before, Kind kind) {
  switch (before) {
    case Kind::Prefix:
      return kind == Kind::Number || kind == Kind::Bool || kind == Kind::Open || kind == Kind::Close;
    case Kind::Modifier:
      return kind != Kind::Time &&
             (kind == Kind::Prefix || is_value(kind) || kind == Kind::Open || kind == Kind::Close);
    case Kind::Comparator:
    case Kind::Logic:
      return kind == Kind::Prefix || is_value(kind) || kind == Kind::Open || kind == Kind::Close;
    case Kind::Ternary:
      return kind == Kind::Prefix || is_value(kind) || kind == Kind::Open || kind == Kind::Comma;
    case Kind::Start:
    case Kind::Comma:
      return kind == Kind::Prefix || is_value(kind) || kind == Kind::Open;
    case Kind::Open:
      return kind == Kind::Prefix || is_value(kind) || kind == Kind::Open || kind == Kind::Close;
    case Kind::Close:
      return kind != Kind::Prefix;
    case Kind::Time:
      return is_operator(kind) || kind == Kind::Close || kind == Kind::Comma;
    default:
      return is_operator(kind) || kind == Kind::Close || kind == Kind::Ternary || kind == Kind::Comma;
  }
}

std::optional<WallTime> time_in(std::string_view text) {
  static constexpr std::string_view kLayouts[] = {"Mon Jan _2 15:04:05 2006",
                                                  "Mon Jan _2 15:04:05 MST 2006",
                                                  "Mon Jan 02 15:04:05 -0700 2006",
                                                  "3:04PM",
                                                  "2006-01-02T15:04:05Z07:00",
                                                  "2006-01-02",
                                                  "2006-01-02 15:04",
                                                  "2006-01-02 15:04:05",
                                                  "2006-01-02 15:04:05-07:00",
                                                  "2006-01-02T15Z0700",
                                                  "2006-01-02T15:04Z0700",
                                                  "2006-01-02T15:04:05Z0700"};
  for (const std::string_view layout : kLayouts)
    if (const auto time = parse_time(layout, text)) return time;
  return std::nullopt;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Maybe<std::vector<WhenToken>> run() {
    std::vector<WhenToken> out;
    WhenToken before;
    int open = 0;
    for (;;) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      if (at_ >= text_.size()) break;
      auto token = next(before.kind);
      if (!token) return wrong(token.error());
      if (!may_follow(before.kind, token->kind))
        return wrong(before.kind == Kind::Word && token->kind == Kind::Open
                         ? "undefined function " + before.text
                         : "unexpected '" + token->text + "' after '" + before.text + "'");
      open += (token->kind == Kind::Open) - (token->kind == Kind::Close);
      if (open < 0) break;
      before = *token;
      out.push_back(*std::move(token));
    }
    if (open != 0) return wrong("unbalanced parenthesis");
    if (!is_value(before.kind) && before.kind != Kind::Close) return wrong("unexpected end of expression");
    return out;
  }

 private:
  using One = Maybe<WhenToken>;
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  // While `belongs`, up to white space; a backslash takes what follows as it is.
  template <class Belongs>
  std::string run_of(Belongs belongs, bool with_space = false) {
    std::string out;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\\') {
        if (++at_ < text_.size()) out += text_[at_];
      } else if (is_space(c) ? !with_space : !belongs(c)) {
        break;
      } else {
        out += c;
      }
    }
    at_ = std::min(at_, text_.size());
    return out;
  }

  One next(Kind before) {
    const char c = peek();
    if (is_number(c)) return number();
    if (c == ',') return one(Kind::Comma);
    if (c == '(') return one(Kind::Open);
    if (c == ')') return one(Kind::Close);
    if (c == '[') return closed(']', "unclosed parameter bracket", Kind::Word);
    if (is_letter(c)) return word();
    if (is_quote(c)) return quoted_text();
    return sign(before);
  }
  WhenToken one(Kind kind) { return {kind, std::string(1, text_[at_++]), {}}; }

  One number() {
    WhenToken token{.kind = Kind::Number};
    const bool hex = text_.substr(at_).starts_with("0x");
    if (hex) {
      at_ += 2;
      token.text = run_of([](char c) { return std::isxdigit(static_cast<unsigned char>(c)); });
      uint64_t n = 0;
      const char* const end = token.text.data() + token.text.size();
      const auto [stop, error] = std::from_chars(token.text.data(), end, n, 16);
      if (error != std::errc{} || stop != end) return wrong("unable to parse hex value '" + token.text + "'");
      token.value = double(n);
      return token;
    }
    token.text = run_of(is_number);
    const auto d = parsed_float(token.text);
    if (!d) return wrong("unable to parse numeric value '" + token.text + "'");
    token.value = *d;
    return token;
  }

  One word() {
    WhenToken token{.kind = Kind::Word, .text = run_of(is_word)};
    token.value = text(token.text);
    if (token.text == "true" || token.text == "false") {
      token.kind = Kind::Bool;
      token.value = token.text == "true";
    } else if (token.text == "in" || token.text == "IN") {
      token.kind = Kind::Comparator;
      token.text = "in";
    } else if (token.text.contains('.')) {
      // To govaluate a field of a parameter, of which there are none.
      return wrong("unable to access '" + token.text + "': texts with a point must be quoted");
    }
    return token;
  }

  One closed(char close, std::string_view otherwise, Kind kind) {
    ++at_;
    WhenToken token{.kind = kind, .text = run_of([&](char c) { return c != close; }, true)};
    if (peek() != close) return wrong(std::string(otherwise));
    ++at_;
    token.value = text(token.text);
    return token;
  }

  // Either quote ends it, whichever began it.
  One quoted_text() {
    ++at_;
    WhenToken token{.kind = Kind::Text, .text = run_of([](char c) { return !is_quote(c); }, true)};
    if (!is_quote(peek())) return wrong("unclosed string literal");
    ++at_;
    token.value = text(token.text);
    if (const auto time = time_in(token.text)) {
      token.kind = Kind::Time;
      token.value = double(std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count());
    }
    return token;
  }

  One sign(Kind before) {
    static constexpr std::string_view kPrefix[] = {"-", "!", "~"}, kLogic[] = {"&&", "||"},
                                      kModifier[] = {"+", "-", "*", "/",  "%", "**",
                                                     "&", "|", "^", ">>", "<<"},
                                      kComparator[] = {"==", "!=", ">", ">=", "<", "<=", "=~", "!~"},
                                      kTernary[] = {"?", ":", "??"};
    WhenToken token{.text = run_of(is_sign)};
    const auto is_one_of = [&](const auto& signs) { return includes(signs, token.text); };
    if (may_follow(before, Kind::Prefix) && is_one_of(kPrefix))
      token.kind = Kind::Prefix;
    else if (is_one_of(kModifier))
      token.kind = Kind::Modifier;
    else if (is_one_of(kLogic))
      token.kind = Kind::Logic;
    else if (is_one_of(kComparator))
      token.kind = Kind::Comparator;
    else if (is_one_of(kTernary))
      token.kind = Kind::Ternary;
    else
      return wrong("invalid token: '" + token.text + "' (hint: quote what it is a part of)");
    return token;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Maybe<std::vector<WhenToken>> when_tokens(std::string_view text) { return Lexer(text).run(); }

}  // namespace ingot::expr
