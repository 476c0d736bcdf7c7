// Signed statements as sigstore writes them down: a DSSE envelope in a bundle, v0.3, with a public key's hint and nothing
// that names a service. Pure; any thread. What is read may be anybody's: sizes are bounded, and there is one way to be right.
//
// Facts: secure-systems-lab/dsse (protocol.md), sigstore/protobuf-specs (sigstore_bundle.proto).
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot::registry {

inline constexpr std::string_view kBundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
inline constexpr std::string_view kInTotoType = "application/vnd.in-toto+json";
inline constexpr size_t kLargestBundle = 64u << 20;

struct Envelope {
  std::string payload;    // of type kInTotoType
  std::string signature;  // ECDSA, DER
  std::string hint;       // hexadecimal SHA-256 of the public key's PEM; brought bundles may have none
};

// What is signed: DSSE's pre-authentication encoding of an in-toto payload.
std::string pre_authentication(std::string_view payload);

std::string to_bundle(const Envelope&);
// Invalid, with what is wrong: too large, no JSON, another media or payload type, not exactly one signature.
Result<Envelope> parse_bundle(std::string_view text);

}  // namespace ingot::registry
