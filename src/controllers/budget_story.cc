// What people are told of budgets.
#include <algorithm>
#include <span>
#include <tuple>

#include "controllers/budget_book.h"
#include "controllers/placement_writes.h"
#include "policy/prices.h"

namespace ingot::controllers {
namespace {

using api::string_at;
using policy::shown_micro;

constexpr size_t kMostWork = 10;

JsonArray texts(const std::set<std::string, std::less<>>& names) {
  return JsonArray(names.begin(), names.end());
}

JsonObject limit(const policy::BudgetLimit& l) {
  return {{"at", shown_micro(l.at)}, {"action", policy::name_of(l.action)}};
}

}  // namespace

// What runs and costs most in this period.
JsonArray BudgetBook::dearest(const store::Turn& turn, const BudgetLine& line) const {
  std::vector<std::pair<int64_t, std::string>> all;
  line.count.each("", [&](const std::string& uid) {
    if (line.count.held(uid)) all.emplace_back(line.count.cost_of(uid, now()), uid);
    return true;
  });
  const size_t shown = std::min(kMostWork, all.size());
  std::partial_sort(
      all.begin(), all.begin() + std::ptrdiff_t(shown), all.end(),
      [](const auto& a, const auto& b) { return std::tie(b.first, a.second) < std::tie(a.first, b.second); });
  JsonArray out;
  for (const auto& [cost, uid] : std::span(all).first(shown)) {
    const ObjectPtr object = turn.get({kRootCluster, kAllocations, "", uid});
    if (!object) continue;
    const Json held = object->parse();
    const policy::Holding& holding = *line.count.held(uid);
    out.push_back(
        JsonObject{{"tenant", string_at(held, {"spec", "tenant"})},
                   {"namespace", string_at(held, {"spec", "namespace"})},
                   {"pod", string_at(held, {"spec", "pod"})},
                   {"cost", shown_micro(cost)},
                   {"perHour", shown_micro(policy::cost_of(holding.rate(), Duration(std::chrono::hours(1))))},
                   {"expectedEnd", to_rfc3339(holding.ends)}});
  }
  return out;
}

JsonArray BudgetBook::summaries(const store::Turn& turn, std::string_view tenant,
                                std::string_view name) const {
  JsonArray out;
  const WallTime at = now();
  for (const auto& [own, line] : lines_) {
    const policy::Budget& b = line->budget;
    if ((!name.empty() && name != own) || (!tenant.empty() && !b.tenants.contains(tenant))) continue;
    const policy::BudgetPhase phase = phase_of(*line);
    JsonObject one{{"budget", own},
                   {"currency", b.currency},
                   {"period", policy::name_of(b.period)},
                   {"periodStart", to_rfc3339(line->count.span().begin)},
                   {"periodEnd", to_rfc3339(line->count.span().end)},
                   {"phase", policy::name_of(phase)}};
    // Who shares a budget with others is told how it stands, not what they spend.
    if (tenant.empty() || b.tenants.size() == 1) {
      const int64_t spent = line->count.spent(at);
      one["tenants"] = texts(b.tenants);
      one["queues"] = texts(b.queues);
      one["amount"] = shown_micro(b.amount);
      one["spent"] = shown_micro(spent);
      one["committed"] = shown_micro(line->count.foreseen(at) - spent);
      one["remaining"] = shown_micro(std::max<int64_t>(b.amount - spent, 0));
      one["perHour"] = shown_micro(policy::cost_of(line->count.rate(), Duration(std::chrono::hours(1))));
      // None: it lasts for the period, if all goes on as it does.
      if (const auto end = line->count.reaches(b.amount, at); end && spent < b.amount)
        one["lastsUntil"] = to_rfc3339(*end);
      one["running"] = line->count.size();
      one["held"] = line->held.size();
      JsonObject limits{{"hard", limit(b.hard)}};
      if (b.soft) limits["soft"] = limit(*b.soft);
      one["limits"] = std::move(limits);
      one["message"] = story(*line, phase);
      if (!name.empty()) one["work"] = dearest(turn, *line);
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace ingot::controllers
