#include <algorithm>
#include <set>

#include "api/names.h"
#include "api/validate.h"

namespace ingot::api {
namespace {

void tolerations(const Json& spec, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(spec, {"tolerations"});
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(child(path, "tolerations"), i);
    const std::string_view key = string_at(list[i], {"key"}), op = string_at(list[i], {"operator"});
    const std::string_view value = string_at(list[i], {"value"}), effect = string_at(list[i], {"effect"});
    if (!key.empty()) errors.check(child(at, "key"), key, qualified_name_fault(key));
    if (key.empty() && op != "Exists")
      errors.invalid(
          child(at, "operator"), Json(std::string(op)),
          "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    if (op == "Exists" && !value.empty())
      errors.invalid(at, list[i], "value must be empty when `operator` is 'Exists'");
    if ((op.empty() || op == "Equal")) errors.check(child(at, "value"), value, label_value_fault(value));
    if (find(list[i], {"tolerationSeconds"}) && effect != "NoExecute")
      errors.invalid(child(at, "effect"), Json(std::string(effect)),
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
}

void node_terms(const Json& affinity, std::string_view path, FieldErrors& errors) {
  const Json* required = find(affinity, {"nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
  if (!required) return;
  const std::string at =
      child(path, "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
  const JsonArray& terms = array_at(*required, {"nodeSelectorTerms"});
  if (terms.empty()) errors.required(at, "must have at least one node selector term");
  for (size_t i = 0; i < terms.size(); ++i)
    for (std::string_view list : {"matchExpressions", "matchFields"}) {
      const JsonArray& rules = array_at(terms[i], {list});
      for (size_t k = 0; k < rules.size(); ++k) {
        const std::string here = item(child(item(at, i), list), k);
        const std::string_view op = string_at(rules[k], {"operator"});
        const size_t values = array_at(rules[k], {"values"}).size();
        if ((op == "In" || op == "NotIn") && values == 0)
          errors.required(child(here, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
        if ((op == "Exists" || op == "DoesNotExist") && values > 0)
          errors.forbidden(child(here, "values"),
                           "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        if ((op == "Gt" || op == "Lt") && values != 1)
          errors.required(child(here, "values"),
                          "must be specified single value when `operator` is 'Lt' or 'Gt'");
      }
    }
}

void subdomain(const Json& spec, std::string_view name, std::string_view path, FieldErrors& errors) {
  if (const std::string_view value = string_at(spec, {name}); !value.empty())
    errors.check(child(path, name), value, dns_subdomain_fault(value));
}

// What an update may change is taken out of both before they are compared.
Json without_mutable(const Json& spec) {
  Json copy = spec;
  for (std::string_view list : {"containers", "initContainers"})
    if (Json* items = copy.get_object().if_contains(list); items && items->is_array())
      for (Json& container : items->get_array()) erase(container, {"image"});
  for (std::string_view field : {"activeDeadlineSeconds", "tolerations", "schedulingGates"})
    erase(copy, {field});
  return copy;
}

// A toleration or gate as one text, whatever the order of its members.
std::string identity(const Json& one) {
  std::string text;
  for (std::string_view name : {"name", "key", "operator", "value", "effect"})
    (text += string_at(one, {name})) += '\0';
  return text;
}

bool holds_all(const JsonArray& all, const JsonArray& some) {
  std::set<std::string> known;
  for (const Json& one : all) known.insert(identity(one));
  return std::ranges::all_of(some, [&](const Json& one) { return known.contains(identity(one)); });
}

void pod_update(const Subject& s) {
  const Json *now = find(s.object, {"spec"}), *was = find(*s.before, {"spec"});
  if (!now || !now->is_object() || !was || !was->is_object()) return;
  const std::optional<int64_t> deadline = int_at(*now, {"activeDeadlineSeconds"});
  const std::optional<int64_t> old_deadline = int_at(*was, {"activeDeadlineSeconds"});
  if (old_deadline && !deadline)
    s.errors.invalid("spec.activeDeadlineSeconds", nullptr,
                     "must not update from a positive integer to nil value");
  if (old_deadline && deadline && *deadline > *old_deadline)
    s.errors.invalid("spec.activeDeadlineSeconds", *deadline,
                     "must be less than or equal to previous value " + std::to_string(*old_deadline));
  if (!holds_all(array_at(*now, {"tolerations"}), array_at(*was, {"tolerations"})))
    s.errors.forbidden("spec.tolerations",
                       "existing toleration can not be modified except its tolerationSeconds");
  if (!holds_all(array_at(*was, {"schedulingGates"}), array_at(*now, {"schedulingGates"})))
    s.errors.forbidden("spec.schedulingGates", "only deletion is allowed, but found new scheduling gates");
  const Json a = without_mutable(*now), b = without_mutable(*was);
  if (!same(&a, &b))
    s.errors.forbidden(
        "spec",
        "pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
        "to existing tolerations),`spec.schedulingGates` (only removals)");
}

// What a node's agent said before it died may arrive after all that the next one says.
void keep_ended(const Subject& s) {
  const std::string_view was = string_at(*s.before, {"status", "phase"});
  if ((was == "Succeeded" || was == "Failed") && string_at(s.object, {"status", "phase"}) != was)
    s.errors.forbidden("status.phase", "the pod has ended: it stays " + std::string(was));
}
}  // namespace

bool same(const Json* a, const Json* b) {
  auto nothing = [](const Json* v) { return !v || (is_absent(v) && !v->is_object()); };
  if (nothing(a) || nothing(b)) return nothing(a) && nothing(b);
  if (a->is_array() && b->is_array()) {
    const JsonArray &x = a->get_array(), &y = b->get_array();
    return x.size() == y.size() &&
           std::ranges::equal(x, y, [](const Json& i, const Json& j) { return same(&i, &j); });
  }
  if (!a->is_object() || !b->is_object()) return same(*a, *b);
  const JsonObject &x = a->get_object(), &y = b->get_object();
  return std::ranges::all_of(x, [&](const auto& m) { return same(&m.value(), y.if_contains(m.key())); }) &&
         std::ranges::all_of(y, [&](const auto& m) { return x.contains(m.key()) || nothing(&m.value()); });
}

void validate_pod_spec(const Json& spec, std::string_view path, FieldErrors& errors) {
  validate_volumes(spec, path, errors);
  validate_containers(spec, path, errors);
  validate_pod_claims(spec, path, errors);
  tolerations(spec, path, errors);
  if (const Json* affinity = find(spec, {"affinity"})) node_terms(*affinity, child(path, "affinity"), errors);
  if (const Json* selector = find(spec, {"nodeSelector"}))
    labels(*selector, child(path, "nodeSelector"), errors);
  for (std::string_view name : {"serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"})
    subdomain(spec, name, path, errors);
  for (std::string_view name : {"hostname", "subdomain"})
    if (const std::string_view value = string_at(spec, {name}); !value.empty())
      errors.check(child(path, name), value, dns_label_fault(value));
  at_least(spec, "terminationGracePeriodSeconds", 0, path, errors);
  if (const std::optional<int64_t> deadline = int_at(spec, {"activeDeadlineSeconds"});
      deadline && (*deadline < 1 || *deadline > INT32_MAX))
    errors.invalid(child(path, "activeDeadlineSeconds"), *deadline,
                   "must be between 1 and 2147483647, inclusive");
  if (const Json* overhead = find(spec, {"overhead"})) quantities(*overhead, child(path, "overhead"), errors);
  if (const Json* context = find(spec, {"securityContext"})) {
    const std::string at = child(path, "securityContext");
    for (std::string_view name : {"runAsUser", "runAsGroup", "fsGroup"})
      at_least(*context, name, 0, at, errors);
  }
  if (const Json* resources = find(spec, {"resources"}))
    validate_resources(*resources, child(path, "resources"), errors);
}

void validate_pod(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return s.errors.required("spec.containers");
  if (s.before) {
    keep_ended(s);
    // Most updates are of the status: what was judged when it was written is not judged again.
    if (const Json* was = find(*s.before, {"spec"}); was && same(*was, *spec)) return;
    return pod_update(s), s.errors.empty() ? validate_pod_spec(*spec, "spec", s.errors) : void();
  }
  if (find(*spec, {"ephemeralContainers"}))
    s.errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
  validate_pod_spec(*spec, "spec", s.errors);
}

}  // namespace ingot::api
