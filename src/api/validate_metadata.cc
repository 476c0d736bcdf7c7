#include <algorithm>
#include <set>

#include "api/names.h"
#include "api/validate.h"
#include "base/quantity.h"

namespace ingot::api {
namespace {

constexpr size_t kMaxAnnotationBytes = 256u << 10;

enum class Naming : uint8_t { Subdomain, Label, Segment };

Naming naming(const Resource& resource) {
  if (resource.group == "rbac.authorization.k8s.io") return Naming::Segment;
  if (resource.group.empty() && resource.kind == "Namespace") return Naming::Label;
  // Their names are values of labels, too.
  const bool label = resource.group == "factory.ingot.dev" &&
                     (resource.kind == "Tenant" || resource.kind == "Queue" || resource.kind == "Pool");
  return label ? Naming::Label : Naming::Subdomain;
}

std::string fault(Naming naming, std::string_view name, bool prefix) {
  // A prefix may end in '-': the generated suffix follows.
  std::string masked(name);
  if (prefix && masked.size() > 1 && masked.back() == '-') masked.back() = 'a';
  switch (naming) {
    case Naming::Label:
      return dns_label_fault(masked);
    case Naming::Segment:
      return path_segment_fault(masked, prefix);
    case Naming::Subdomain:
      break;
  }
  return dns_subdomain_fault(masked);
}

void annotations(const JsonObject& map, FieldErrors& errors) {
  size_t bytes = 0;
  for (const auto& [key, value] : map) {
    std::string lower(key.data(), key.size());
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return char(std::tolower(c)); });
    errors.check("metadata.annotations", {key.data(), key.size()}, qualified_name_fault(lower));
    bytes += key.size() + text(value).size();
  }
  if (bytes > kMaxAnnotationBytes) errors.too_long("metadata.annotations", kMaxAnnotationBytes);
}

void owners(const JsonArray& list, FieldErrors& errors) {
  std::string controller;
  for (const Json& owner : list) {
    for (std::string_view name : {"apiVersion", "kind", "name", "uid"})
      if (string_at(owner, {name}).empty())
        errors.invalid(child("metadata.ownerReferences", name), "",
                       name == "apiVersion" ? "version must not be empty" : "must not be empty");
    if (string_at(owner, {"kind"}) == "Event" && string_at(owner, {"apiVersion"}) == "v1")
      errors.invalid("metadata.ownerReferences", owner, "/v1, Kind=Event is disallowed from being an owner");
    if (!bool_at(owner, {"controller"})) continue;
    std::string self =
        std::string(string_at(owner, {"kind"})) + "/" + std::string(string_at(owner, {"name"}));
    if (!controller.empty()) {
      errors.invalid("metadata.ownerReferences", owner,
                     "Only one reference can have Controller set to true. Found \"true\" in references for " +
                         controller + " and " + self);
      return;
    }
    controller = std::move(self);
  }
}

void finalizers(const Subject& s, const JsonArray& list) {
  bool orphan = false, foreground = false;
  for (const Json& value : list) {
    s.errors.check("metadata.finalizers", text(value), qualified_name_fault(text(value)));
    orphan |= text(value) == "orphan";
    foreground |= text(value) == "foregroundDeletion";
  }
  if (orphan && foreground)
    s.errors.invalid("metadata.finalizers", list,
                     "finalizer orphan and foregroundDeletion cannot be both set");
  if (!s.before || string_at(*s.before, {"metadata", "deletionTimestamp"}).empty()) return;
  std::set<std::string_view> old;
  for (const Json& value : array_at(*s.before, {"metadata", "finalizers"})) old.insert(text(value));
  std::string extra;
  for (const Json& value : list)
    if (!old.contains(text(value))) (extra.empty() ? extra : extra += ", ") += to_text(value);
  if (!extra.empty())
    s.errors.forbidden("metadata.finalizers",
                       "no new finalizers can be added if the object is being deleted, found new "
                       "finalizers []string{" +
                           extra + "}");
}

}  // namespace

void labels(const Json& map, std::string_view path, FieldErrors& errors) {
  for (const auto& [key, value] : object_of(map)) {
    errors.check(path, {key.data(), key.size()}, qualified_name_fault({key.data(), key.size()}));
    errors.check(path, text(value), label_value_fault(text(value)));
  }
}

void label_selector(const Json& selector, std::string_view path, FieldErrors& errors) {
  if (const Json* match = find(selector, {"matchLabels"})) labels(*match, child(path, "matchLabels"), errors);
  const JsonArray& terms = array_at(selector, {"matchExpressions"});
  for (size_t i = 0; i < terms.size(); ++i) {
    const std::string at = item(child(path, "matchExpressions"), i);
    const std::string_view op = string_at(terms[i], {"operator"}), key = string_at(terms[i], {"key"});
    const JsonArray& values = array_at(terms[i], {"values"});
    errors.check(child(at, "key"), key, qualified_name_fault(key));
    if (op == "In" || op == "NotIn") {
      if (values.empty())
        errors.required(child(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (!values.empty())
        errors.forbidden(child(at, "values"),
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
      errors.invalid(child(at, "operator"), Json(std::string(op)), "not a valid selector operator");
    }
    for (size_t k = 0; k < values.size(); ++k)
      errors.check(item(child(at, "values"), k), text(values[k]), label_value_fault(text(values[k])));
  }
}

void quantities(const Json& map, std::string_view path, FieldErrors& errors) {
  for (const auto& [key, value] : object_of(map)) {
    const std::string_view name(key.data(), key.size());
    const std::string at = entry(path, name);
    errors.check(at, name, resource_name_fault(name));
    if (std::optional<Quantity> q = Quantity::parse(text(value)); q && q->milli < 0)
      errors.invalid(at, value, "must be greater than or equal to 0");
  }
}

void validate_metadata(const Subject& s) {
  const Json* meta = find(s.object, {"metadata"});
  const JsonObject& m = meta ? object_of(*meta) : object_of(Json());
  const std::string_view name = text_at(m, "name"), prefix = text_at(m, "generateName"),
                         ns = text_at(m, "namespace");
  const bool review =
      s.resource.verbs == std::vector<std::string>{"create"};  // TokenReview and the like have no name
  if (!prefix.empty())
    s.errors.check("metadata.generateName", prefix, fault(naming(s.resource), prefix, true));
  if (!name.empty()) s.errors.check("metadata.name", name, fault(naming(s.resource), name, false));
  if (name.empty() && prefix.empty() && !review)
    s.errors.required("metadata.name", "name or generateName is required");
  if (!s.resource.namespaced && !ns.empty())
    s.errors.forbidden("metadata.namespace", "not allowed on this type");
  if (s.resource.namespaced && !ns.empty()) s.errors.check("metadata.namespace", ns, dns_label_fault(ns));
  if (const Json* map = m.if_contains("labels")) labels(*map, "metadata.labels", s.errors);
  if (const Json* map = m.if_contains("annotations")) annotations(object_of(*map), s.errors);
  if (const Json* list = m.if_contains("ownerReferences"); list && list->is_array())
    owners(list->get_array(), s.errors);
  if (const Json* list = m.if_contains("finalizers"); list && list->is_array())
    finalizers(s, list->get_array());
  if (s.before)
    for (std::string_view field : {"name", "namespace", "uid", "creationTimestamp"})
      if (m.contains(field))
        immutable(s, {"metadata", field});  // absent: the API server keeps the stored one
}

}  // namespace ingot::api
