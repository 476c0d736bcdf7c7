#include "api/validate.h"

#include <algorithm>

namespace ingot::api {
namespace {

using Rule = void (*)(const Subject&);
struct Row {
  std::string_view group, kind;
  Rule rule;
};
constexpr std::string_view kRbac = "rbac.authorization.k8s.io", kFactory = "factory.ingot.dev",
                           kDevices = "resource.k8s.io";
constexpr Row kRules[] = {
    {"", "ConfigMap", validate_config_map},
    {"", "Event", validate_event},
    {"", "Namespace", validate_namespace},
    {"", "Node", validate_node},
    {"", "Pod", validate_pod},
    {"", "Secret", validate_secret},
    {"batch", "Job", validate_job},
    {"coordination.k8s.io", "Lease", validate_lease},
    {"scheduling.k8s.io", "PriorityClass", validate_priority_class},
    {"scheduling.x-k8s.io", "PodGroup", validate_pod_group},
    {kRbac, "ClusterRole", validate_role},
    {kRbac, "ClusterRoleBinding", validate_binding},
    {kRbac, "Role", validate_role},
    {kRbac, "RoleBinding", validate_binding},
    {kDevices, "DeviceClass", validate_device_class},
    {kDevices, "ResourceClaim", validate_resource_claim},
    {kDevices, "ResourceClaimTemplate", validate_resource_claim_template},
    {kFactory, "Allocation", validate_allocation},
    {kFactory, "Budget", validate_budget},
    {kFactory, "Dataset", validate_dataset},
    {kFactory, "DatasetVersion", validate_dataset_version},
    {kFactory, "Gate", validate_gate},
    {kFactory, "GateException", validate_gate_exception},
    {kFactory, "Image", validate_image},
    {kFactory, "ImageScan", validate_image_scan},
    {kFactory, "Model", validate_model},
    {kFactory, "ModelVersion", validate_model_version},
    {kFactory, "Pool", validate_pool},
    {kFactory, "PriceList", validate_price_list},
    {kFactory, "Queue", validate_queue},
    {kFactory, "Repository", validate_repository},
    {kFactory, "Tenant", validate_tenant},
    {kFactory, "Webhook", validate_webhook},
};

// Required fields and enums as the facts say. `status` is the server's own and left alone, as upstream does.
class Facts {
 public:
  explicit Facts(FieldErrors& errors) : errors_(errors) {}

  void object(const Schema& schema, const JsonObject& object, const std::string& path) {
    if (!schema.has_rules) return;
    for (const Field& field : schema.fields) {
      if (path.empty() && (field.name == "status" || field.name == "metadata")) continue;
      const Json* value = object.if_contains(field.name);
      if (!value) {
        if (field.required && demanded(field) && !errors_.has(child(path, field.name)))
          errors_.required(child(path, field.name));
        continue;
      }
      if (!field.enum_values.empty() || (field.schema && field.schema->has_rules))
        below(field, *value, child(path, field.name));
    }
  }

 private:
  // Go's zero is a good number and a good bool; text, objects and lists must be there.
  static bool demanded(const Field& field) {
    return field.shape == Shape::String || field.shape == Shape::Object || field.wrap != Wrap::One;
  }
  void below(const Field& field, const Json& value, const std::string& path) {
    if (field.wrap == Wrap::List && value.is_array()) {
      const JsonArray& list = value.get_array();
      for (size_t i = 0; i < list.size(); ++i) one(field, list[i], item(path, i));
    } else if (field.wrap == Wrap::Map && value.is_object()) {
      for (const auto& member : value.get_object())
        one(field, member.value(), entry(path, {member.key().data(), member.key().size()}));
    } else {
      one(field, value, path);
    }
  }
  void one(const Field& field, const Json& value, const std::string& path) {
    if (field.schema && value.is_object()) return object(*field.schema, value.get_object(), path);
    if (field.enum_values.empty() || text(value).empty()) return;
    if (std::ranges::find(field.enum_values, text(value)) == field.enum_values.end() && !errors_.has(path))
      errors_.unsupported(path, text(value), field.enum_values);
  }
  FieldErrors& errors_;
};

}  // namespace

std::string_view text(const Json& value) {
  return value.is_string() ? std::string_view(value.get_string().data(), value.get_string().size())
                           : std::string_view();
}
std::string_view text_at(const JsonObject& object, std::string_view name) {
  const Json* value = object.if_contains(name);
  return value ? text(*value) : std::string_view();
}
const JsonObject& object_of(const Json& value) {
  static const JsonObject kEmpty;
  return value.is_object() ? value.get_object() : kEmpty;
}
bool is_absent(const Json* value) {
  if (!value || value->is_null()) return true;
  if (value->is_string()) return value->get_string().empty();
  if (value->is_array()) return value->get_array().empty();
  return value->is_object() && value->get_object().empty();
}

void immutable(const Subject& s, std::initializer_list<std::string_view> path) {
  if (!s.before) return;
  const Json *now = find(s.object, path), *was = find(*s.before, path);
  if (is_absent(now) && is_absent(was)) return;
  if (now && was && same(*now, *was)) return;
  std::string name;
  for (std::string_view step : path) name = child(name, step);
  s.errors.invalid(name, now ? *now : Json(nullptr), "field is immutable");
}

Result<void> validate(const Resource& resource, const Json& object, const Json* before) {
  FieldErrors errors;
  const Subject subject{resource, object, before, errors};
  validate_metadata(subject);
  for (const Row& row : kRules)
    if (row.kind == resource.kind && row.group == resource.group) row.rule(subject);
  Facts(errors).object(*resource.schema, object_of(object), {});
  if (errors.empty()) return {};
  std::string_view name = string_at(object, {"metadata", "name"});
  if (name.empty()) name = string_at(object, {"metadata", "generateName"});
  return errors.finish(resource.group, resource.kind, name);
}

}  // namespace ingot::api
