#include "api/openapi.h"

#include <deque>
#include <set>

#include "api/discovery.h"
#include "base/encoding.h"

namespace ingot::api {
namespace {

constexpr std::string_view kKubernetesVersion = "v1.36.0";
constexpr std::string_view kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

// What differs between the two dialects.
struct Dialect {
  bool v3;
  std::string ref(std::string_view schema) const {
    return (v3 ? "#/components/schemas/" : "#/definitions/") + std::string(schema);
  }
};

JsonObject reference(const Dialect& dialect, std::string_view schema) {
  JsonObject ref{{"$ref", dialect.ref(schema)}};
  if (!dialect.v3) return ref;
  return {{"allOf", JsonArray{std::move(ref)}}};  // siblings of a $ref do not count in OpenAPI 3.0
}

JsonObject one(const Dialect& dialect, const Field& field) {
  switch (field.shape) {
    case Shape::String:
      break;
    case Shape::Bool:
      return {{"type", "boolean"}};
    case Shape::Int32:
      return {{"type", "integer"}, {"format", "int32"}};
    case Shape::Int64:
      return {{"type", "integer"}, {"format", "int64"}};
    case Shape::Number:
      return {{"type", "number"}, {"format", "double"}};
    case Shape::Quantity:
      if (!dialect.v3) break;
      return {{"oneOf", JsonArray{JsonObject{{"type", "string"}}, JsonObject{{"type", "number"}}}}};
    case Shape::IntOrString:
      if (!dialect.v3) return {{"type", "string"}, {"format", "int-or-string"}};
      return {{"format", "int-or-string"},
              {"oneOf", JsonArray{JsonObject{{"type", "integer"}}, JsonObject{{"type", "string"}}}}};
    case Shape::Time:
    case Shape::MicroTime:
      return {{"type", "string"}, {"format", "date-time"}};
    case Shape::Bytes:
      return {{"type", "string"}, {"format", "byte"}};
    case Shape::Object:
      return reference(dialect, field.schema->name);
    case Shape::Any:
      return {{"type", "object"}};
    case Shape::Strings:
      return {{"type", "array"}, {"items", JsonObject{{"type", "string"}}}};
  }
  JsonObject text{{"type", "string"}};
  if (dialect.v3 && !field.enum_values.empty()) {
    JsonArray values;
    for (const std::string& value : field.enum_values) values.emplace_back(value);
    text["enum"] = std::move(values);
  }
  return text;
}

JsonObject property(const Dialect& dialect, const Field& field) {
  JsonObject out = one(dialect, field);
  if (field.wrap == Wrap::List) out = {{"type", "array"}, {"items", std::move(out)}};
  if (field.wrap == Wrap::Map) out = {{"type", "object"}, {"additionalProperties", std::move(out)}};
  if (!field.list_type.empty()) out["x-kubernetes-list-type"] = field.list_type;
  if (!field.list_map_keys.empty()) {
    JsonArray keys;
    for (const std::string& key : field.list_map_keys) keys.emplace_back(key);
    out["x-kubernetes-list-map-keys"] = std::move(keys);
  }
  if (field.atomic) out["x-kubernetes-map-type"] = "atomic";
  if (!field.patch_merge_key.empty()) out["x-kubernetes-patch-merge-key"] = field.patch_merge_key;
  if (!field.patch_strategy.empty()) out["x-kubernetes-patch-strategy"] = field.patch_strategy;
  return out;
}

JsonObject schema_object(const Dialect& dialect, const Schema& schema) {
  JsonObject properties;
  JsonArray required;
  for (const Field& field : schema.fields) {
    properties[field.name] = property(dialect, field);
    if (field.required) required.emplace_back(field.name);
  }
  JsonObject out{{"type", "object"}};
  if (!properties.empty()) out["properties"] = std::move(properties);
  if (!required.empty()) out["required"] = std::move(required);
  if (schema.atomic) out["x-kubernetes-map-type"] = "atomic";
  return out;
}

JsonObject gvk(const Resource& r, std::string_view suffix = {}) {
  return {{"group", r.group}, {"kind", r.kind + std::string(suffix)}, {"version", r.version}};
}

JsonObject list_schema(const Dialect& dialect, const Resource& r) {
  JsonObject properties{
      {"apiVersion", JsonObject{{"type", "string"}}},
      {"items", JsonObject{{"type", "array"}, {"items", reference(dialect, r.schema->name)}}},
      {"kind", JsonObject{{"type", "string"}}},
      {"metadata", reference(dialect, std::string(kMeta) + "ListMeta")}};
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", JsonArray{"items"}},
          {"x-kubernetes-group-version-kind", JsonArray{gvk(r, "List")}}};
}

bool has_verb(const Resource& r, std::string_view verb) {
  for (const std::string& v : r.verbs)
    if (v == verb) return true;
  return false;
}

// The schemas of `resources` and all they refer to, in name order.
JsonObject schemas(const Registry& registry, const Dialect& dialect,
                   const std::vector<const Resource*>& resources) {
  std::map<std::string, JsonObject> made;
  std::deque<const Schema*> todo;
  for (std::string_view name : {"DeleteOptions", "ListMeta", "Status"})
    if (const Schema* schema = registry.schema(std::string(kMeta) + std::string(name)))
      todo.push_back(schema);
  for (const Resource* r : resources) todo.push_back(r->schema);
  for (std::string_view name : {"io.k8s.api.core.v1.Binding", "io.k8s.api.policy.v1.Eviction",
                                "io.k8s.api.authentication.v1.TokenRequest"})
    for (const Resource* r : resources)
      if (r->group.empty() && r->plural == "pods") todo.push_back(registry.schema(name));
  while (!todo.empty()) {
    const Schema& schema = *todo.front();
    todo.pop_front();
    if (made.contains(schema.name)) continue;
    made[schema.name] = schema_object(dialect, schema);
    for (const Field& field : schema.fields)
      if (field.schema) todo.push_back(field.schema);
  }
  for (const Resource* r : resources) {
    made[r->schema->name]["x-kubernetes-group-version-kind"] = JsonArray{gvk(*r)};
    if (has_verb(*r, "list")) made[r->schema->name + "List"] = list_schema(dialect, *r);
  }
  JsonObject out;
  for (auto& [name, schema] : made) out[name] = std::move(schema);
  return out;
}

JsonObject parameter(const Dialect& dialect, std::string_view name, std::string_view in,
                     std::string_view type = "string") {
  JsonObject out{{"name", name}, {"in", in}};
  if (in == "path") out["required"] = true;
  if (dialect.v3) {
    out["schema"] = JsonObject{{"type", type}, {"uniqueItems", true}};
  } else {
    out["type"] = type;
    out["uniqueItems"] = true;
  }
  return out;
}

struct Verb {
  std::string_view verb, method, action;
  bool item;
};
constexpr Verb kVerbs[] = {
    {"list", "get", "list", false},
    {"create", "post", "post", false},
    {"deletecollection", "delete", "deletecollection", false},
    {"get", "get", "get", true},
    {"update", "put", "put", true},
    {"patch", "patch", "patch", true},
    {"delete", "delete", "delete", true},
};

JsonObject operation(const Dialect& dialect, const Resource& r, const Verb& verb) {
  JsonArray parameters;
  const bool writes = verb.action == "post" || verb.action == "put" || verb.action == "patch";
  if (writes || verb.method == "delete") parameters.push_back(parameter(dialect, "dryRun", "query"));
  if (writes)
    for (std::string_view name : {"fieldManager", "fieldValidation"})
      parameters.push_back(parameter(dialect, name, "query"));
  if (verb.action == "patch") parameters.push_back(parameter(dialect, "force", "query", "boolean"));
  if (verb.action == "list")
    for (std::string_view name :
         {"continue", "fieldSelector", "labelSelector", "resourceVersion", "resourceVersionMatch"})
      parameters.push_back(parameter(dialect, name, "query"));
  const std::string shown = verb.action == "list"     ? r.schema->name + "List"
                            : verb.method == "delete" ? std::string(kMeta) + "Status"
                                                      : r.schema->name;
  JsonObject ok{{"description", "OK"}};
  JsonObject ref{{"$ref", dialect.ref(shown)}};
  if (dialect.v3)
    ok["content"] = JsonObject{{"application/json", JsonObject{{"schema", std::move(ref)}}}};
  else
    ok["schema"] = std::move(ref);
  std::string id(verb.verb);
  return {{"operationId", id + r.kind + "." + r.version + (r.group.empty() ? "" : "." + r.group)},
          {"parameters", std::move(parameters)},
          {"responses", JsonObject{{"200", std::move(ok)}}},
          {"x-kubernetes-action", verb.action},
          {"x-kubernetes-group-version-kind", gvk(r)}};
}

JsonObject paths(const Dialect& dialect, const std::vector<const Resource*>& resources) {
  JsonObject out;
  for (const Resource* r : resources) {
    std::string base = r->group.empty() ? "/api/" + r->version : "/apis/" + r->group + "/" + r->version;
    if (r->namespaced) base += "/namespaces/{namespace}";
    base += "/" + r->plural;
    JsonObject collection, single;
    for (const Verb& verb : kVerbs)
      if (has_verb(*r, verb.verb))
        (verb.item ? single : collection)[verb.method] = operation(dialect, *r, verb);
    JsonArray in_path;
    if (r->namespaced) in_path.push_back(parameter(dialect, "namespace", "path"));
    if (!in_path.empty()) collection["parameters"] = in_path;
    in_path.push_back(parameter(dialect, "name", "path"));
    if (!single.empty()) {
      single["parameters"] = std::move(in_path);
      out[base + "/{name}"] = std::move(single);
    }
    out[base] = std::move(collection);
  }
  return out;
}

std::vector<const Resource*> served(const Registry& registry, bool root, const GroupVersion* only) {
  std::vector<const Resource*> out;
  for (const Resource& r : registry.resources())
    if (visible(r, root) && (!only || (r.group == only->group && r.version == only->version)))
      out.push_back(&r);
  return out;
}

JsonObject info() { return {{"title", "Kubernetes"}, {"version", kKubernetesVersion}}; }

}  // namespace

Json openapi_v3_index(const Registry& registry, bool root, std::string_view prefix) {
  JsonObject out;
  for (const GroupVersion& gv : group_versions(registry, root)) {
    std::string path = gv.group.empty() ? "api/" : "apis/" + std::string(gv.group) + "/";
    path += gv.version;
    const std::string hash = hex(sha256(to_text(*openapi_v3(registry, root, gv.group, gv.version))));
    out[path] =
        JsonObject{{"serverRelativeURL", std::string(prefix) + "/openapi/v3/" + path + "?hash=" + hash}};
  }
  return JsonObject{{"paths", std::move(out)}};
}

std::optional<Json> openapi_v3(const Registry& registry, bool root, std::string_view group,
                               std::string_view version) {
  const Dialect dialect{true};
  const GroupVersion gv{group, version};
  const std::vector<const Resource*> resources = served(registry, root, &gv);
  if (resources.empty()) return std::nullopt;
  return JsonObject{{"openapi", "3.0.0"},
                    {"info", info()},
                    {"paths", paths(dialect, resources)},
                    {"components", JsonObject{{"schemas", schemas(registry, dialect, resources)}}}};
}

Json openapi_v2(const Registry& registry, bool root) {
  const Dialect dialect{false};
  const std::vector<const Resource*> resources = served(registry, root, nullptr);
  return JsonObject{{"swagger", "2.0"},
                    {"info", info()},
                    {"paths", paths(dialect, resources)},
                    {"definitions", schemas(registry, dialect, resources)}};
}

}  // namespace ingot::api
