#include "base/encoding.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace ingot {
namespace {
constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view in, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  for (size_t i = 0; i < in.size(); i += 3) {
    const size_t left = in.size() - i;
    const uint32_t b = uint32_t(uint8_t(in[i])) << 16 | (left > 1 ? uint32_t(uint8_t(in[i + 1])) << 8 : 0) |
                       (left > 2 ? uint32_t(uint8_t(in[i + 2])) : 0);
    out += alphabet[b >> 18];
    out += alphabet[b >> 12 & 63];
    if (left > 1) out += alphabet[b >> 6 & 63];
    if (left > 2) out += alphabet[b & 63];
    if (pad)
      for (size_t n = left; n < 3; ++n) out += '=';
  }
  return out;
}

std::optional<std::string> decode(std::string_view in, std::string_view alphabet) {
  std::array<int8_t, 256> value;
  value.fill(-1);
  for (size_t i = 0; i < alphabet.size(); ++i) value[uint8_t(alphabet[i])] = int8_t(i);
  if (in.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(in.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (char c : in) {
    const int v = value[uint8_t(c)];
    if (v < 0) return std::nullopt;
    bits = bits << 6 | uint32_t(v);
    if ((count += 6) >= 8) out += char(bits >> (count -= 8) & 255);
  }
  if (bits & ((1u << count) - 1)) return std::nullopt;  // non-canonical trailing bits
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::string base64(std::string_view bytes) { return encode(bytes, kStandard, true); }
std::string base64url(std::string_view bytes) { return encode(bytes, kUrl, false); }

std::optional<std::string> parse_base64(std::string_view text) {
  if (text.size() % 4) return std::nullopt;
  for (int n = 0; n < 2 && text.ends_with('='); ++n) text.remove_suffix(1);
  return decode(text, kStandard);
}
std::optional<std::string> parse_base64url(std::string_view text) { return decode(text, kUrl); }

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    out += "0123456789abcdef"[uint8_t(c) >> 4];
    out += "0123456789abcdef"[uint8_t(c) & 15];
  }
  return out;
}

std::string sha256(std::string_view bytes) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
         reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += char(high << 4 | low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string name_suffix(uint64_t random, int length) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (int i = 0; i < length; ++i) {
    out += kAlphabet[random % kAlphabet.size()];
    random /= kAlphabet.size();
  }
  return out;
}

std::string uuid(uint64_t high, uint64_t low) {
  high = (high & ~0xf000ULL) | 0x4000ULL;
  low = (low & ~(0xc000ULL << 48)) | (0x8000ULL << 48);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff,
                     low >> 48, low & 0xffffffffffffULL);
}
}  // namespace ingot
