#include "expr/lexer.h"

#include <algorithm>
#include <charconv>

#include "expr/go_text.h"

namespace ingot::expr {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Letters beyond ASCII may be in names: all of them.
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (c & 0x80) != 0;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::expected<std::vector<Token>, Problem> run() {
    std::vector<Token> out;
    for (;;) {
      if (!skip_blank()) return std::unexpected(Problem{at_, "the comment is not closed"});
      if (at_ >= text_.size()) break;
      auto token = next();
      if (!token) return std::unexpected(std::move(token.error()));
      out.push_back(*std::move(token));
    }
    out.push_back({.at = text_.size()});
    return out;
  }

 private:
  using One = std::expected<Token, Problem>;
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  One fault(size_t at, std::string message) const { return std::unexpected(Problem{at, std::move(message)}); }

  bool skip_blank() {
    while (at_ < text_.size()) {
      if (text_.substr(at_).starts_with("//")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (text_.substr(at_).starts_with("/*")) {
        const size_t end = text_.find("*/", at_ + 2);
        if (end == text_.npos) return false;
        at_ = end + 2;
      } else if (std::string_view(" \t\r\n\f\v").contains(text_[at_])) {
        ++at_;
      } else {
        return true;
      }
    }
    return true;
  }

  One next() {
    const char c = peek();
    if (c == '\'' || c == '"') return text();
    if (c == '`') return raw_text();
    if ((c == 'b' || c == 'B') && (peek(1) == '\'' || peek(1) == '"'))
      return fault(at_, "bytes (b\"…\") are not implemented");
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (is_letter(c)) return word();
    for (const std::string_view sign : {"?.", "??", "::", "||", "&&", "==", "!=", "<=", ">=", "**", ".."})
      if (text_.substr(at_).starts_with(sign)) return sign_of(2);
    if (std::string_view("()[]{},;%+-^*/<>!?:.|#=").contains(c)) return sign_of(1);
    return fault(at_, "unrecognized character");
  }

  Token sign_of(size_t size) {
    at_ += size;
    return {Token::Kind::Sign, at_ - size, text_.substr(at_ - size, size), {}};
  }

  Token word() {
    static constexpr std::string_view kSigns[] = {
        "not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"};
    const size_t from = at_;
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    const std::string_view text = text_.substr(from, at_ - from);
    return {includes(kSigns, text) ? Token::Kind::Sign : Token::Kind::Word, from, text, {}};
  }

  One number() {
    const size_t from = at_;
    const char kind = peek() == '0' ? char(peek(1) | 0x20) : '\0';
    const int base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    std::string digits;
    if (base != 10) at_ += 2;
    const auto run = [&] {
      for (; is_digit(peek()) || peek() == '_' ||
             (base == 16 && std::isxdigit(static_cast<unsigned char>(peek())));
           ++at_)
        if (peek() != '_') digits += peek();
    };
    run();
    bool fraction = false;
    if (base == 10 && peek() == '.' && peek(1) != '.') {
      fraction = true;
      digits += text_[at_++];
      run();
    }
    if (base == 10 && (peek() == 'e' || peek() == 'E')) {
      fraction = true;
      digits += text_[at_++];
      if (peek() == '+' || peek() == '-') digits += text_[at_++];
      run();
    }
    if (is_letter(peek())) return fault(from, "bad number");
    Token token{Token::Kind::Literal, from, text_.substr(from, at_ - from), {}};
    if (fraction) {
      const auto d = parsed_float(digits);
      if (!d) return fault(from, "bad number");
      token.value = make(Json(*d));
    } else {
      int64_t n = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n, base);
      if (error != std::errc{} || end != digits.data() + digits.size()) return fault(from, "bad number");
      token.value = make(Json(n));
    }
    return token;
  }

  One text() {
    const size_t from = at_;
    const char quote = text_[at_++];
    std::string out;
    while (peek() != quote) {
      if (at_ >= text_.size() || peek() == '\n') return fault(from, "the text is not closed");
      if (peek() != '\\')
        out += text_[at_++];
      else if (!escape(quote, out))
        return fault(at_, "unknown escape in a text");
    }
    ++at_;
    return Token{Token::Kind::Literal, from, text_.substr(from, at_ - from), make(expr::text(out))};
  }

  // Two backquotes are one.
  One raw_text() {
    const size_t from = at_++;
    std::string out;
    while (peek() != '`' || peek(1) == '`') {
      if (at_ >= text_.size()) return fault(from, "the text is not closed");
      if (peek() == '`') ++at_;
      out += text_[at_++];
    }
    ++at_;
    return Token{Token::Kind::Literal, from, text_.substr(from, at_ - from), make(expr::text(out))};
  }

  // At a backslash.
  bool escape(char quote, std::string& out) {
    static constexpr std::string_view kFrom = "abfnrtv\\", kTo = "\a\b\f\n\r\t\v\\";
    const char c = peek(1);
    if (const size_t known = kFrom.find(c); c != '\0' && (known != kFrom.npos || c == quote)) {
      out += c == quote ? quote : kTo[known];
      at_ += 2;
      return true;
    }
    const bool octal = c >= '0' && c <= '3', braces = c == 'u' && peek(2) == '{';
    size_t from = at_ + (octal ? 1 : braces ? 3 : 2);
    size_t size = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (braces) size = std::min(text_.find('}', from), text_.size()) - from;
    const std::string_view digits = text_.substr(std::min(from, text_.size()), size);
    uint32_t code = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, octal ? 8 : 16);
    if (digits.empty() || (digits.size() < size && !braces) || error != std::errc{} ||
        end != digits.data() + digits.size())
      return false;
    at_ = from + size + braces;
    if (octal || c == 'x')
      out += char(code);
    else
      put_utf8(out, code);
    return at_ <= text_.size();
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::expected<std::vector<Token>, Problem> tokens(std::string_view text) { return Lexer(text).run(); }

}  // namespace ingot::expr
