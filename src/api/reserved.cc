#include "api/reserved.h"

namespace ingot::api {
namespace {

struct Reserved {
  std::string_view resource, map, name;
};
constexpr Reserved kReserved[] = {
    {"workflows.argoproj.io", "labels", kRepositoryLabel},
    {"workflows.argoproj.io", "labels", kCommitLabel},
    {"workflows.argoproj.io", "annotations", kUrlAnnotation},
    {"pods", "annotations", kRunNodeAnnotation},
};

}  // namespace

std::vector<std::string> keep_reserved(std::string_view resource, const Json* before, Json& after) {
  std::vector<std::string> refused;
  for (const Reserved& one : kReserved) {
    if (one.resource != resource) continue;
    const Json* was = before ? find(*before, {"metadata", one.map, one.name}) : nullptr;
    const Json* is = find(after, {"metadata", one.map, one.name});
    if ((!was && !is) || (was && is && *was == *is)) continue;
    refused.push_back("metadata." + std::string(one.map) + "[" + std::string(one.name) + "]");
    if (was)
      set(after, {"metadata", one.map, one.name}, Json(*was));
    else
      erase(after, {"metadata", one.map, one.name});
  }
  return refused;
}

}  // namespace ingot::api
