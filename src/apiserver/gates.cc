#include "apiserver/gates.h"

#include <fmt/format.h>

#include <algorithm>

#include "apiserver/quotas.h"
#include "apiserver/status.h"
#include "policy/verdict_record.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using api::string_at;

constexpr std::string_view kPriceLists = "pricelists.factory.ingot.dev";

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
  if (call.type().resource() == kBudgets) {
    if (const api::ObjectPtr list = call.factory.nodes().get(kPriceLists, "", "default")) {
      const Json said = list->parse();
      const std::string_view prices = string_at(said, {"spec", "currency"}),
                             currency = string_at(object, {"spec", "currency"});
      if (prices != currency)
        call.warnings.push_back(fmt::format(
            "spec.currency is {}, and prices (PriceList default) are in {}: nobody knows what is left of "
            "it, so new work waits where a limit would hold it; make both the same",
            currency, prices));
    }
    warn_of_unknown(call, object, {"spec", "scope"});
    return {};
  }
  warn_of_unknown(call, object, {"spec", "match"});
  const bool of_models = !api::array_at(object, {"spec", "match", "models"}).empty();
  const api::JsonArray& rules = api::array_at(object, {"spec", "rules"});
  for (size_t i = 0; i < rules.size(); ++i) {
    for (const Json& budget : api::array_at(rules[i], {"budget", "budgets"}))
      if (const std::string_view name = string_at(budget, {}); !exists(call, kBudgets, name))
        call.warnings.push_back(
            fmt::format("spec.rules[{}].budget.budgets names budget \"{}\", which does not exist", i, name));
    if (of_models && !api::find(rules[i], {"quality"}))
      call.warnings.push_back(fmt::format(
          "spec.rules[{}] is never asked: a gate with spec.match.models is for promotions, and this rule "
          "is for pods; make a gate without models for it",
          i));
  }
  return {};
}

Result<void> keep_images(Call& call, const Json& before, const Json& after) {
  if (string_at(before, {"spec", "nodeName"}).empty()) return {};
  std::string_view changed;
  for (const std::string_view list : {"containers", "initContainers"}) {
    const api::JsonArray &was = api::array_at(before, {"spec", list}),
                         &now = api::array_at(after, {"spec", list});
    for (size_t i = 0; i < now.size(); ++i)
      if (i >= was.size() || string_at(was[i], {"image"}) != string_at(now[i], {"image"}))
        changed = string_at(now[i], {"image"});
  }
  if (changed.data() == nullptr) return {};
  std::string gate;
  call.factory.nodes().range(kGates, "", "", [&](const api::ObjectPtr& object) {
    if (!object->mentions("\"security\"")) return true;
    const Json json = object->parse();
    const api::JsonArray& tenants = api::array_at(json, {"spec", "match", "tenants"});
    const bool mine = tenants.empty() || std::ranges::any_of(tenants, [&](const Json& t) {
                        return string_at(t, {}) == call.tenant;
                      });
    const bool secures = std::ranges::any_of(api::array_at(json, {"spec", "rules"}),
                                             [](const Json& rule) { return api::find(rule, {"security"}); });
    if (mine && secures && string_at(json, {"spec", "enforcement"}) != "Warn") gate = object->key.name();
    return gate.empty();
  });
  if (gate.empty()) return {};
  return fail(
      forbidden(call.type(), call.route().name,
                fmt::format("gate {} judged its images before it was placed, so they stay as they are: "
                            "delete the pod, and create one with image \"{}\"",
                            gate, changed)));
}

Result<void> admit_exception(Call& call, Json& object) {
  api::FieldErrors errors;
  for (const auto& [field, resource] : {std::pair("gate", kGates), std::pair("budget", kBudgets)})
    if (const std::string_view name = string_at(object, {"spec", field});
        !name.empty() && !exists(call, resource, name))
      errors.not_found(api::child("spec", field), Json(std::string(name)));
  const std::string_view named_gate = string_at(object, {"spec", "gate"});
  const api::ObjectPtr gate = named_gate.empty() ? nullptr : call.factory.nodes().get(kGates, "", named_gate);
  if (const std::string_view rule = string_at(object, {"spec", "rule"}); gate && !rule.empty()) {
    const Json of = gate->parse();
    const api::JsonArray& rules = api::array_at(of, {"spec", "rules"});
    if (std::ranges::none_of(rules, [&](const Json& r) { return string_at(r, {"name"}) == rule; }))
      errors.not_found("spec.rule", Json(std::string(rule)));
  }
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
