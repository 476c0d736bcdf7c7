// ECDSA with SHA-256 on P-256 keys, signatures in DER, public keys as the PEM that `openssl pkey -pubout` writes. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "host/openssl.h"

namespace ingot::host {

std::string public_pem(EVP_PKEY*);
// Invalid: no PEM of a public key on P-256.
Result<PkeyPtr> parse_public_key(std::string_view pem);
// What bundles call a key: hexadecimal SHA-256 of its PEM as public_pem() writes it.
std::string key_hint(EVP_PKEY*);

Result<std::string> sign_ecdsa(EVP_PKEY*, std::string_view message);
bool verify_ecdsa(EVP_PKEY*, std::string_view message, std::string_view der);

}  // namespace ingot::host
