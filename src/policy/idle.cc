#include "policy/idle.h"

#include <algorithm>

namespace ingot::policy {

std::optional<IdlePolicy> idle_policy(const std::string& after, bool reclaim) {
  IdlePolicy policy{.reclaim = reclaim};
  if (after.empty()) return policy;
  const auto parsed = parse_duration(after);
  if (!parsed || *parsed < std::chrono::seconds(1)) return std::nullopt;
  policy.after = *parsed;
  return policy;
}

Duration reclaim_notice(const IdlePolicy& policy) { return policy.after / 10; }

IdleVerdict judge_idle(const IdlePolicy& policy, WallTime since, bool evictable, WallTime now) {
  const auto micro = [](Duration d) { return std::chrono::ceil<std::chrono::microseconds>(d); };
  const WallTime reported_at = since + micro(policy.after);
  IdleVerdict verdict;
  if (policy.reclaim && evictable) verdict.reclaimed_at = reported_at + micro(reclaim_notice(policy));
  verdict.report = now >= reported_at;
  verdict.reclaim = verdict.reclaimed_at && now >= *verdict.reclaimed_at;
  if (!verdict.report)
    verdict.next = reported_at;
  else if (!verdict.reclaim)
    verdict.next = verdict.reclaimed_at;
  return verdict;
}

}  // namespace ingot::policy
