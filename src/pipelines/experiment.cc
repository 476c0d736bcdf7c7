#include "pipelines/experiment.h"

namespace ingot::pipelines {

std::string experiment_of(std::string_view workflow, const api::JsonObject& labels) {
  for (const std::string_view label : {"workflows.argoproj.io/workflow-template",
                                       "workflows.argoproj.io/cron-workflow", "factory.ingot.dev/repository"})
    if (const auto name = api::string_at(labels, {label}); !name.empty()) return std::string(name);
  constexpr std::string_view kDrawn = "bcdfghjklmnpqrstvwxz2456789";  // base/encoding.h: name_suffix
  constexpr size_t kSuffix = 5;
  const size_t dash = workflow.rfind('-');
  if (dash == 0 || dash == workflow.npos || workflow.size() - dash - 1 != kSuffix ||
      workflow.substr(dash + 1).find_first_not_of(kDrawn) != workflow.npos)
    return std::string(workflow);
  return std::string(workflow.substr(0, dash));
}

}  // namespace ingot::pipelines
