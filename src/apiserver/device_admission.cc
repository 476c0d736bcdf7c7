#include "apiserver/device_admission.h"

#include <fmt/format.h>

#include <initializer_list>

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

std::vector<std::string> ignored_of_devices(const api::Resource& type, const Json& object,
                                            const Json* before) {
  struct Ignored {
    std::string_view kind, field;
    std::initializer_list<std::string_view> path;
    std::string_view why;
  };
  static constexpr std::string_view kConfig =
      "a device is set up as its Allocation says, and nothing reads parameters";
  static constexpr std::string_view kExtended =
      "it makes no resource that containers can ask for; name the class in a ResourceClaim";
  static const Ignored kIgnored[] = {
      {"DeviceClass", "spec.config", {"spec", "config"}, kConfig},
      {"DeviceClass", "spec.extendedResourceName", {"spec", "extendedResourceName"}, kExtended},
      {"ResourceClaim", "spec.devices.config", {"spec", "devices", "config"}, kConfig},
      {"ResourceClaimTemplate", "spec.spec.devices.config", {"spec", "spec", "devices", "config"}, kConfig},
  };
  std::vector<std::string> out;
  if (type.group != "resource.k8s.io") return out;
  for (const Ignored& one : kIgnored) {
    const Json *now = one.kind == type.kind ? api::find(object, one.path) : nullptr,
               *was = before ? api::find(*before, one.path) : nullptr;
    const bool empty = !now || (now->is_array() && now->get_array().empty());
    if (!empty && !(was && api::same(*was, *now)))
      out.push_back(fmt::format("{} is ignored: {}", one.field, one.why));
  }
  return out;
}

}  // namespace ingot::apiserver
