#include "host/certificate.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/assert.h"

namespace ingot::host {
namespace {

using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

BioPtr memory_bio(std::string_view text) { return BioPtr(BIO_new_mem_buf(text.data(), int(text.size()))); }

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, size_t(size));
}

bool add_entry(X509_NAME* name, const char* field, const std::string& value) {
  return value.empty() || X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                                     reinterpret_cast<const unsigned char*>(value.data()),
                                                     int(value.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_time(ASN1_TIME* field, WallTime at) {
  return ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(at)) != nullptr;
}

bool add_extensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
  using Use = CertificateSpec::Use;
  if (spec.use == Use::Authority) {
    return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
  }
  std::string names;
  for (const std::string& name : spec.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  for (const std::string& address : spec.addresses) names += (names.empty() ? "IP:" : ",IP:") + address;
  return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, issuer, NID_ext_key_usage,
                       spec.use == Use::Server ? "serverAuth" : "clientAuth") &&
         add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always") &&
         (names.empty() || add_extension(certificate, issuer, NID_subject_alt_name, names));
}

std::string entry_text(const X509_NAME_ENTRY* entry) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
  if (size < 0) return "";
  std::string text(reinterpret_cast<char*>(utf8), size_t(size));
  OPENSSL_free(utf8);
  return text;
}

std::vector<std::string> entries(const X509_NAME* name, int nid) {
  std::vector<std::string> found;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;)
    found.push_back(entry_text(X509_NAME_get_entry(name, i)));
  return found;
}

std::string address_text(const ASN1_OCTET_STRING* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(bytes->length == 4 ? AF_INET : AF_INET6, bytes->data, text, sizeof text);
  return text;
}

}  // namespace

PkeyPtr make_p256_key() {
  PkeyPtr key(EVP_EC_gen("P-256"));
  ASSERT(key != nullptr);
  return key;
}

Result<PkeyPtr> parse_key(std::string_view pem) {
  BioPtr bio = memory_bio(pem);
  PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return fail(Reason::InternalError, "not a private key in PEM form: " + openssl_error());
  return key;
}

Result<X509Ptr> parse_certificate(std::string_view pem) {
  BioPtr bio = memory_bio(pem);
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr)
    return fail(Reason::InternalError, "not a certificate in PEM form: " + openssl_error());
  return certificate;
}

std::string to_pem(EVP_PKEY* key) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  ASSERT(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return contents(bio.get());
}

std::string to_pem(X509* certificate) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  ASSERT(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return contents(bio.get());
}

Result<X509Ptr> make_certificate(const CertificateSpec& spec, EVP_PKEY* key, X509* issuer,
                                 EVP_PKEY* issuer_key) {
  X509Ptr made(X509_new());
  X509* certificate = made.get();
  X509_NAME* name = X509_get_subject_name(certificate);
  bool good = X509_set_version(certificate, X509_VERSION_3) == 1 &&
              ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), spec.serial) == 1 &&
              set_time(X509_getm_notBefore(certificate), spec.from) &&
              set_time(X509_getm_notAfter(certificate), spec.to) && X509_set_pubkey(certificate, key) == 1 &&
              add_entry(name, "CN", spec.common_name) && add_entry(name, "OU", spec.unit);
  for (const std::string& organization : spec.organizations)
    good = good && add_entry(name, "O", organization);
  good = good && X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name) == 1 &&
         add_extensions(certificate, issuer ? issuer : certificate, spec) &&
         X509_sign(certificate, issuer ? issuer_key : key, EVP_sha256()) > 0;
  if (!good)
    return fail(Reason::Invalid,
                "cannot make a certificate for \"" + spec.common_name + "\": " + openssl_error());
  return made;
}

WallTime not_after(const X509* certificate) {
  tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return WallTime{};
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

std::vector<std::string> alternative_names(const X509* certificate) {
  std::vector<std::string> found;
  GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS)
      found.emplace_back(reinterpret_cast<const char*>(name->d.dNSName->data),
                         size_t(name->d.dNSName->length));
    else if (name->type == GEN_IPADD)
      found.push_back(address_text(name->d.iPAddress));
  }
  std::ranges::sort(found);
  return found;
}

apiserver::PeerCertificate subject(const X509* certificate) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  const auto first = [](std::vector<std::string> values) {
    return values.empty() ? "" : std::move(values[0]);
  };
  return {.common_name = first(entries(name, NID_commonName)),
          .organizations = entries(name, NID_organizationName),
          .unit = first(entries(name, NID_organizationalUnitName))};
}

}  // namespace ingot::host
