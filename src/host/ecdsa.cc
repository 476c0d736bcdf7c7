#include "host/ecdsa.h"

#include <openssl/core_names.h>

#include "base/assert.h"
#include "base/encoding.h"

namespace ingot::host {
namespace {

constexpr size_t kLongestPem = 64 * 1024;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

bool on_p256(EVP_PKEY* key) {
  char group[32] = {};
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, nullptr) == 1 &&
         std::string_view(group) == "prime256v1";
}

}  // namespace

std::string public_pem(EVP_PKEY* key) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  ASSERT(bio && PEM_write_bio_PUBKEY(bio.get(), key) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, size_t(size)};
}

Result<PkeyPtr> parse_public_key(std::string_view pem) {
  if (pem.size() > kLongestPem) return fail(Reason::Invalid, "not a public key in PEM form: too long");
  BioPtr bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
  PkeyPtr key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return fail(Reason::Invalid, "not a public key in PEM form: " + openssl_error());
  if (!on_p256(key.get())) {
    ERR_clear_error();
    return fail(Reason::Invalid, "not a key on P-256, which alone signs here");
  }
  return key;
}

std::string key_hint(EVP_PKEY* key) { return hex(sha256(public_pem(key))); }

Result<std::string> sign_ecdsa(EVP_PKEY* key, std::string_view message) {
  MdContextPtr context(EVP_MD_CTX_new());
  size_t size = size_t(EVP_PKEY_get_size(key));
  std::string der(size, '\0');
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytes(message),
                     message.size()) != 1)
    return fail(Reason::InternalError, "cannot sign: " + openssl_error());
  der.resize(size);
  return der;
}

bool verify_ecdsa(EVP_PKEY* key, std::string_view message, std::string_view der) {
  MdContextPtr context(EVP_MD_CTX_new());
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), bytes(der), der.size(), bytes(message), message.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace ingot::host
