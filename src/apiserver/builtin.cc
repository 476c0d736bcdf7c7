#include "apiserver/builtin.h"

#include <fmt/format.h>

#include "api/device_class.h"

namespace ingot::apiserver {
namespace {
api::ObjectPtr builtin(std::string_view resource, std::string_view name, api::JsonObject object,
                       WallTime created) {
  object["metadata"] = {{"name", name},
                        {"uid", fmt::format("builtin-{}", name)},
                        {"resourceVersion", "1"},
                        {"generation", 1},
                        {"creationTimestamp", to_rfc3339(created)}};
  return std::make_shared<const api::Object>(
      api::Object{api::Key(kRootCluster, resource, "", name), Revision{1}, api::to_text(object)});
}

api::ObjectPtr priority_class(std::string_view name, int64_t value, std::string_view description,
                              WallTime created) {
  return builtin(kPriorityClasses, name,
                 {{"apiVersion", "scheduling.k8s.io/v1"},
                  {"kind", "PriorityClass"},
                  {"metadata", nullptr},
                  {"value", value},
                  {"description", description},
                  {"preemptionPolicy", "PreemptLowerPriority"}},
                 created);
}
}  // namespace

std::vector<api::ObjectPtr> builtin_priority_classes(WallTime created) {
  return {
      priority_class("system-cluster-critical", 2'000'000'000, "For pods a cluster cannot do without.",
                     created),
      priority_class("system-node-critical", 2'000'001'000, "For pods a node cannot do without.", created)};
}

std::vector<api::ObjectPtr> builtin_device_classes(WallTime created) {
  std::vector<api::ObjectPtr> classes;
  for (const api::BuiltinDeviceClass& c : api::builtin_device_classes())
    classes.push_back(builtin(api::kDeviceClasses, c.name, api::device_class_object(c), created));
  return classes;
}

}  // namespace ingot::apiserver
