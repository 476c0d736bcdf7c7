#include "controllers/budget_exceptions.h"

#include <algorithm>

#include "policy/work_facts.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::string_at;
using policy::matches_pattern;

}  // namespace

bool BudgetExceptions::One::meets(std::string_view whose, const PodName& name, WallTime now) const {
  return expires > now && tenant == whose && (ns.empty() || ns == name.key->ns()) &&
         (pod.empty() || matches_pattern(pod, name.key->name())) &&
         (workflow.empty() || (!name.workflow.empty() && matches_pattern(workflow, name.workflow)));
}

std::vector<std::string> BudgetExceptions::set(std::string_view name, const Json* object) {
  std::vector<std::string> concerned;
  if (const auto before = all_.find(name); before != all_.end()) {
    concerned.push_back(before->second.budget);
    const auto of = by_budget_.find(before->second.budget);
    of->second.erase(std::string(name));
    if (of->second.empty()) by_budget_.erase(of);
    all_.erase(before);
  }
  const std::string_view budget = object ? string_at(*object, {"spec", "budget"}) : std::string_view{};
  // A budget knows nothing of models.
  if (budget.empty() || !string_at(*object, {"spec", "target", "model"}).empty()) return concerned;
  const auto at = [&](std::string_view field) {
    return std::string(string_at(*object, {"spec", "target", field}));
  };
  const auto expires = parse_rfc3339(string_at(*object, {"spec", "expires"}));
  if (!expires) return concerned;
  const One& one =
      all_.insert_or_assign(std::string(name), One{std::string(budget), at("tenant"), at("namespace"),
                                                   at("pod"), at("workflow"), *expires})
          .first->second;
  by_budget_[one.budget][std::string(name)] = &one;
  concerned.emplace_back(budget);
  return concerned;
}

std::vector<std::string> BudgetExceptions::expire(WallTime now) {
  std::vector<std::string> names, budgets;
  for (const auto& [name, one] : all_)
    if (one.expires <= now) names.push_back(name);
  for (const std::string& name : names)
    for (std::string& budget : set(name, nullptr)) budgets.push_back(std::move(budget));
  return budgets;
}

std::optional<WallTime> BudgetExceptions::next() const {
  std::optional<WallTime> first;
  for (const auto& [name, one] : all_) first = std::min(one.expires, first.value_or(one.expires));
  return first;
}

bool BudgetExceptions::lift(std::string_view budget, std::string_view tenant,
                            const std::vector<PodName>& pods, WallTime now) const {
  const auto of = by_budget_.find(budget);
  if (of == by_budget_.end()) return false;
  return std::ranges::all_of(pods, [&](const PodName& pod) {
    return std::ranges::any_of(of->second,
                               [&](const auto& one) { return one.second->meets(tenant, pod, now); });
  });
}

void BudgetExceptions::clear() {
  by_budget_.clear();
  all_.clear();
}

}  // namespace ingot::controllers
