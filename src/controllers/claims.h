// Names around ResourceClaims that the claims' controller and placement share. Pure; any thread.
#pragma once

#include <string_view>

#include "api/json.h"

namespace ingot::controllers {

inline constexpr std::string_view kClaims = "resourceclaims.resource.k8s.io";
inline constexpr std::string_view kClaimTemplates = "resourceclaimtemplates.resource.k8s.io";
inline constexpr std::string_view kClaimFinalizer = "resource.kubernetes.io/delete-protection";
inline constexpr std::string_view kPodClaimName = "resource.kubernetes.io/pod-claim-name";

// The claim that an entry of the pod's spec.resourceClaims stands for; "": made from a template, and not made yet.
inline std::string_view claim_name(const api::Json& pod, const api::Json& named) {
  if (const std::string_view direct = api::string_at(named, {"resourceClaimName"}); !direct.empty())
    return direct;
  for (const api::Json& status : api::array_at(pod, {"status", "resourceClaimStatuses"}))
    if (api::string_at(status, {"name"}) == api::string_at(named, {"name"}))
      return api::string_at(status, {"resourceClaimName"});
  return {};
}
// What strangers wrote, where a Key is made of it.
inline bool is_name(std::string_view text) { return !text.empty() && text.find('/') == text.npos; }

}  // namespace ingot::controllers
