// JSON Web Signatures, compact form, ES256 only (RFC 7515, RFC 7518 §3.4). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "host/openssl.h"

namespace ingot::host {

// The key's id: unpadded base64url of SHA-256 of its public half (DER).
std::string key_id(EVP_PKEY*);

std::string sign_es256(EVP_PKEY*, std::string_view kid, std::string_view payload);
// The payload, if `token` was signed by this key with exactly this algorithm and key id; Unauthorized otherwise.
Result<std::string> verify_es256(EVP_PKEY*, std::string_view kid, std::string_view token);

}  // namespace ingot::host
