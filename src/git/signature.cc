#include "git/signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/deleter.h"
#include "base/encoding.h"

namespace ingot::git {
namespace {

using Pkey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using HashContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;

constexpr std::string_view kMagic = "SSHSIG", kNamespace = "git";
constexpr std::string_view kBegin = "-----BEGIN SSH SIGNATURE-----", kEnd = "-----END SSH SIGNATURE-----";
constexpr int kLeastRsaBits = 2048, kMostRsaBits = 16384;

const unsigned char* data(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// SSH's way of writing texts one after another.
class Wire {
 public:
  explicit Wire(std::string_view bytes) : left_(bytes) {}
  std::optional<uint32_t> number() {
    if (left_.size() < 4) return std::nullopt;
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(left_[size_t(i)]);
    left_.remove_prefix(4);
    return value;
  }
  std::optional<std::string_view> text() {
    const auto size = number();
    if (!size || *size > left_.size()) return std::nullopt;
    const std::string_view out = left_.substr(0, *size);
    left_.remove_prefix(*size);
    return out;
  }
  bool skip(std::string_view exactly) {
    if (!left_.starts_with(exactly)) return false;
    left_.remove_prefix(exactly.size());
    return true;
  }
  bool over() const { return left_.empty(); }

 private:
  std::string_view left_;
};

std::string wire_text(std::string_view text) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += char(uint32_t(text.size()) >> shift & 0xff);
  return out += text;
}

std::string hashed(const EVP_MD* algorithm, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), out, &size, algorithm, nullptr) != 1) return {};
  return std::string(reinterpret_cast<const char*>(out), size);
}

Pkey from_params(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return Pkey(key);
}

struct Curve {
  std::string_view type, name;
  const char* group;
  const EVP_MD* (*hash)();
};
constexpr Curve kCurves[] = {{"ecdsa-sha2-nistp256", "nistp256", "P-256", EVP_sha256},
                             {"ecdsa-sha2-nistp384", "nistp384", "P-384", EVP_sha384},
                             {"ecdsa-sha2-nistp521", "nistp521", "P-521", EVP_sha512}};

Pkey rsa_key(Wire wire) {
  const auto e = wire.text(), n = wire.text();
  if (!e || !n || !wire.over() || n->size() > kMostRsaBits / 8 + 1 || e->size() > 8) return nullptr;
  const Number exponent(BN_bin2bn(data(*e), int(e->size()), nullptr));
  const Number modulus(BN_bin2bn(data(*n), int(n->size()), nullptr));
  if (!exponent || !modulus || BN_num_bits(modulus.get()) < kLeastRsaBits) return nullptr;
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return from_params("RSA", builder.get());
}

Pkey curve_key(Wire wire, const Curve& curve) {
  const auto name = wire.text(), point = wire.text();
  if (!name || !point || !wire.over() || *name != curve.name) return nullptr;
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point->data(), point->size());
  return from_params("EC", builder.get());
}

bool verified(EVP_PKEY* key, const EVP_MD* hash, std::string_view signature, std::string_view text) {
  const HashContext context(EVP_MD_CTX_new());
  return key && EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), data(signature), signature.size(), data(text), text.size()) == 1;
}

// From SSH's two numbers to what OpenSSL takes.
std::string der_of(std::string_view blob) {
  Wire wire(blob);
  const auto r = wire.text(), s = wire.text();
  if (!r || !s || !wire.over() || r->size() > 80 || s->size() > 80) return {};
  const std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>> both(ECDSA_SIG_new());
  if (!both || ECDSA_SIG_set0(both.get(), BN_bin2bn(data(*r), int(r->size()), nullptr),
                              BN_bin2bn(data(*s), int(s->size()), nullptr)) != 1)
    return {};
  unsigned char* out = nullptr;
  const int size = i2d_ECDSA_SIG(both.get(), &out);
  std::string der(reinterpret_cast<const char*>(out), size > 0 ? size_t(size) : 0);
  OPENSSL_free(out);
  return der;
}

bool good(std::string_view key_blob, std::string_view signature_blob, std::string_view text) {
  Wire key(key_blob), signature(signature_blob);
  const auto type = key.text(), algorithm = signature.text(), bytes = signature.text();
  if (!type || !algorithm || !bytes || !signature.over()) return false;
  if (*type == "ssh-ed25519" && *algorithm == *type) {
    const auto point = key.text();
    if (!point || !key.over() || point->size() != 32) return false;
    const Pkey made(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, data(*point), point->size()));
    return verified(made.get(), nullptr, *bytes, text);
  }
  if (*type == "ssh-rsa" && (*algorithm == "rsa-sha2-256" || *algorithm == "rsa-sha2-512"))
    return verified(rsa_key(key).get(), *algorithm == "rsa-sha2-256" ? EVP_sha256() : EVP_sha512(), *bytes,
                    text);
  for (const Curve& curve : kCurves)
    if (*type == curve.type && *algorithm == *type)
      return verified(curve_key(key, curve).get(), curve.hash(), der_of(*bytes), text);
  return false;
}

std::optional<std::string> unarmored(std::string_view signature) {
  while (!signature.empty() && (signature.back() == '\n' || signature.back() == ' '))
    signature.remove_suffix(1);
  if (!signature.starts_with(kBegin) || !signature.ends_with(kEnd)) return std::nullopt;
  std::string base;
  for (const char c : signature.substr(kBegin.size(), signature.size() - kBegin.size() - kEnd.size()))
    if (c != '\n' && c != '\r' && c != ' ') base += c;
  return parse_base64(base);
}

// The words of a line whose key is `blob`, or nothing.
std::optional<std::string> name_of(std::string_view line, std::string_view blob) {
  const std::string wanted = base64(blob);
  const size_t at = line.find(wanted);
  if (at == line.npos || at == 0 || line[at - 1] != ' ') return std::nullopt;
  const std::string_view behind = line.substr(at + wanted.size());
  if (!behind.empty() && behind.front() != ' ') return std::nullopt;
  const size_t first = line.find(' ');
  const std::string_view before = line.substr(0, first);
  if (before.starts_with("ssh-") || before.starts_with("ecdsa-"))
    return behind.empty() ? "a key without a name" : std::string(behind.substr(1));
  return std::string(before);
}

}  // namespace

std::expected<std::string, std::string> signed_by(std::span<const std::string> signers,
                                                  std::string_view signature, std::string_view text) {
  if (signature.empty()) return std::unexpected("the commit is not signed");
  if (signature.find("BEGIN PGP") != signature.npos)
    return std::unexpected(
        "the commit is signed with OpenPGP, which is not supported: sign with an SSH key "
        "(git config gpg.format ssh)");
  const auto blob = unarmored(signature);
  if (!blob) return std::unexpected("the commit's signature is none of SSH's");
  Wire wire(*blob);
  const bool magic = wire.skip(kMagic);
  const auto version = wire.number();
  const auto key = wire.text(), ns = wire.text(), reserved = wire.text(), hash = wire.text(),
             bytes = wire.text();
  if (!magic || version != 1 || !key || !ns || !reserved || !hash || !bytes || !wire.over())
    return std::unexpected("the commit's signature is broken");
  if (*ns != kNamespace)
    return std::unexpected("the commit's signature was made for something else than git");
  const EVP_MD* algorithm = *hash == "sha512" ? EVP_sha512() : *hash == "sha256" ? EVP_sha256() : nullptr;
  if (!algorithm) return std::unexpected("the commit's signature has an unknown hash");
  const std::string what = std::string(kMagic) + wire_text(*ns) + wire_text(*reserved) + wire_text(*hash) +
                           wire_text(hashed(algorithm, text));
  for (const std::string& signer : signers)
    if (const auto name = name_of(signer, *key))
      return good(*key, *bytes, what) ? std::expected<std::string, std::string>(*name)
                                      : std::unexpected("the commit's signature does not fit the commit");
  return std::unexpected("the commit is signed with a key that spec.allowedSigners does not have");
}

}  // namespace ingot::git
