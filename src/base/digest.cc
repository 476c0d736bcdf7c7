#include "base/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/assert.h"
#include "base/encoding.h"

namespace ingot {
namespace {

int value_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() { restart(); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void restart() const { ASSERT(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
};

Result<Digest> Digest::parse(std::string_view text) {
  if (!text.starts_with(kPrefix))
    return fail(Reason::Invalid, fmt::format("\"{}\" is no digest: it must be \"sha256:\" and 64 lower-case "
                                             "hexadecimal digits",
                                             text.substr(0, 80)));
  return parse_hex(text.substr(kPrefix.size()));
}

Result<Digest> Digest::parse_hex(std::string_view hex) {
  Digest digest;
  bool good = hex.size() == 2 * digest.bytes_.size();
  for (size_t i = 0; good && i < digest.bytes_.size(); ++i) {
    const int high = value_of(hex[2 * i]), low = value_of(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    digest.bytes_[i] = uint8_t((high & 15) << 4 | (low & 15));
  }
  if (good) return digest;
  return fail(Reason::Invalid, fmt::format("\"sha256:{}\" is no digest: it must be \"sha256:\" and 64 "
                                           "lower-case hexadecimal digits",
                                           hex.substr(0, 80)));
}

Digest Digest::of(std::string_view bytes) {
  const std::string raw = sha256(bytes);
  Digest digest;
  std::ranges::copy(raw, reinterpret_cast<char*>(digest.bytes_.data()));
  return digest;
}

std::string Digest::hex() const {
  return ingot::hex({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()});
}

std::string Digest::text() const { return std::string(kPrefix) + hex(); }

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(std::string_view bytes) {
  ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
  Digest digest;
  unsigned size = 0;
  ASSERT(EVP_DigestFinal_ex(state_->context, digest.bytes_.data(), &size) == 1);
  ASSERT(size == digest.bytes_.size());
  state_->restart();
  return digest;
}

}  // namespace ingot
