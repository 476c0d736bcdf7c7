#include "apiserver/gates.h"

#include <fmt/format.h>

#include "apiserver/quotas.h"
#include "policy/verdict_record.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using api::string_at;

bool exists(Call& call, std::string_view resource, std::string_view name) {
  return call.factory.nodes().get(resource, "", name) != nullptr;
}

bool is_tenant(Call& call, std::string_view name) {
  return name == kRootCluster.value || exists(call, Factory::kTenants, name);
}

// Who names nobody holds nobody back: most likely by mistake.
void warn_of_unknown(Call& call, const Json& object, std::initializer_list<std::string_view> where) {
  std::string path;
  for (const std::string_view step : where) path += (path.empty() ? "" : ".") + std::string(step);
  const Json* names = api::find(object, where);
  for (const auto& [field, noun, resource] :
       {std::tuple("tenants", "tenant", Factory::kTenants), std::tuple("queues", "queue", kQueues)})
    for (const Json& one : names ? api::array_at(*names, {field}) : api::JsonArray()) {
      const std::string_view name = string_at(one, {});
      const bool known = resource == kQueues ? exists(call, resource, name) : is_tenant(call, name);
      if (!known)
        call.warnings.push_back(
            fmt::format("{}.{} names {} \"{}\", which does not exist", path, field, noun, name));
    }
}

// Promotions are rare, and most gates have nothing to say of them: those are not read.
policy::GateSet quality_gates(Call& call) {
  policy::GateSet gates;
  call.factory.nodes().range(kGates, "", "", [&](const api::ObjectPtr& gate) {
    if (!gate->mentions("\"quality\"")) return true;
    const Json object = gate->parse();
    gates.set_gate(gate->key.name(), &object);
    return true;
  });
  if (gates.empty()) return gates;
  call.factory.nodes().range(kGateExceptions, "", "", [&](const api::ObjectPtr& exception) {
    const Json object = exception->parse();
    if (!gates.digest_of(string_at(object, {"spec", "gate"})).empty())
      gates.set_exception(exception->key.name(), &object);
    return true;
  });
  return gates;
}
}  // namespace

policy::PromotionVerdict judge_promotion(Call& call, const policy::Promotion& asked) {
  const policy::GateSet gates = quality_gates(call);
  const WallTime now = call.services.env.clock.wall();
  policy::PromotionVerdict verdict = policy::judge_promotion(asked, gates, now);
  if (!verdict.gates.gates.empty()) {
    policy::VerdictRow row = policy::verdict_row(verdict.gates, policy::promotion_facts(asked), gates, now);
    call.view.append(std::string(policy::kVerdicts), now, std::move(row.data), std::move(row.unique));
  }
  return verdict;
}

Result<void> admit_gate(Call& call, const Json& object) {
  call.warnings.push_back(
      fmt::format("a {} is kept, and nothing in this version acts on it yet", call.type().kind));
  if (call.type().resource() == kBudgets) {
    warn_of_unknown(call, object, {"spec", "scope"});
    return {};
  }
  warn_of_unknown(call, object, {"spec", "match"});
  const api::JsonArray& rules = api::array_at(object, {"spec", "rules"});
  for (size_t i = 0; i < rules.size(); ++i)
    for (const Json& budget : api::array_at(rules[i], {"budget", "budgets"}))
      if (const std::string_view name = string_at(budget, {}); !exists(call, kBudgets, name))
        call.warnings.push_back(
            fmt::format("spec.rules[{}].budget.budgets names budget \"{}\", which does not exist", i, name));
  return {};
}

Result<void> admit_exception(Call& call, Json& object) {
  api::FieldErrors errors;
  for (const auto& [field, resource] : {std::pair("gate", kGates), std::pair("budget", kBudgets)})
    if (const std::string_view name = string_at(object, {"spec", field});
        !name.empty() && !exists(call, resource, name))
      errors.not_found(api::child("spec", field), Json(std::string(name)));
  const std::string_view tenant = string_at(object, {"spec", "target", "tenant"});
  if (!is_tenant(call, tenant)) errors.not_found("spec.target.tenant", Json(std::string(tenant)));
  const std::string_view expires = string_at(object, {"spec", "expires"});
  const auto until = parse_rfc3339(expires);
  if (!until || *until <= call.services.env.clock.wall())
    errors.invalid("spec.expires", Json(std::string(expires)), "must be a time to come");
  if (!errors.empty())
    return errors.finish(call.type().group, call.type().kind, string_at(object, {"metadata", "name"}));
  api::set(object, {"spec", "approver"}, call.who.name);
  return {};
}

}  // namespace ingot::apiserver
