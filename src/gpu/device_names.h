// What the parts of a board are called in ResourceSlices and claims, as NVIDIA's DRA driver calls them. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "gpu/mig.h"

namespace ingot::gpu {

// "gpu-0", 1g.10gb (19), 3 → "gpu-0-mig-1g10gb-19-3".
inline std::string instance_name(std::string_view board, const Profile& profile, int start) {
  std::string name = std::string(board) + "-mig-";
  for (const char c : profile.name)
    if (c != '.') name += c == '+' ? '-' : c;
  return name + "-" + std::to_string(profile.id) + "-" + std::to_string(start);
}

}  // namespace ingot::gpu
