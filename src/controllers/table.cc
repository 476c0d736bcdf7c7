#include "controllers/table.h"

namespace ingot::controllers {

std::span<const Controller* const> all_controllers() {
  static constexpr const Controller* kTable[] = {&kNamespaceDefaults, &kNamespaceLifecycle, &kJob,
                                                 &kGarbage,           &kPodGarbage,         &kClaim};
  return kTable;
}

}  // namespace ingot::controllers
