#include <algorithm>

#include "expr/go_text.h"

namespace ingot::expr {
namespace {

// The character at `i`, which moves past it; a byte that is no UTF-8 is itself.
uint32_t next(std::string_view text, size_t& i) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char c = byte(i);
  const size_t more = c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
  if (c < 0xc0 || c >= 0xf8 || i + more >= text.size()) return ++i, c < 0x80 ? c : 0xdc00u + c;
  uint32_t character = c & (0x3f >> more);
  for (size_t k = 1; k <= more; ++k) {
    if ((byte(i + k) & 0xc0) != 0x80) return ++i, 0xdc00u + c;
    character = character << 6 | (byte(i + k) & 0x3f);
  }
  i += more + 1;
  return character;
}

uint32_t upper_of(uint32_t c) {
  if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7) ||
      (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f))
    return c - 32;
  if (c == 0xff) return 0x178;
  if (c >= 0x450 && c <= 0x45f) return c - 80;
  const bool even =
      (c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481);
  const bool odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
  return (even && c % 2) || (odd && c % 2 == 0) ? c - 1 : c;
}
uint32_t lower_of(uint32_t c) {
  if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
      (c >= 0x410 && c <= 0x42f))
    return c + 32;
  if (c == 0x178) return 0xff;
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  const bool even =
      (c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481);
  const bool odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
  return (even && c % 2 == 0) || (odd && c % 2) ? c + 1 : c;
}

template <uint32_t (*Of)(uint32_t)>
std::string mapped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t from = i;
    const uint32_t c = next(text, i);
    if (const uint32_t other = Of(c); other != c)
      put_utf8(out, other);
    else
      out += text.substr(from, i - from);
  }
  return out;
}

}  // namespace

size_t characters(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) next(text, i);
  return count;
}

void put_utf8(std::string& out, uint32_t c) {
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
  if (c < 0x80) {
    out += char(c);
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static constexpr uint8_t kFirst[] = {0, 0xc0, 0xe0, 0xf0};
  out += char(kFirst[more] | c >> 6 * more);
  for (int i = more - 1; i >= 0; --i) out += char(0x80 | (c >> 6 * i & 0x3f));
}

std::string upper(std::string_view text) { return mapped<upper_of>(text); }
std::string lower(std::string_view text) { return mapped<lower_of>(text); }

std::string_view trimmed(std::string_view text, std::string_view of) {
  const size_t from = text.find_first_not_of(of);
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(of) - from + 1);
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, int64_t n) {
  std::vector<std::string_view> parts;
  if (n == 0) return parts;
  if (separator.empty()) {
    for (size_t i = 0; i < text.size();) {
      const size_t from = i;
      next(text, i);
      if (n > 0 && int64_t(parts.size()) == n - 1) i = text.size();
      parts.push_back(text.substr(from, i - from));
    }
    return parts;
  }
  for (;;) {
    const size_t at = n > 0 && int64_t(parts.size()) == n - 1 ? text.npos : text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == text.npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

}  // namespace ingot::expr
