#include "apiserver/builtin.h"

#include <fmt/format.h>

namespace ingot::apiserver {
namespace {
api::ObjectPtr priority_class(std::string_view name, int64_t value, std::string_view description,
                              WallTime created) {
  const api::JsonObject object{{"apiVersion", "scheduling.k8s.io/v1"},
                               {"kind", "PriorityClass"},
                               {"metadata",
                                {{"name", name},
                                 {"uid", fmt::format("builtin-{}", name)},
                                 {"resourceVersion", "1"},
                                 {"generation", 1},
                                 {"creationTimestamp", to_rfc3339(created)}}},
                               {"value", value},
                               {"description", description},
                               {"preemptionPolicy", "PreemptLowerPriority"}};
  return std::make_shared<const api::Object>(
      api::Object{api::Key(kRootCluster, kPriorityClasses, "", name), Revision{1}, api::to_text(object)});
}
}  // namespace

std::vector<api::ObjectPtr> builtin_priority_classes(WallTime created) {
  return {
      priority_class("system-cluster-critical", 2'000'000'000, "For pods a cluster cannot do without.",
                     created),
      priority_class("system-node-critical", 2'000'001'000, "For pods a node cannot do without.", created)};
}

}  // namespace ingot::apiserver
