// Bytes to text and back, and digests. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingot {

std::string base64(std::string_view bytes);
std::string base64url(std::string_view bytes);                      // no padding, as in JWT
std::optional<std::string> parse_base64(std::string_view text);     // standard alphabet, padded
std::optional<std::string> parse_base64url(std::string_view text);  // unpadded
std::string hex(std::string_view bytes);

std::string sha256(std::string_view bytes);                        // 32 raw bytes
bool equal_constant_time(std::string_view a, std::string_view b);  // secrets are compared with nothing else

// %XX decoding of a URL path segment or query value; '+' means space only where `plus_is_space`.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// Deterministic text of `length` characters from [a-z0-9] without vowels and look-alikes, as generateName uses
// (apimachinery: util/rand "bcdfghjklmnpqrstvwxz2456789").
std::string name_suffix(uint64_t random, int length);
// RFC 9562 version 4 from 128 random bits.
std::string uuid(uint64_t high, uint64_t low);

}  // namespace ingot
