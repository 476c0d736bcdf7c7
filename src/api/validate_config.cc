#include "api/names.h"
#include "api/validate.h"
#include "base/encoding.h"

namespace ingot::api {
namespace {

constexpr size_t kMaxData = 1u << 20;  // bytes, of all values together

void frozen(const Subject& s, std::initializer_list<std::string_view> fields) {
  if (!s.before || !bool_at(*s.before, {"immutable"})) return;
  const Json* now = find(s.object, {"immutable"});
  if (!now || *now != true) s.errors.forbidden("immutable", "field is immutable when `immutable` is set");
  for (std::string_view field : fields)
    if (!same(find(s.object, {field}), find(*s.before, {field})))
      s.errors.forbidden(std::string(field), "field is immutable when `immutable` is set");
}

size_t decoded_size(std::string_view base64) {
  size_t size = base64.size() / 4 * 3;
  for (size_t i = 0; i < 2 && base64.ends_with('='); ++i, base64.remove_suffix(1)) --size;
  return size;
}

size_t keys(const Json* map, std::string_view field, bool is_base64, FieldErrors& errors) {
  size_t bytes = 0;
  if (!map) return 0;
  for (const auto& [key, value] : object_of(*map)) {
    const std::string_view name(key.data(), key.size());
    if (std::string fault = config_key_fault(name); !fault.empty())
      errors.invalid(entry(field, name), Json(std::string(name)), fault);
    bytes += is_base64 ? decoded_size(text(value)) : text(value).size();
  }
  return bytes;
}

void required_key(const Subject& s, std::string_view key) {
  if (!find(s.object, {"data", key})) s.errors.required(entry("data", key));
}

}  // namespace

void validate_config_map(const Subject& s) {
  const Json *data = find(s.object, {"data"}), *binary = find(s.object, {"binaryData"});
  const size_t bytes = keys(data, "data", false, s.errors) + keys(binary, "binaryData", true, s.errors);
  if (data && binary)
    for (const auto& member : object_of(*binary))
      if (object_of(*data).contains(member.key()))
        s.errors.invalid(entry("data", {member.key().data(), member.key().size()}),
                         Json(std::string(member.key().data(), member.key().size())),
                         "duplicate of key present in binaryData");
  if (bytes > kMaxData) s.errors.too_long("", kMaxData);
  frozen(s, {"data", "binaryData"});
}

void validate_secret(const Subject& s) {
  const size_t bytes = keys(find(s.object, {"data"}), "data", true, s.errors);
  if (bytes > kMaxData) s.errors.too_long("data", kMaxData);
  const std::string_view type = string_at(s.object, {"type"});
  if (type == "kubernetes.io/service-account-token" &&
      string_at(s.object, {"metadata", "annotations", "kubernetes.io/service-account.name"}).empty())
    s.errors.required("metadata.annotations[kubernetes.io/service-account.name]");
  if (type == "kubernetes.io/dockerconfigjson") required_key(s, ".dockerconfigjson");
  if (type == "kubernetes.io/dockercfg") required_key(s, ".dockercfg");
  if (type == "kubernetes.io/tls") required_key(s, "tls.crt"), required_key(s, "tls.key");
  if (type == "kubernetes.io/ssh-auth") required_key(s, "ssh-privatekey");
  if (s.before) immutable(s, {"type"});
  frozen(s, {"data"});
}

}  // namespace ingot::api
