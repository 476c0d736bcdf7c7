#include <set>

#include "api/names.h"
#include "api/validate.h"

namespace ingot::api {

void validate_namespace(const Subject& s) {
  const JsonArray& finalizers = array_at(s.object, {"spec", "finalizers"});
  for (size_t i = 0; i < finalizers.size(); ++i) {
    const std::string_view name = text(finalizers[i]);
    s.errors.check(item("spec.finalizers", i), name, qualified_name_fault(name));
    if (name.find('/') == name.npos && name != "kubernetes")
      s.errors.invalid(item("spec.finalizers", i), finalizers[i],
                       "name is neither a standard finalizer name nor is it fully qualified");
  }
}

void validate_node(const Subject& s) {
  const JsonArray& taints = array_at(s.object, {"spec", "taints"});
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (size_t i = 0; i < taints.size(); ++i) {
    const std::string at = item("spec.taints", i);
    const std::string_view key = string_at(taints[i], {"key"}), value = string_at(taints[i], {"value"});
    s.errors.check(child(at, "key"), key, qualified_name_fault(key));
    s.errors.check(child(at, "value"), value, label_value_fault(value));
    if (string_at(taints[i], {"effect"}).empty()) s.errors.required(child(at, "effect"));
    if (!seen.emplace(key, string_at(taints[i], {"effect"})).second) s.errors.duplicate(at, taints[i]);
  }
  for (std::string_view field : {"capacity", "allocatable"})
    if (const Json* map = find(s.object, {"status", field}))
      quantities(*map, child("status", field), s.errors);
}

void validate_lease(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  at_least(*spec, "leaseDurationSeconds", 1, "spec", s.errors);
  at_least(*spec, "leaseTransitions", 0, "spec", s.errors);
  if (const Json* holder = find(*spec, {"holderIdentity"}); holder && text(*holder).empty() && !s.before)
    s.errors.invalid("spec.holderIdentity", "", "must not be empty");
}

void validate_priority_class(const Subject& s) {
  constexpr int64_t kHighestUser = 1'000'000'000;
  const int64_t value = int_at(s.object, {"value"}).value_or(0);
  const std::string_view name = string_at(s.object, {"metadata", "name"});
  if (name.starts_with("system-") && name != "system-node-critical" && name != "system-cluster-critical")
    s.errors.forbidden("metadata.name",
                       "priority class names with 'system-' prefix are reserved for system use only");
  if (!name.starts_with("system-") && value > kHighestUser)
    s.errors.forbidden("value", "maximum allowed value of a user defined priority is 1000000000");
  if (!s.before) return;
  if (value != int_at(*s.before, {"value"}).value_or(0))
    s.errors.forbidden("value", "may not be changed in an update.");
  immutable(s, {"preemptionPolicy"});
}

void validate_event(const Subject& s) {
  const std::string_view ns = string_at(s.object, {"metadata", "namespace"});
  const std::string_view about = string_at(s.object, {"involvedObject", "namespace"});
  // Events about cluster-scoped objects lie in `default`.
  if (!ns.empty() && (about.empty() ? ns != "default" : ns != about))
    s.errors.invalid("involvedObject.namespace", Json(std::string(about)), "does not match event.namespace");
}

}  // namespace ingot::api
