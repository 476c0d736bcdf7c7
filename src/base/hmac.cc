#include "base/hmac.h"

#include "base/encoding.h"

namespace ingot {
namespace {
constexpr size_t kBlock = 64;

std::string padded(std::string_view key, char with) {
  std::string block(key.size() > kBlock ? sha256(key) : std::string(key));
  block.resize(kBlock, '\0');
  for (char& c : block) c = char(c ^ with);
  return block;
}
}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  return sha256(padded(key, 0x5c) + sha256(padded(key, 0x36).append(bytes)));
}

}  // namespace ingot
