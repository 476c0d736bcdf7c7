#include "node/restart.h"

#include <algorithm>

namespace ingot::node {
using namespace std::chrono_literals;

bool restarts(const ContainerDef& c, RestartPolicy policy, int32_t exit_code) {
  if (c.sidecar) return true;
  if (policy == RestartPolicy::Never) return false;
  if (c.init || policy == RestartPolicy::OnFailure) return exit_code != 0;
  return true;
}

bool restarts(const Pod& pod, const ContainerDef& c, const ContainerStatus& ended) {
  const bool retried = !c.init && ended.exit_code != 0 && int64_t(ended.attempt) < pod.retries &&
                       ended.reason != kDependencyFailed;
  return retried || restarts(c, pod.restart_policy, ended.exit_code);
}

int streak_at_exit(int restarts_in_row, Duration ran_for) { return ran_for >= 10min ? 0 : restarts_in_row; }

Duration restart_delay(int streak) {
  if (streak <= 0) return 0s;
  const int doublings = std::min(streak - 1, 5);
  return std::min<Duration>(10s * (1 << doublings), 300s);
}

}  // namespace ingot::node
