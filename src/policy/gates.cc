#include "policy/gates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/digest.h"
#include "policy/gate_parts.h"
#include "policy/prices.h"

namespace ingot::policy {
namespace {

using api::Json;
using api::string_at;

constexpr size_t kMostFindings = 32;  // of one verdict: who is held needs no more

std::vector<std::string> texts(const Json& object, std::initializer_list<std::string_view> path) {
  std::vector<std::string> out;
  for (const Json& one : api::array_at(object, path)) out.emplace_back(string_at(one, {}));
  return out;
}

std::optional<double> number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return std::strtod(std::string(text).c_str(), nullptr);
}

MetricRule metric_rule(const Json& from) {
  MetricRule m{.name = std::string(string_at(from, {"name"})),
               .no_worse_than = std::string(string_at(from, {"noWorseThan"})),
               .min = number(string_at(from, {"min"})),
               .max = number(string_at(from, {"max"})),
               .min_text = std::string(string_at(from, {"min"})),
               .max_text = std::string(string_at(from, {"max"})),
               .higher = string_at(from, {"better"}) != "lower"};
  m.tolerance = number(string_at(from, {"tolerance"})).value_or(0);
  return m;
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(patterns, [&](const std::string& p) { return matches_pattern(p, text); });
}

bool may_be_of(const std::vector<std::string>& patterns, const Facts& facts) {
  if (patterns.empty() || !facts.pipeline_known) return true;
  return std::ranges::any_of(facts.pipelines, [&](const std::string& p) { return any_matches(patterns, p); });
}

}  // namespace

struct GateSet::Index {
  std::map<std::string, std::vector<const Gate*>, std::less<>> by_tenant, by_queue;
  std::vector<const Gate*> any;
  bool privacy = false;
};

GateSet::GateSet() = default;
GateSet::~GateSet() = default;
GateSet::GateSet(GateSet&&) noexcept = default;
GateSet& GateSet::operator=(GateSet&&) noexcept = default;

std::string Finding::text() const {
  return fmt::format("gate {}, rule {}: {}; {}", gate, rule, reason, way_out);
}

const Finding* Verdict::held_by() const {
  const auto found = std::ranges::find_if(findings, &Finding::holds);
  return found == findings.end() ? nullptr : &*found;
}

std::string Verdict::text() const {
  std::string out = fmt::format("{}", fmt::join(gates, ","));
  for (const Finding& f : findings)
    out += fmt::format("\n{} {} {}", f.text(), f.enforced ? "enforced" : "warned", f.exception);
  return out;
}

namespace {

template <class RuleOf>
void read_rule(RuleOf& rule, const Json& from) {
  using Kind = typename RuleOf::Kind;
  rule.name = string_at(from, {"name"});
  if (const Json* security = api::find(from, {"security"})) {
    rule.kind = Kind::Security;
    rule.by_digest = api::bool_at(*security, {"imagesByDigest"});
    rule.registries = texts(*security, {"registries"});
    if (const Json* scan = api::find(*security, {"scan"})) {
      rule.scan_age = parse_duration(string_at(*scan, {"maxAge"})).value_or(std::chrono::hours(720));
      const auto most = std::ranges::find(kSeverities, string_at(*scan, {"maxSeverity"}));
      if (most != kSeverities.end()) rule.most_severe = size_t(most - kSeverities.begin());
    }
    if (const std::string_view level = string_at(*security, {"podSecurity"}); !level.empty())
      rule.level = parse_level(level).value_or(PodSecurityLevel::Restricted);
  } else if (const Json* privacy = api::find(from, {"privacy"})) {
    rule.kind = Kind::Privacy;
    rule.clearance = parse_clearance(string_at(*privacy, {"clearance"}));
    rule.regions = texts(*privacy, {"regions"});
  } else if (const Json* budget = api::find(from, {"budget"})) {
    rule.kind = Kind::Budget;
    rule.budgets = texts(*budget, {"budgets"});
    rule.most_text = string_at(*budget, {"maxCost"});
    rule.most_micros = parse_amount(rule.most_text);
  } else {
    rule.kind = Kind::Quality;
    for (const Json& metric : api::array_at(from, {"quality", "metrics"}))
      rule.metrics.push_back(metric_rule(metric));
  }
}

}  // namespace

void GateSet::set_gate(std::string_view name, const Json* object) {
  index_.reset();
  if (!object) {
    if (const auto known = gates_.find(name); known != gates_.end()) gates_.erase(known);
    return;
  }
  auto gate = std::make_unique<Gate>();
  gate->name = name;
  const Json* spec = api::find(*object, {"spec"});
  gate->digest = Digest::of(spec ? api::to_text(*spec) : "").text();
  for (const auto& [field, to] : {std::pair("tenants", &gate->tenants), std::pair("queues", &gate->queues)})
    for (std::string& one : texts(*object, {"spec", "match", field})) to->insert(std::move(one));
  gate->pipelines = texts(*object, {"spec", "match", "pipelines"});
  gate->models = texts(*object, {"spec", "match", "models"});
  gate->enforced = string_at(*object, {"spec", "enforcement"}) != "Warn";
  for (const Json& from : api::array_at(*object, {"spec", "rules"})) {
    Rule rule;
    read_rule(rule, from);
    gate->of_work = gate->of_work || (gate->models.empty() && rule.kind != Rule::Kind::Quality);
    gate->rules.push_back(std::move(rule));
  }
  gates_.insert_or_assign(std::string(name), std::move(gate));
}

void GateSet::set_exception(std::string_view name, const Json* object) {
  if (const auto before = exception_gates_.find(name); before != exception_gates_.end()) {
    const auto of_gate = exceptions_.find(before->second);
    of_gate->second.erase(std::string(name));
    if (of_gate->second.empty()) exceptions_.erase(of_gate);
    exception_gates_.erase(before);
  }
  if (!object) return;
  const std::string gate(string_at(*object, {"spec", "gate"}));
  const auto expires = parse_rfc3339(string_at(*object, {"spec", "expires"}));
  if (gate.empty() || !expires) return;  // of a budget
  const auto target = [&](std::string_view field) {
    return std::string(string_at(*object, {"spec", "target", field}));
  };
  exceptions_[gate][std::string(name)] = {.name = std::string(name),
                                          .rule = std::string(string_at(*object, {"spec", "rule"})),
                                          .tenant = target("tenant"),
                                          .ns = target("namespace"),
                                          .pod = target("pod"),
                                          .workflow = target("workflow"),
                                          .model = target("model"),
                                          .approver = std::string(string_at(*object, {"spec", "approver"})),
                                          .expires = *expires};
  exception_gates_[std::string(name)] = gate;
}

void GateSet::set_scan(std::string_view name, const Json* object) {
  if (const auto before = scan_digests_.find(name); before != scan_digests_.end()) {
    const auto of_image = scans_.find(before->second);
    of_image->second.erase(std::string(name));
    if (of_image->second.empty()) scans_.erase(of_image);
    scan_digests_.erase(before);
  }
  if (!object) return;
  const std::string digest(string_at(*object, {"spec", "digest"}));
  const auto at = parse_rfc3339(string_at(*object, {"spec", "scannedAt"}));
  if (digest.empty() || !at) return;
  const auto count = [&](std::string_view severity) {
    return std::max<int64_t>(api::int_at(*object, {"spec", "findings", severity}).value_or(0), 0);
  };
  // What nobody has rated counts as low: there is something, and nobody says that it is worse.
  scans_[digest][std::string(name)] = {
      .name = std::string(name),
      .report = std::string(string_at(*object, {"spec", "report"})),
      .at = *at,
      .findings = {0, count("low") + count("unknown"), count("medium"), count("high"), count("critical")},
      .worst = texts(*object, {"spec", "worst"})};
  scan_digests_[std::string(name)] = digest;
}

void GateSet::set_desk(const BudgetDesk* desk) { desk_ = desk; }

bool GateSet::empty() const { return gates_.empty(); }

const GateSet::Index& GateSet::index() const {
  if (index_) return *index_;
  index_ = std::make_unique<Index>();
  size_t place = 0;
  for (const auto& [name, gate] : gates_) {
    gate->place = place++;
    for (const Rule& rule : gate->rules)
      index_->privacy = index_->privacy || (gate->of_work && rule.kind == Rule::Kind::Privacy);
    if (!gate->tenants.empty())
      for (const std::string& tenant : gate->tenants) index_->by_tenant[tenant].push_back(gate.get());
    else if (!gate->queues.empty())
      for (const std::string& queue : gate->queues) index_->by_queue[queue].push_back(gate.get());
    else
      index_->any.push_back(gate.get());
  }
  return *index_;
}

std::vector<const GateSet::Gate*> GateSet::candidates(std::string_view tenant,
                                                      const std::vector<std::string>& queues) const {
  const Index& all = index();
  std::vector<const Gate*> out = all.any;
  const auto add = [&](const auto& from, std::string_view key) {
    if (const auto found = from.find(key); found != from.end())
      out.insert(out.end(), found->second.begin(), found->second.end());
  };
  add(all.by_tenant, tenant);
  for (const std::string& queue : queues) add(all.by_queue, queue);
  std::ranges::sort(out, {}, &Gate::place);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

namespace {
bool one_of(const auto& names, const std::vector<std::string>& queues) {
  return names.empty() ||
         std::ranges::any_of(queues, [&](const std::string& q) { return names.contains(q); });
}
}  // namespace

bool GateSet::concerns(std::string_view tenant, const std::vector<std::string>& queues) const {
  if (gates_.empty()) return false;
  const Index& all = index();
  const auto speaks = [&](const std::vector<const Gate*>& gates) {
    return std::ranges::any_of(gates, [&](const Gate* g) { return g->of_work && one_of(g->queues, queues); });
  };
  if (speaks(all.any)) return true;
  if (const auto own = all.by_tenant.find(tenant); own != all.by_tenant.end() && speaks(own->second))
    return true;
  return std::ranges::any_of(queues, [&](const std::string& queue) {
    const auto of = all.by_queue.find(queue);
    return of != all.by_queue.end() && speaks(of->second);
  });
}

bool GateSet::privacy() const { return index().privacy; }

Verdict GateSet::judge(const Facts& facts, WallTime now) const {
  Judge judge{.set = *this, .facts = facts, .now = now};
  const std::vector<const Gate*> asked = candidates(facts.tenant, facts.queues);
  judge.out.gates.reserve(asked.size());
  for (const Gate* gate : asked) {
    if (!gate->of_work || !one_of(gate->queues, facts.queues) || !may_be_of(gate->pipelines, facts)) continue;
    judge.ask(*gate);
    if (judge.out.findings.size() >= kMostFindings && judge.out.holds()) break;
  }
  return std::move(judge.out);
}

Verdict GateSet::judge_promotion(const Facts& facts, const api::JsonObject& metrics, const MetricsOf& of,
                                 WallTime now) const {
  Judge judge{.set = *this, .facts = facts, .now = now};
  // A version does not say in which queue it was made: gates for any are for it too.
  for (const auto& [name, gate] : gates_) {
    if (!gate->tenants.empty() && !gate->tenants.contains(facts.tenant)) continue;
    if (!gate->models.empty() && !any_matches(gate->models, facts.model)) continue;
    if (!may_be_of(gate->pipelines, facts)) continue;
    judge.ask(*gate, metrics, of);
    if (judge.out.findings.size() >= kMostFindings && judge.out.holds()) break;
  }
  return std::move(judge.out);
}

std::string GateSet::digest_of(std::string_view gate) const {
  const auto found = gates_.find(gate);
  return found == gates_.end() ? "" : found->second->digest;
}

// --- one question ---

void GateSet::Judge::good_until(WallTime at) { out.until = out.until ? std::min(*out.until, at) : at; }

const GateSet::Exception* GateSet::Judge::exception(const Gate& gate, const Rule& rule) const {
  const auto found = set.exceptions_.find(gate.name);
  if (found == set.exceptions_.end()) return nullptr;
  const Exception* longest = nullptr;
  for (const auto& [name, e] : found->second) {
    if (e.expires <= now || e.tenant != facts.tenant || (!e.rule.empty() && e.rule != rule.name)) continue;
    if (!e.ns.empty() && (facts.ns.empty() || e.ns != facts.ns)) continue;
    if (!e.pod.empty() && (facts.kind != WorkKind::Pod || !matches_pattern(e.pod, facts.name))) continue;
    if (!e.workflow.empty() && (facts.workflow.empty() || !matches_pattern(e.workflow, facts.workflow)))
      continue;
    if (!e.model.empty() && (facts.kind != WorkKind::Promotion || !matches_pattern(e.model, facts.model)))
      continue;
    if (!longest || e.expires > longest->expires) longest = &e;
  }
  return longest;
}

void GateSet::Judge::object(const Gate& gate, const Rule& rule, std::string_view kind, Objection what) {
  Finding finding{.gate = gate.name,
                  .rule = rule.name,
                  .kind = kind,
                  .enforced = gate.enforced,
                  .reason = std::move(what.reason),
                  .way_out = std::move(what.way_out) + ", or ask an operator for an exception"};
  if (const Exception* lifted = exception(gate, rule)) {
    finding.exception = lifted->name;
    finding.approver = lifted->approver;
    good_until(lifted->expires);
  }
  out.findings.push_back(std::move(finding));
}

void GateSet::Judge::ask(const Gate& gate) {
  out.gates.push_back(gate.name);
  for (const Rule& rule : gate.rules) {
    switch (rule.kind) {
      case Rule::Kind::Quality:
        break;
      case Rule::Kind::Security:
        if (auto what = security(rule)) object(gate, rule, "security", *std::move(what));
        break;
      case Rule::Kind::Privacy:
        if (auto what = privacy(gate, rule)) object(gate, rule, "privacy", *std::move(what));
        break;
      case Rule::Kind::Budget:
        if (auto what = budget(rule)) object(gate, rule, "budget", *std::move(what));
    }
  }
}

void GateSet::Judge::ask(const Gate& gate, const api::JsonObject& metrics, const MetricsOf& of) {
  bool asked = false;
  for (const Rule& rule : gate.rules) {
    if (rule.kind != Rule::Kind::Quality) continue;
    if (!std::exchange(asked, true)) out.gates.push_back(gate.name);
    if (auto what = quality(rule, metrics, of)) object(gate, rule, "quality", *std::move(what));
  }
}

}  // namespace ingot::policy
