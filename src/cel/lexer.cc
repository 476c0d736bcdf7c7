#include "cel/lexer.h"

#include <algorithm>
#include <charconv>

namespace ingot::cel {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::optional<uint32_t> number(std::string_view digits, int base) {
  uint32_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n, base);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return n;
}

bool put_utf8(std::string& out, uint32_t c) {
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
  if (c < 0x80) return out += char(c), true;
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static constexpr uint8_t kFirst[] = {0, 0xc0, 0xe0, 0xf0};
  out += char(kFirst[more] | c >> 6 * more);
  for (int i = more - 1; i >= 0; --i) out += char(0x80 | (c >> 6 * i & 0x3f));
  return true;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Maybe<std::vector<Token>> run() {
    std::vector<Token> out;
    while (skip_blank(), at_ < text_.size()) {
      Maybe<Token> token = next();
      if (!token) return std::unexpected(token.error());
      out.push_back(std::move(*token));
    }
    out.push_back({.at = text_.size()});
    return out;
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void skip_blank() {
    while (at_ < text_.size()) {
      if (text_.substr(at_).starts_with("//"))
        at_ = std::min(text_.find('\n', at_), text_.size());
      else if (std::string_view(" \t\r\n\f").contains(text_[at_]))
        ++at_;
      else
        return;
    }
  }

  Maybe<Token> next() {
    const char c = peek();
    const bool prefix = c == 'r' || c == 'R';
    if (c == '"' || c == '\'' || (prefix && (peek(1) == '"' || peek(1) == '\''))) return text(prefix);
    if (is_letter(c)) return word();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return figure();
    for (std::string_view sign : {"&&", "||", "==", "!=", "<=", ">="})
      if (text_.substr(at_).starts_with(sign)) return sign_of(2);
    if (std::string_view("<>+-*/%!?:.,()[]{}").contains(c)) return sign_of(1);
    return std::unexpected(Problem{at_, "Syntax error: token recognition error"});
  }

  Token sign_of(size_t size) {
    at_ += size;
    return {Token::Kind::Sign, at_ - size, text_.substr(at_ - size, size), {}};
  }

  Token word() {
    const size_t from = at_;
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    return {Token::Kind::Word, from, text_.substr(from, at_ - from), {}};
  }

  Maybe<Token> figure() {
    const size_t from = at_;
    const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
    if (hex) at_ += 2;
    bool fraction = false;
    while (is_digit(peek()) || (hex && std::isxdigit(static_cast<unsigned char>(peek())))) ++at_;
    if (!hex && peek() == '.' && is_digit(peek(1))) {
      fraction = true;
      do ++at_;
      while (is_digit(peek()));
    }
    if (const size_t sign = peek(1) == '-' || peek(1) == '+';
        !hex && (peek() == 'e' || peek() == 'E') && is_digit(peek(1 + sign))) {
      fraction = true;
      at_ += 1 + sign;
      while (is_digit(peek())) ++at_;
    }
    if (is_letter(peek()))
      return std::unexpected(Problem{from, "Syntax error: not a number this factory knows"});
    const std::string_view digits = text_.substr(hex ? from + 2 : from, at_ - from - (hex ? 2 : 0));
    const char* const end = digits.data() + digits.size();
    if (fraction) {
      double value = 0;
      if (std::from_chars(digits.data(), end, value).ec == std::errc{})
        return Token{Token::Kind::Literal, from, {}, Value(value)};
    } else {
      int64_t value = 0;
      const auto [stop, error] = std::from_chars(digits.data(), end, value, hex ? 16 : 10);
      if (error == std::errc{} && stop == end) return Token{Token::Kind::Literal, from, {}, Value(value)};
    }
    return std::unexpected(Problem{from, "Syntax error: number out of range"});
  }

  Maybe<Token> text(bool raw) {
    const size_t from = at_;
    if (raw) ++at_;
    const char quote = text_[at_++];
    std::string out;
    while (peek() != quote) {
      if (at_ >= text_.size() || peek() == '\n')
        return std::unexpected(Problem{from, "Syntax error: the text is not closed"});
      if (peek() != '\\' || raw) {
        out += text_[at_++];
      } else if (!escape(out)) {
        return std::unexpected(Problem{at_, "Syntax error: unknown escape in a text"});
      }
    }
    ++at_;
    return Token{Token::Kind::Literal, from, {}, Value(std::move(out))};
  }

  // At a backslash.
  bool escape(std::string& out) {
    static constexpr std::string_view kFrom = "abfnrtv\\'\"`?", kTo = "\a\b\f\n\r\t\v\\'\"`?";
    const char c = peek(1);
    if (const size_t known = kFrom.find(c); c != '\0' && known != kFrom.npos) {
      out += kTo[known];
      at_ += 2;
      return true;
    }
    const bool octal = c >= '0' && c <= '3';
    const size_t size = octal ? 3 : c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    const size_t from = at_ + (octal ? 1 : 2);
    if (size == 0 || from + size > text_.size()) return false;
    const auto code = number(text_.substr(from, size), octal ? 8 : 16);
    at_ = from + size;
    return code && put_utf8(out, *code);
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Maybe<std::vector<Token>> tokens(std::string_view text) { return Lexer(text).run(); }

}  // namespace ingot::cel
