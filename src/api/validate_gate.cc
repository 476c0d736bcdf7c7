// Gate, GateException and ImageScan as they stand alone.
#include <set>

#include "api/names.h"
#include "api/validate.h"
#include "base/digest.h"
#include "base/time.h"

namespace ingot::api {
namespace {

constexpr size_t kMostNames = 1'000, kMostRules = 32, kMostPatterns = 100, kMostMetrics = 32;
constexpr size_t kLongestPattern = 253, kLongestReason = 1'024, kMostWorst = 50, kLongestText = 256;

bool plain(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}

void names(const Json& object, std::string_view field, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(object, {field});
  const std::string at = child(path, field);
  if (list.size() > kMostNames) errors.too_many(at, list.size(), kMostNames);
  for (size_t i = 0; i < std::min(list.size(), kMostNames); ++i)
    errors.check(item(at, i), text(list[i]), dns_label_fault(text(list[i])));
}

void patterns(const Json& object, std::string_view field, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(object, {field});
  const std::string at = child(path, field);
  if (list.size() > kMostPatterns) errors.too_many(at, list.size(), kMostPatterns);
  for (size_t i = 0; i < std::min(list.size(), kMostPatterns); ++i)
    if (const std::string_view p = text(list[i]); p.empty() || p.size() > kLongestPattern || !plain(p))
      errors.invalid(item(at, i), list[i], "must be a name or a pattern with *, of 1 to 253 bytes");
}

// "0.95", "-1.5".
bool is_number(std::string_view value) {
  if (value.starts_with('-')) value.remove_prefix(1);
  return is_price(value);
}

void metrics(const Json& rule, const std::string& path, FieldErrors& errors) {
  const JsonArray& list = array_at(rule, {"metrics"});
  const std::string at = child(path, "metrics");
  if (list.empty()) errors.required(at, "a quality rule needs a metric");
  if (list.size() > kMostMetrics) errors.too_many(at, list.size(), kMostMetrics);
  for (size_t i = 0; i < std::min(list.size(), kMostMetrics); ++i) {
    const std::string here = item(at, i);
    if (const std::string_view name = string_at(list[i], {"name"}); name.size() > 250 || !plain(name))
      errors.invalid(child(here, "name"), *find(list[i], {"name"}),
                     "must be a metric's name, of up to 250 bytes");
    bool bounded = !string_at(list[i], {"noWorseThan"}).empty();
    for (const std::string_view field : {"min", "max", "tolerance"}) {
      const std::string_view value = string_at(list[i], {field});
      if (value.empty()) continue;
      bounded = bounded || field != "tolerance";
      if (!is_number(value) || (field == "tolerance" && value.starts_with('-')))
        errors.invalid(child(here, field), *find(list[i], {field}),
                       "must be a number as text, such as \"0.95\"");
    }
    if (!bounded) errors.required(child(here, "min"), "give min, max or noWorseThan");
  }
}

void security(const Json& rule, const std::string& path, FieldErrors& errors) {
  patterns(rule, "registries", path, errors);
  const bool asks = bool_at(rule, {"imagesByDigest"}) || !array_at(rule, {"registries"}).empty() ||
                    find(rule, {"scan"}) || !string_at(rule, {"podSecurity"}).empty();
  if (!asks) errors.required(path, "give imagesByDigest, registries, scan or podSecurity");
  if (!find(rule, {"scan"})) return;
  const auto age = parse_duration(string_at(rule, {"scan", "maxAge"}));
  if (!age || *age < std::chrono::minutes(1) || *age > std::chrono::days(3'660))
    errors.invalid(child(path, "scan.maxAge"), Json(std::string(string_at(rule, {"scan", "maxAge"}))),
                   "must be a duration such as \"720h\" or \"30d\", of a minute at least");
}

void budget(const Json& rule, const std::string& path, FieldErrors& errors) {
  names(rule, "budgets", path, errors);
  const std::string_view cost = string_at(rule, {"maxCost"});
  if (!cost.empty() && !is_price(cost))
    errors.invalid(child(path, "maxCost"), *find(rule, {"maxCost"}),
                   "must be an amount: digits with an optional fraction, such as \"50.00\"");
  if (cost.empty() && array_at(rule, {"budgets"}).empty()) errors.required(path, "give budgets or maxCost");
}

void regions(const Json& rule, const std::string& path, FieldErrors& errors) {
  const JsonArray& list = array_at(rule, {"regions"});
  if (list.size() > kMostPatterns) errors.too_many(child(path, "regions"), list.size(), kMostPatterns);
  for (size_t i = 0; i < std::min(list.size(), kMostPatterns); ++i)
    errors.check(item(child(path, "regions"), i), text(list[i]), label_value_fault(text(list[i])));
}

void rule(const Json& r, const std::string& path, FieldErrors& errors) {
  errors.check(child(path, "name"), string_at(r, {"name"}), dns_label_fault(string_at(r, {"name"})));
  using Judge = void (*)(const Json&, const std::string&, FieldErrors&);
  constexpr std::pair<std::string_view, Judge> kKinds[] = {
      {"budget", budget}, {"privacy", regions}, {"quality", metrics}, {"security", security}};
  int kinds = 0;
  for (const auto& [field, judge] : kKinds)
    if (const Json* one = find(r, {field})) {
      ++kinds;
      judge(*one, child(path, field), errors);
    }
  if (kinds != 1)
    errors.invalid(path, Json(std::string(string_at(r, {"name"}))),
                   "must have exactly one of budget, privacy, quality, security");
}

}  // namespace

void validate_gate(const Subject& s) {
  const std::string_view name = string_at(s.object, {"metadata", "name"});
  s.errors.check("metadata.name", name, name.empty() ? "" : dns_label_fault(name));
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  if (const Json* match = find(*spec, {"match"})) {
    names(*match, "tenants", "spec.match", s.errors);
    names(*match, "queues", "spec.match", s.errors);
    patterns(*match, "pipelines", "spec.match", s.errors);
    patterns(*match, "models", "spec.match", s.errors);
  }
  const JsonArray& rules = array_at(*spec, {"rules"});
  if (rules.empty()) s.errors.required("spec.rules", "a gate needs a rule");
  if (rules.size() > kMostRules) s.errors.too_many("spec.rules", rules.size(), kMostRules);
  std::set<std::string_view> seen;
  for (size_t i = 0; i < std::min(rules.size(), kMostRules); ++i) {
    rule(rules[i], item("spec.rules", i), s.errors);
    if (const std::string_view own = string_at(rules[i], {"name"}); !own.empty() && !seen.insert(own).second)
      s.errors.duplicate(child(item("spec.rules", i), "name"), Json(std::string(own)));
  }
}

void validate_gate_exception(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  if (s.before && !same(spec, find(*s.before, {"spec"}))) {
    s.errors.forbidden("spec", "an exception never changes: delete it and make another");
    return;
  }
  const std::string_view gate = string_at(*spec, {"gate"}), of_budget = string_at(*spec, {"budget"});
  if (gate.empty() == of_budget.empty())
    s.errors.invalid("spec.gate", Json(std::string(gate)), "give exactly one of spec.gate and spec.budget");
  for (const auto& [field, value] : {std::pair("spec.gate", gate), {"spec.budget", of_budget}})
    if (!value.empty()) s.errors.check(field, value, dns_label_fault(value));
  if (const std::string_view one = string_at(*spec, {"rule"}); !one.empty()) {
    s.errors.check("spec.rule", one, dns_label_fault(one));
    if (gate.empty()) s.errors.forbidden("spec.rule", "a budget has no rules");
  }
  const std::string_view reason = string_at(*spec, {"reason"});
  if (reason.size() > kLongestReason) s.errors.too_long("spec.reason", kLongestReason);
  if (!plain(reason)) s.errors.invalid("spec.reason", *find(*spec, {"reason"}), "must be one line of text");
  const Json* target = find(*spec, {"target"});
  if (!target) return;
  const std::string_view tenant = string_at(*target, {"tenant"});
  if (!tenant.empty()) s.errors.check("spec.target.tenant", tenant, dns_label_fault(tenant));
  if (const std::string_view ns = string_at(*target, {"namespace"}); !ns.empty())
    s.errors.check("spec.target.namespace", ns, dns_label_fault(ns));
  int named = 0;
  for (const std::string_view field : {"pod", "workflow", "model"}) {
    const std::string_view value = string_at(*target, {field});
    if (value.empty()) continue;
    ++named;
    if (value.size() > kLongestPattern || !plain(value))
      s.errors.invalid(child("spec.target", field), *find(*target, {field}),
                       "must be a name or a pattern with *, of 1 to 253 bytes");
  }
  if (!of_budget.empty() && !string_at(*target, {"model"}).empty())
    s.errors.forbidden("spec.target.model", "budgets are of pods and their Workflows, not of models");
  if (named > 1) s.errors.invalid("spec.target", *target, "give at most one of pod, workflow, model");
}

void validate_image_scan(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  for (const std::string_view field : {"digest", "report"}) {
    const std::string_view digest = string_at(*spec, {field});
    if (!digest.empty() && !Digest::parse(digest))
      s.errors.invalid(child("spec", field), Json(std::string(digest)),
                       "must be \"sha256:\" and 64 lower case hexadecimal digits");
  }
  if (const Json* findings = find(*spec, {"findings"}))
    for (const std::string_view field : {"critical", "high", "medium", "low", "unknown"})
      at_least(*findings, field, 0, "spec.findings", s.errors);
  const JsonArray& worst = array_at(*spec, {"worst"});
  if (worst.size() > kMostWorst) s.errors.too_many("spec.worst", worst.size(), kMostWorst);
  for (size_t i = 0; i < std::min(worst.size(), kMostWorst); ++i)
    if (text(worst[i]).size() > kLongestText || !plain(text(worst[i])))
      s.errors.invalid(item("spec.worst", i), worst[i], "must be one line of up to 256 bytes");
  if (string_at(*spec, {"scanner"}).size() > kLongestText) s.errors.too_long("spec.scanner", kLongestText);
}

}  // namespace ingot::api
