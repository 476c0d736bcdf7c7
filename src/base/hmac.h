// HMAC with SHA-256 (RFC 2104). Any thread.
#pragma once

#include <string>
#include <string_view>

namespace ingot {

std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 raw bytes

}  // namespace ingot
