#include "registry/bundle.h"

#include <fmt/format.h>

#include "api/json.h"
#include "base/encoding.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr size_t kLongestSignature = 1024, kLongestHint = 256;

std::unexpected<Error> wrong(std::string_view what) {
  return fail(Reason::Invalid, fmt::format("the bundle is not to be trusted: {}", what));
}

// Standard base64, as protobuf's JSON has it; writers may leave the padding out or use the other alphabet.
std::optional<std::string> bytes_of(std::string_view text) {
  if (auto plain = parse_base64(text)) return plain;
  while (text.ends_with('=')) text.remove_suffix(1);
  return parse_base64url(text);
}

}  // namespace

std::string pre_authentication(std::string_view payload) {
  return fmt::format("DSSEv1 {} {} {} {}", kInTotoType.size(), kInTotoType, payload.size(), payload);
}

std::string to_bundle(const Envelope& e) {
  return api::to_text(JsonObject{
      {"mediaType", kBundleType},
      {"verificationMaterial",
       JsonObject{{"publicKey", JsonObject{{"hint", e.hint}}}, {"tlogEntries", JsonArray{}}}},
      {"dsseEnvelope",
       JsonObject{{"payload", base64(e.payload)},
                  {"payloadType", kInTotoType},
                  {"signatures", JsonArray{JsonObject{{"sig", base64(e.signature)}, {"keyid", ""}}}}}}});
}

Result<Envelope> parse_bundle(std::string_view text) {
  if (text.size() > kLargestBundle) return wrong(fmt::format("it has more than {} bytes", kLargestBundle));
  const Result<Json> bundle = api::parse_json(text);
  if (!bundle) return wrong("it is no JSON: " + bundle.error().message);
  if (api::string_at(*bundle, {"mediaType"}) != kBundleType)
    return wrong(fmt::format("its mediaType is not {}", kBundleType));
  if (!api::find(*bundle, {"verificationMaterial", "publicKey"}))
    return wrong("it names no public key: only signatures with a key are read");
  const std::string_view hint = api::string_at(*bundle, {"verificationMaterial", "publicKey", "hint"});
  if (hint.size() > kLongestHint) return wrong("the hint of its key is too long");
  if (api::string_at(*bundle, {"dsseEnvelope", "payloadType"}) != kInTotoType)
    return wrong(fmt::format("its payloadType is not {}", kInTotoType));
  const JsonArray& signatures = api::array_at(*bundle, {"dsseEnvelope", "signatures"});
  if (signatures.size() != 1) return wrong(fmt::format("it has {} signatures, not one", signatures.size()));
  const auto payload = bytes_of(api::string_at(*bundle, {"dsseEnvelope", "payload"}));
  const auto signature = bytes_of(api::string_at(signatures[0], {"sig"}));
  if (!payload || payload->empty()) return wrong("its payload is no base64");
  if (!signature || signature->empty() || signature->size() > kLongestSignature)
    return wrong("its signature is no base64 of a signature");
  return Envelope{*payload, *signature, std::string(hint)};
}

}  // namespace ingot::registry
