#include "apiserver/device_admission.h"

#include "api/field_errors.h"
#include "cel/program.h"

namespace ingot::apiserver {
namespace {
using api::child;
using api::item;
using api::Json;

void selectors(const Json& holder, const std::string& path, api::FieldErrors& errors) {
  const api::JsonArray& list = api::array_at(holder, {"selectors"});
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string_view text = api::string_at(list[i], {"cel", "expression"});
    if (const auto program = cel::Program::compile(text); !program)
      errors.invalid(child(item(child(path, "selectors"), i), "cel.expression"), Json(std::string(text)),
                     program.error());
  }
}

void claim(const Json* spec, const std::string& path, api::FieldErrors& errors) {
  if (!spec) return;
  const api::JsonArray& requests = api::array_at(*spec, {"devices", "requests"});
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::string at = item(child(path, "devices.requests"), i);
    if (const Json* exactly = api::find(requests[i], {"exactly"}))
      selectors(*exactly, child(at, "exactly"), errors);
    const api::JsonArray& choices = api::array_at(requests[i], {"firstAvailable"});
    for (size_t k = 0; k < choices.size(); ++k)
      selectors(choices[k], item(child(at, "firstAvailable"), k), errors);
  }
}
}  // namespace

Result<void> check_selectors(const api::Resource& type, const Json& object, const Json* before) {
  if (type.group != "resource.k8s.io") return {};
  const Json *spec = api::find(object, {"spec"}), *was = before ? api::find(*before, {"spec"}) : nullptr;
  if (!spec || (was && *was == *spec)) return {};
  api::FieldErrors errors;
  if (type.kind == "DeviceClass") selectors(*spec, "spec", errors);
  if (type.kind == "ResourceClaim") claim(spec, "spec", errors);
  if (type.kind == "ResourceClaimTemplate") claim(api::find(*spec, {"spec"}), "spec.spec", errors);
  return errors.finish(type.group, type.kind, api::string_at(object, {"metadata", "name"}));
}

}  // namespace ingot::apiserver
