// Keys and stored objects. An Object is immutable, shared, and carries its own JSON encoding; whoever needs a
// field parses it. Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/json.h"
#include "base/ids.h"

namespace ingot::api {

// Where an object lives: cluster, resource, namespace, name, kept as the text
// "cluster/resource/namespace/name". `resource` is the plural with its group, "pods", "jobs.batch"
// (Kubernetes' GroupResource text); namespace is empty for cluster-scoped types. None of the parts holds a
// '/', so text order is cluster, resource, namespace, name order up to characters below '/', and a prefix
// that ends in '/' names exactly one cluster, type or namespace.
class Key {
 public:
  Key() = default;
  Key(const ClusterId& cluster, std::string_view resource, std::string_view ns, std::string_view name);
  // The text of another Key.
  explicit Key(std::string text) : text_(std::move(text)) {}

  std::string_view cluster() const { return part(0); }
  std::string_view resource() const { return part(1); }
  std::string_view ns() const { return part(2); }
  std::string_view name() const { return part(3); }
  const std::string& text() const { return text_; }
  auto operator<=>(const Key&) const = default;

 private:
  std::string_view part(int index) const;
  std::string text_;
};

std::string cluster_prefix(const ClusterId&);                          // "c7/"
std::string type_prefix(const ClusterId&, std::string_view resource);  // "c7/pods/"
std::string namespace_prefix(const ClusterId&, std::string_view resource,
                             std::string_view);  // "c7/pods/default/"

// The field that says which node an object of this type belongs to ("spec.nodeName" of pods), "" where there is none.
std::string_view node_field(std::string_view resource);
// That field of an object; "" also while it has no node.
std::string_view node_of(std::string_view resource, const Json& object);

// What is looked for in every object that changes.
struct Marks {
  uint32_t owners_at = 0, owners_bytes : 30 = 0;  // of its ownerReferences in its text; none: no bytes
  bool deleting : 1 = false;                      // has a deletionTimestamp
  bool ended : 1 = false;                         // its phase is Succeeded or Failed
  bool owned() const { return owners_bytes > 0; }
};
Marks marks_of(const Json& object, std::string_view text);

struct Object {
  Key key;
  Revision revision;  // equals metadata.resourceVersion in `json`
  std::string json;   // the whole object, with apiVersion and kind
  std::string node =
      {};            // node_of() of a stored object, so that whoever looks for one node's need not parse all
  Marks marks = {};  // marks_of() of a stored object

  // `json` was written by us: a parse error is our bug. All of it lies in one piece of memory, which goes with the last
  // copy of any part of it.
  Json parse() const;
  // metadata.ownerReferences alone: looked at in every change, it is not worth the whole.
  JsonArray owners() const;
  // Whether `json` has this text in it: a quick no, before a parse says for sure.
  bool mentions(std::string_view text) const;
};
using ObjectPtr = std::shared_ptr<const Object>;

}  // namespace ingot::api
