// The facts about every type the factory serves: one table, read once, immutable after. Any thread.
// Source: upstream's swagger.json and generated.proto through tools/typefacts (facts/kubernetes.facts), and
// our own kinds (facts/factory.facts).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace ingot::api {

struct Schema;

enum class Shape : uint8_t {
  String,
  Bool,
  Int32,
  Int64,
  Number,
  Quantity,
  IntOrString,
  Time,
  MicroTime,
  Bytes /*base64 text*/,
  Object /*`schema`*/,
  Any /*kept as it is: RawExtension, FieldsV1, JSON*/,
  Strings /*a list: `extra` of users*/
};
enum class Wrap : uint8_t { One, List, Map /*string keys*/ };

struct Field {
  std::string name;
  Shape shape = Shape::String;
  Wrap wrap = Wrap::One;
  const Schema* schema = nullptr;  // when shape == Object
  bool required = false;
  uint32_t tag = 0;       // protobuf field number; 0 = not in the .proto
  uint32_t within = 0;    // the number of the embedded message that holds it; 0 = none
  bool pointer = false;   // absent and zero differ: protobuf writes zeros of all other fields, too
  bool atomic = false;    // x-kubernetes-map-type: atomic
  std::string list_type;  // x-kubernetes-list-type: atomic, set, map
  std::vector<std::string> list_map_keys;
  std::string patch_merge_key;  // strategic merge patch
  std::string patch_strategy;   // "merge", "retainKeys", "merge,retainKeys", "replace"
  std::vector<std::string> enum_values;
  std::optional<Json> default_value;
};

struct Schema {
  std::string name;           // "io.k8s.api.core.v1.PodSpec", our own "dev.ingot.factory.v1alpha1.…"
  std::vector<Field> fields;  // in name order
  bool atomic = false;        // x-kubernetes-map-type: atomic, of every field of this type
  bool has_defaults = false;  // a field here or below has a default
  bool has_rules = false;     // a field here or below is required or an enum
  const Field* find(std::string_view name) const;
};

// A column of `kubectl get` (meta.k8s.io/v1 Table). `path` is a dotted path or the name of a computed cell
// ("@ready").
struct Column {
  std::string name, type, format, path;
  int priority = 0;  // > 0: only with -o wide
};

struct Resource {
  std::string group, version, kind, plural, singular;
  std::vector<std::string> short_names, categories, verbs, subresources;
  bool namespaced = false;
  const Schema* schema = nullptr;
  std::vector<Column> columns;
  std::string resource() const;     // "pods", "jobs.batch": Key's resource part
  std::string api_version() const;  // "v1", "batch/v1"
  bool root_only = false;           // factory.ingot.dev kinds live in the control plane `root` alone
};

class Registry {
 public:
  // Reads the built-in facts. A mistake in them is our bug: ASSERTs.
  static std::shared_ptr<const Registry> builtin();

  const Resource* find(std::string_view group, std::string_view version, std::string_view plural) const;
  const Resource* find_kind(std::string_view group, std::string_view version, std::string_view kind) const;
  const Resource* find_key(std::string_view resource) const;             // by Key::resource()
  const std::vector<Resource>& resources() const { return resources_; }  // in group, version, plural order
  const Schema* schema(std::string_view name) const;

 private:
  friend class RegistryReader;
  std::map<std::string, std::unique_ptr<Schema>, std::less<>> schemas_;
  std::vector<Resource> resources_;
};

}  // namespace ingot::api
