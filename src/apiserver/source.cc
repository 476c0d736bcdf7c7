#include "apiserver/source.h"

#include <algorithm>

#include "api/device_class.h"
#include "api/json_text.h"
#include "policy/pod_admission.h"

namespace ingot::apiserver {
namespace {
constexpr std::string_view kSlices = "resourceslices.resource.k8s.io";

const std::vector<api::ObjectPtr>& builtin_of(const Services& services, std::string_view resource) {
  if (resource == kPriorityClasses) return services.priority_classes;
  if (resource == api::kDeviceClasses) return services.device_classes;
  return services.rbac.builtin().objects(resource);
}

api::ObjectPtr same_place(const api::ObjectPtr& object, const api::Json& value) {
  return std::make_shared<const api::Object>(
      api::Object{object->key, object->revision, api::to_text(value), object->node});
}
}  // namespace

Source::Source(Call& call, const api::Resource& type)
    : call_(call),
      resource_(type.resource()),
      projected_((resource_ == "nodes" || resource_ == kSlices) && !call.view.is_root()),
      builtin_(builtin_of(call.services, resource_)) {}

bool Source::is_builtin(std::string_view name) const {
  return std::ranges::any_of(builtin_, [&](const api::ObjectPtr& o) { return o->key.name() == name; });
}

api::ObjectPtr Source::get(std::string_view ns, std::string_view name) const {
  if (projected_) {
    const api::ObjectPtr object = call_.factory.nodes().get(resource_, "", name);
    return object ? project(call_.services, object) : nullptr;
  }
  for (const api::ObjectPtr& object : builtin_)
    if (object->key.name() == name) return object;
  return call_.view.get(resource_, ns, name);
}

Result<void> Source::range(std::optional<Revision> at, std::string_view ns, std::string_view after,
                           const store::Visit& visit) const {
  const ClusterView& view = projected_ ? call_.factory.nodes() : call_.view;
  const auto in_order = [&](const store::Visit& each) -> Result<void> {
    if (at) return view.range_at(*at, resource_, ns, after, each);
    view.range(resource_, ns, after, each);
    return {};
  };
  if (projected_)
    return in_order([&](const api::ObjectPtr& object) { return visit(project(call_.services, object)); });
  if (builtin_.empty()) return in_order(visit);

  // Merge by name; built-in types are cluster-scoped, so "namespace/name" is "/name".
  auto next = builtin_.begin();
  const std::string_view after_name = after.empty() ? after : after.substr(1);
  while (next != builtin_.end() && !after.empty() && (*next)->key.name() <= after_name) ++next;
  bool more = true;
  const Result<void> done = in_order([&](const api::ObjectPtr& object) {
    for (; more && next != builtin_.end() && (*next)->key.name() <= object->key.name(); ++next)
      more = visit(*next);
    return more = more && visit(object);
  });
  for (; done && more && next != builtin_.end(); ++next) more = visit(*next);
  return done;
}

api::ObjectPtr project(Services& services, const api::ObjectPtr& object) {
  return services.projections.of(object, [&](api::Json value) {
    if (api::Json* metadata = value.as_object().if_contains("metadata")) {
      api::erase(*metadata, {"managedFields"});
      if (api::Json* annotations = metadata->as_object().if_contains("annotations")) {
        api::JsonObject kept;
        for (const auto& [name, text] : annotations->as_object())
          if (std::string_view(name).find("factory.ingot.dev/") == std::string_view::npos) kept[name] = text;
        *annotations = std::move(kept);
      }
    }
    api::erase(value, {"status", "images"});
    return same_place(object, value);
  });
}

void append_with_cluster(std::string& out, const api::Object& pod) {
  api::append_with(out, pod.json, {"metadata", "annotations", policy::kClusterAnnotation},
                   api::Json(pod.key.cluster()));
}

api::ObjectPtr with_cluster(const api::ObjectPtr& pod) {
  std::string text;
  append_with_cluster(text, *pod);
  return std::make_shared<const api::Object>(
      api::Object{pod->key, pod->revision, std::move(text), pod->node});
}

}  // namespace ingot::apiserver
