// The end of a namespace: first its pods, gracefully; then everything else in it; then itself. What is left, and what
// holds it, is in the namespace's conditions. Facts: pkg/controller/namespace/deletion.
#include <algorithm>
#include <map>

#include "api/deletion.h"
#include "controllers/table.h"

namespace ingot::controllers {
namespace {

void watch(const Seen& seen, const Enqueue& enqueue) {
  const Key& key = seen.key();
  if (key.resource() == "namespaces") {
    if (!seen.change.deleted && seen.change.object->marks.deleting) enqueue(key);
    return;
  }
  if (!seen.index.any_ending() || key.ns().empty()) return;
  const Key ns(ClusterId{std::string(key.cluster())}, "namespaces", "", key.ns());
  if (seen.index.is_ending(ns)) enqueue(ns);
}

struct Remains {
  std::map<std::string, size_t> resources;  // "pods." as upstream writes it: resource, dot, group
  std::map<std::string, size_t> finalizers;
};

std::string long_name(const api::Resource& type) { return type.plural + "." + type.group; }

// Deletes what is not deleted yet; counts what was there.
void clear_type(Plan& plan, Remains& remains, const Snapshot& in, const api::Resource& type,
                std::string_view ns) {
  in.range(type.resource(), ns, [&](const ObjectPtr& object) {
    ++remains.resources[long_name(type)];
    if (object->mentions("\"finalizers\""))
      for (const Json& f : api::array_at(object->parse(), {"metadata", "finalizers"}))
        if (f.is_string()) ++remains.finalizers[std::string(f.get_string())];
    if (object->marks.deleting) return true;
    if (plan.writes.size() >= kMaxWrites) {
      plan.again = true;
      return false;
    }
    plan.remove(object);
    return true;
  });
}

void set_condition(Json& ns, std::string_view type, bool status, std::string_view reason,
                   const std::string& message, WallTime now) {
  JsonArray conditions = api::array_at(ns, {"status", "conditions"});
  const std::string_view text = status ? "True" : "False";
  auto found =
      std::ranges::find_if(conditions, [&](const Json& c) { return api::string_at(c, {"type"}) == type; });
  const bool turned = found == conditions.end() || api::string_at(*found, {"status"}) != text;
  const std::string since =
      turned ? to_rfc3339(now) : std::string(api::string_at(*found, {"lastTransitionTime"}));
  const Json condition = {{"type", type},
                          {"status", text},
                          {"reason", reason},
                          {"message", message},
                          {"lastTransitionTime", since}};
  if (found == conditions.end()) {
    conditions.push_back(condition);
  } else {
    *found = condition;
  }
  api::set(ns, {"status", "conditions"}, std::move(conditions));
}

std::string counted(const std::map<std::string, size_t>& what, std::string_view verb) {
  std::string text;
  for (const auto& [name, count] : what)
    text +=
        (text.empty() ? "" : ", ") + name + std::string(verb) + std::to_string(count) + " resource instances";
  return text;
}

void describe(Json& ns, const Remains& remains, WallTime now) {
  set_condition(ns, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                "All resources successfully discovered", now);
  set_condition(ns, "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
                "All legacy kube types successfully parsed", now);
  set_condition(ns, "NamespaceDeletionContentFailure", false, "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization", now);
  const bool content = !remains.resources.empty(), held = !remains.finalizers.empty();
  set_condition(ns, "NamespaceContentRemaining", content, content ? "SomeResourcesRemain" : "ContentRemoved",
                content ? "Some resources are remaining: " + counted(remains.resources, " has ")
                        : "All content successfully removed",
                now);
  set_condition(
      ns, "NamespaceFinalizersRemaining", held, held ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
      held ? "Some content in the namespace has finalizers remaining: " + counted(remains.finalizers, " in ")
           : "All content-preserving finalizers finished",
      now);
}

void finalize(Json& ns) {
  JsonArray left;
  for (const Json& f : api::array_at(ns, {"spec", "finalizers"}))
    if (!f.is_string() || f.get_string() != "kubernetes") left.push_back(f);
  if (left.empty()) {
    api::erase(ns, {"spec", "finalizers"});
  } else {
    api::set(ns, {"spec", "finalizers"}, std::move(left));
  }
}

Plan reconcile(const Snapshot& in, const Key& key, WallTime now) {
  Plan plan;
  const ObjectPtr object = in.get("namespaces", "", key.name());
  if (!object) return plan;
  Json ns = object->parse();
  if (!api::is_deleting(ns)) return plan;

  Remains remains;
  const auto& registry = *in.facts().registry;
  if (const api::Resource* pods = registry.find_key("pods")) clear_type(plan, remains, in, *pods, key.name());
  if (remains.resources.empty())
    for (const api::Resource& type : registry.resources())
      if (type.namespaced && type.resource() != "pods") clear_type(plan, remains, in, type, key.name());

  api::set(ns, {"status", "phase"}, "Terminating");
  describe(ns, remains, now);
  if (remains.resources.empty()) finalize(ns);
  if (api::to_text(ns) != object->json) plan.update(object, std::move(ns));
  return plan;
}

}  // namespace

const Controller kNamespaceLifecycle{"namespace_lifecycle", watch, reconcile};

}  // namespace ingot::controllers
