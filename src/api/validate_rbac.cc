#include "api/names.h"
#include "api/validate.h"

namespace ingot::api {
namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";

void rule(const Json& value, bool namespaced, const std::string& at, FieldErrors& errors) {
  auto none = [&](std::string_view field) { return array_at(value, {field}).empty(); };
  if (none("verbs")) errors.required(child(at, "verbs"), "verbs must contain at least one value");
  if (!none("nonResourceURLs")) {
    if (namespaced)
      errors.invalid(child(at, "nonResourceURLs"), *find(value, {"nonResourceURLs"}),
                     "namespaced rules cannot apply to non-resource URLs");
    if (!none("apiGroups") || !none("resources") || !none("resourceNames"))
      errors.invalid(child(at, "nonResourceURLs"), *find(value, {"nonResourceURLs"}),
                     "rules cannot apply to both regular resources and non-resource URLs");
    return;
  }
  if (none("apiGroups"))
    errors.required(child(at, "apiGroups"), "resource rules must supply at least one api group");
  if (none("resources"))
    errors.required(child(at, "resources"), "resource rules must supply at least one resource");
}

void subject(const Json& value, bool namespaced, const std::string& at, FieldErrors& errors) {
  const std::string_view kind = string_at(value, {"kind"}), name = string_at(value, {"name"});
  const std::string_view group = string_at(value, {"apiGroup"});
  if (name.empty()) errors.required(child(at, "name"));
  if (kind == "ServiceAccount") {
    if (!name.empty()) errors.check(child(at, "name"), name, dns_subdomain_fault(name));
    if (!group.empty()) errors.unsupported(child(at, "apiGroup"), group, {""});
    if (!namespaced && string_at(value, {"namespace"}).empty()) errors.required(child(at, "namespace"));
  } else if (kind == "User" || kind == "Group") {
    if (group != kRbac) errors.unsupported(child(at, "apiGroup"), group, {std::string(kRbac)});
  } else {
    errors.unsupported(child(at, "kind"), kind, {"ServiceAccount", "User", "Group"});
  }
}

}  // namespace

void validate_role(const Subject& s) {
  const JsonArray& rules = array_at(s.object, {"rules"});
  for (size_t i = 0; i < rules.size(); ++i) rule(rules[i], s.resource.namespaced, item("rules", i), s.errors);
  const JsonArray& selectors = array_at(s.object, {"aggregationRule", "clusterRoleSelectors"});
  if (find(s.object, {"aggregationRule"}) && selectors.empty())
    s.errors.required("aggregationRule.clusterRoleSelectors",
                      "at least one clusterRoleSelector required if aggregationRule is non-nil");
  for (size_t i = 0; i < selectors.size(); ++i)
    label_selector(selectors[i], item("aggregationRule.clusterRoleSelectors", i), s.errors);
}

void validate_binding(const Subject& s) {
  const Json* ref = find(s.object, {"roleRef"});
  const std::string_view group = string_at(s.object, {"roleRef", "apiGroup"});
  const std::string_view kind = string_at(s.object, {"roleRef", "kind"}),
                         name = string_at(s.object, {"roleRef", "name"});
  if (!ref) s.errors.required("roleRef");
  if (ref && group != kRbac) s.errors.unsupported("roleRef.apiGroup", group, {std::string(kRbac)});
  if (ref && s.resource.namespaced && kind != "Role" && kind != "ClusterRole")
    s.errors.unsupported("roleRef.kind", kind, {"Role", "ClusterRole"});
  if (ref && !s.resource.namespaced && kind != "ClusterRole")
    s.errors.unsupported("roleRef.kind", kind, {"ClusterRole"});
  if (ref && name.empty())
    s.errors.required("roleRef.name");
  else if (ref)
    s.errors.check("roleRef.name", name, path_segment_fault(name));
  const JsonArray& subjects = array_at(s.object, {"subjects"});
  for (size_t i = 0; i < subjects.size(); ++i)
    subject(subjects[i], s.resource.namespaced, item("subjects", i), s.errors);
  if (s.before && !same(ref, find(*s.before, {"roleRef"})))
    s.errors.invalid("roleRef", ref ? *ref : Json(), "cannot change roleRef");
}

}  // namespace ingot::api
