#include "api/object.h"

#include <cstring>

#include "base/assert.h"

namespace ingot::api {

Key::Key(const ClusterId& cluster, std::string_view resource, std::string_view ns, std::string_view name) {
  ASSERT(!cluster.value.empty() && !resource.empty() && !name.empty());
  text_.reserve(cluster.value.size() + resource.size() + ns.size() + name.size() + 3);
  ((((((text_ += cluster.value) += '/') += resource) += '/') += ns) += '/') += name;
}

std::string_view Key::part(int index) const {
  std::string_view rest = text_;
  for (; index > 0; --index) {
    const size_t slash = rest.find('/');
    if (slash == rest.npos) return {};
    rest.remove_prefix(slash + 1);
  }
  return rest.substr(0, rest.find('/'));
}

std::string cluster_prefix(const ClusterId& cluster) { return cluster.value + "/"; }
std::string type_prefix(const ClusterId& cluster, std::string_view resource) {
  return cluster.value + "/" + std::string(resource) + "/";
}
std::string namespace_prefix(const ClusterId& cluster, std::string_view resource, std::string_view ns) {
  return type_prefix(cluster, resource) + std::string(ns) + "/";
}

std::string_view node_field(std::string_view resource) {
  if (resource == "pods" || resource == "resourceslices.resource.k8s.io") return "spec.nodeName";
  if (resource == "allocations.factory.ingot.dev") return "spec.node";
  return {};
}

std::string_view node_of(std::string_view resource, const Json& object) {
  const std::string_view field = node_field(resource);
  return field.empty() ? field : string_at(object, {"spec", field.substr(field.find('.') + 1)});
}

Marks marks_of(const Json& object, std::string_view text) {
  const JsonObject& metadata = object_at(object, {"metadata"});
  const std::string_view phase = string_at(object, {"status", "phase"});
  Marks marks{.deleting = metadata.contains("deletionTimestamp"),
              .ended = phase == "Succeeded" || phase == "Failed"};
  if (const Json* owners = metadata.if_contains("ownerReferences"); owners && owners->is_array()) {
    const std::string array = to_text(*owners);
    const size_t at = text.find("\"ownerReferences\":" + array);
    const bool found = at != text.npos;  // if not, it is another's text: then all of it
    marks.owners_at = found ? uint32_t(text.find('[', at)) : 0;
    marks.owners_bytes = uint32_t(found ? array.size() : text.size());
  }
  return marks;
}

JsonArray Object::owners() const {
  if (!marks.owned()) return {};
  Result<Json> value = parse_json(std::string_view(json).substr(marks.owners_at, marks.owners_bytes));
  ASSERT(value.has_value());
  return value->is_array() ? std::move(value->get_array())
                           : array_at(*value, {"metadata", "ownerReferences"});
}

bool Object::mentions(std::string_view text) const {
  return memmem(json.data(), json.size(), text.data(), text.size()) != nullptr;
}

Json Object::parse() const {
  Result<Json> value = parse_json(json, one_piece(json.size()));
  ASSERT(value.has_value());
  return std::move(*value);
}

}  // namespace ingot::api
