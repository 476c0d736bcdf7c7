#include "host/jws.h"

#include <openssl/ecdsa.h>

#include "base/assert.h"
#include "base/encoding.h"

namespace ingot::host {
namespace {

constexpr size_t kLongestToken = 16 * 1024;
constexpr size_t kHalf = 32;  // bytes of each of R and S on P-256

using SignaturePtr = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

std::string header(std::string_view kid) { return R"({"alg":"ES256","kid":")" + std::string(kid) + "\"}"; }

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// OpenSSL speaks DER, JWS the two numbers one after the other.
std::string der_to_raw(std::string_view der) {
  const unsigned char* at = bytes(der);
  SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &at, long(der.size())));
  ASSERT(signature != nullptr);
  std::string raw(2 * kHalf, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  ASSERT(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kHalf) == int(kHalf));
  ASSERT(BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kHalf, kHalf) == int(kHalf));
  return raw;
}

std::string raw_to_der(std::string_view raw) {
  SignaturePtr signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes(raw), kHalf, nullptr);
  BIGNUM* s = BN_bin2bn(bytes(raw) + kHalf, kHalf, nullptr);
  ASSERT(r && s && ECDSA_SIG_set0(signature.get(), r, s) == 1);
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  ASSERT(size > 0);
  std::string text(reinterpret_cast<char*>(der), size_t(size));
  OPENSSL_free(der);
  return text;
}

bool verifies(EVP_PKEY* key, std::string_view message, std::string_view raw) {
  if (raw.size() != 2 * kHalf) return false;
  const std::string der = raw_to_der(raw);
  MdContextPtr context(EVP_MD_CTX_new());
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), bytes(der), der.size(), bytes(message), message.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace

std::string key_id(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  ASSERT(size > 0);
  std::string id = base64url(sha256({reinterpret_cast<char*>(der), size_t(size)}));
  OPENSSL_free(der);
  return id;
}

std::string sign_es256(EVP_PKEY* key, std::string_view kid, std::string_view payload) {
  std::string message = base64url(header(kid)) + "." + base64url(payload);
  MdContextPtr context(EVP_MD_CTX_new());
  size_t size = size_t(EVP_PKEY_get_size(key));
  std::string der(size, '\0');
  ASSERT(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1);
  ASSERT(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytes(message),
                        message.size()) == 1);
  der.resize(size);
  return message + "." + base64url(der_to_raw(der));
}

Result<std::string> verify_es256(EVP_PKEY* key, std::string_view kid, std::string_view token) {
  const auto refuse = [] { return fail(Reason::Unauthorized, "invalid bearer token"); };
  const size_t first = token.find('.');
  const size_t last = token.rfind('.');
  if (token.size() > kLongestToken || first == token.npos || first == last) return refuse();
  // We sign with one header only, so nothing else can be ours: no algorithm to choose, no key to look up.
  if (token.substr(0, first) != base64url(header(kid))) return refuse();
  const auto signature = parse_base64url(token.substr(last + 1));
  if (!signature || !verifies(key, token.substr(0, last), *signature)) return refuse();
  auto payload = parse_base64url(token.substr(first + 1, last - first - 1));
  if (!payload) return refuse();
  return std::move(*payload);
}

}  // namespace ingot::host
