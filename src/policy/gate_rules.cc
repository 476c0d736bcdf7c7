// What the rules of gates ask.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "policy/gate_parts.h"
#include "policy/prices.h"

namespace ingot::policy {
namespace {

using api::Json;
using api::JsonObject;

constexpr size_t kNamed = 3;  // names told in one message
constexpr size_t kLongest = 400;

std::string cut(std::string text) {
  if (text.size() > kLongest) {
    size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
    text += "…";
  }
  return text;
}

std::string listed(const std::vector<std::string>& names) {
  if (names.size() <= kNamed) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{} and {} more", fmt::join(names.begin(), names.begin() + kNamed, ", "),
                     names.size() - kNamed);
}

std::string registry_of(std::string_view name) { return std::string(name.substr(0, name.find('/'))); }

std::string short_digest(std::string_view digest) { return std::string(digest.substr(0, 19)) + "…"; }

std::optional<double> value_of(const JsonObject& metrics, std::string_view name) {
  const Json* value = metrics.if_contains(name);
  if (!value) return std::nullopt;
  if (value->is_double()) return value->get_double();
  if (value->is_int64()) return double(value->get_int64());
  if (value->is_uint64()) return double(value->get_uint64());
  if (!value->is_string() || value->get_string().empty()) return std::nullopt;
  const std::string text(value->get_string());
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size() ? std::optional(number) : std::nullopt;
}

// Without the tail of zeros, and never so short that two different ones read the same.
std::string shown(double value) { return fmt::format("{}", value); }

}  // namespace

// --- security ---

std::optional<Objection> GateSet::Judge::security(const Rule& rule) {
  std::optional<Objection> first;
  size_t others = 0;
  // All of them, for how long the verdict holds depends on every scan.
  for (const ImageUse& use : facts.images)
    if (auto what = image(rule, use)) {
      if (first)
        ++others;
      else
        first = std::move(what);
    }
  if (rule.level) {
    if (const std::string& faults = shape_faults(*rule.level); !faults.empty()) {
      if (first)
        ++others;
      else
        first = Objection{
            fmt::format("it violates Pod Security level \"{}\": {}", to_string(*rule.level), faults),
            "change these fields of the pod, as the level asks"};
    }
  }
  if (first && others > 0) first->reason += fmt::format(" ({} more of this rule)", others);
  return first;
}

std::optional<Objection> GateSet::Judge::image(const Rule& rule, const ImageUse& use) {
  if (use.name.empty())
    return Objection{
        cut(fmt::format("image \"{}\" of {} is no name that can be read", use.reference, use.where)),
        "write it as NAME:TAG or NAME@sha256:DIGEST"};
  if (rule.by_digest && use.by_digest.empty())
    return Objection{
        cut(fmt::format("image \"{}\" of {} is named by a tag, which may be another image tomorrow",
                        use.reference, use.where)),
        use.digest.empty() ? fmt::format("name it by its digest, as {}@sha256:DIGEST", use.name)
                           : fmt::format("name it by its digest: {}@{}", use.name, use.digest)};
  const auto allows = [&](const std::string& pattern) {
    return matches_pattern(pattern, use.name) || pattern == registry_of(use.name);
  };
  if (!rule.registries.empty() && std::ranges::none_of(rule.registries, allows))
    return Objection{cut(fmt::format("image \"{}\" of {} is {}, and only images of {} may run", use.reference,
                                     use.where, use.name, listed(rule.registries))),
                     fmt::format("use an image of {}", listed(rule.registries))};
  return rule.scan_age ? scan(rule, use) : std::nullopt;
}

std::optional<Objection> GateSet::Judge::scan(const Rule& rule, const ImageUse& use) {
  // What runs is what counts; a digest in the reference speaks for an image that is not there yet.
  const std::string& digest = use.digest.empty() ? use.by_digest : use.digest;
  if (digest.empty())
    return Objection{
        cut(fmt::format("image \"{}\" of {} is not in this factory, so that no scan speaks for it",
                        use.reference, use.where)),
        "have it loaded with `ingot image load FILE`, and then scanned"};
  const Scan* newest = newest_scan(digest);
  const auto add = [&] {
    return fmt::format("scan it, and add the report: `ingot image scan add REPORT.json --image {}`",
                       use.reference);
  };
  if (!newest)
    return Objection{
        cut(fmt::format("image \"{}\" of {}{} has no scan report", use.reference, use.where,
                        use.by_digest.empty() ? fmt::format(" ({})", short_digest(digest)) : "")),
        add()};
  if (now - newest->at > *rule.scan_age)
    return Objection{
        cut(fmt::format("the scan of image \"{}\" of {} is of {}, and older than {}", use.reference,
                        use.where, to_rfc3339(newest->at), human_duration(*rule.scan_age))),
        add()};
  good_until(newest->at + std::chrono::ceil<WallTime::duration>(*rule.scan_age));
  for (size_t severity = kSeverities.size() - 1; severity > rule.most_severe; --severity) {
    const int64_t count = newest->findings[severity];
    if (count == 0) continue;
    std::string worst;
    if (!newest->worst.empty()) worst = fmt::format(", as {}", listed(newest->worst));
    return Objection{
        cut(fmt::format("the scan of image \"{}\" of {} has {} finding{} of severity {}{}", use.reference,
                        use.where, count, count == 1 ? "" : "s", kSeverities[severity], worst)),
        fmt::format("use an image without findings above {}", kSeverities[rule.most_severe])};
  }
  return std::nullopt;
}

// Looked for once, however many gates ask.
const GateSet::Scan* GateSet::Judge::newest_scan(const std::string& digest) {
  for (const auto& [of, scan] : scans_seen)
    if (of == digest) return scan;
  const Scan* newest = nullptr;
  if (const auto found = set.scans_.find(digest); found != set.scans_.end())
    for (const auto& [name, one] : found->second)
      if (!newest || one.at > newest->at) newest = &one;
  scans_seen.emplace_back(digest, newest);
  if (newest) out.inputs.push_back({"imagescans/" + newest->name, newest->report});
  return newest;
}

// Looked for once, too.
const std::string& GateSet::Judge::shape_faults(PodSecurityLevel level) {
  static const Json kNone;
  auto& known = security_faults[size_t(level)];
  if (known) return *known;
  known.emplace();
  for (const PodShape& shape : facts.shapes) {
    const auto violations = check_pod(*shape.spec, shape.metadata ? *shape.metadata : kNone, level);
    if (violations.empty()) continue;
    *known = cut(shape.where.empty() ? describe(violations) : shape.where + ": " + describe(violations));
    break;
  }
  return *known;
}

// --- privacy ---

std::optional<Objection> GateSet::Judge::privacy(const Gate& gate, const Rule& rule) {
  const Clearance allowed = std::min(facts.clearance, rule.clearance.value_or(Clearance::Restricted));
  const bool of_tenant = facts.clearance <= allowed;
  std::set<std::string_view> regions;
  for (const DatasetUse& use : facts.datasets) {
    if (!use.known)
      return Objection{cut(fmt::format("data set \"{}\" is not known, nor how secret it is", use.name)),
                       "create the data set, with its classification and region, before the work"};
    const DatasetFact& fact = *use.known;
    if (fact.classification > allowed)
      return Objection{
          cut(fmt::format(
              "data set \"{}\" is {}, and {} may use data up to {}", use.name, to_string(fact.classification),
              of_tenant ? fmt::format("tenant {}", facts.tenant) : "this work", to_string(allowed))),
          of_tenant ? fmt::format("an operator raises spec.clearance of tenant {}", facts.tenant)
                    : "use data of a lower class"};
    const auto outside = [&](const std::vector<std::string>& of) {
      return !of.empty() && std::ranges::find(of, fact.region) == of.end();
    };
    for (const std::vector<std::string>* of : {&rule.regions, &facts.regions}) {
      if (!outside(*of)) continue;
      const std::string whose = of == &rule.regions ? "this rule" : "tenant " + facts.tenant;
      return Objection{fact.region.empty()
                           ? cut(fmt::format("data set \"{}\" does not say its region, and {} allows only {}",
                                             use.name, whose, listed(*of)))
                           : cut(fmt::format("data set \"{}\" is of region {}, and {} allows only {}",
                                             use.name, fact.region, whose, listed(*of))),
                       fact.region.empty() ? "set the data set's spec.region"
                                           : fmt::format("use data of {}", listed(*of))};
    }
    if (!fact.region.empty()) regions.insert(fact.region);
  }
  if (gate.enforced && !out.region.empty() && !exception(gate, rule)) regions.insert(out.region);
  if (regions.size() > 1 && facts.kind == WorkKind::Pod)
    return Objection{cut(fmt::format("its data sets are of regions {}, and no node is in more than one",
                                     fmt::join(regions, " and "))),
                     "read them in pods of their own"};
  // Where the data are the work goes: a pod's node is of that region.
  if (gate.enforced && regions.size() == 1 && !exception(gate, rule)) out.region = *regions.begin();
  return std::nullopt;
}

// --- budget ---

std::optional<Objection> GateSet::Judge::budget(const Rule& rule) {
  if (rule.most_micros) {
    if (!facts.cost_micros && facts.kind == WorkKind::Pod)
      return Objection{"what it will cost is not known", "give it a run time: activeDeadlineSeconds"};
    if (facts.cost_micros && *facts.cost_micros > *rule.most_micros)
      return Objection{fmt::format("it is estimated to cost {}{} {}, and one piece of work may cost {}",
                                   facts.kind == WorkKind::Workflow ? "at least " : "",
                                   shown_micro(*facts.cost_micros), facts.currency, rule.most_text),
                       "ask for fewer GPUs or a shorter run time (activeDeadlineSeconds)"};
  }
  if (!set.desk_) return std::nullopt;
  for (const std::string& name : rule.budgets)
    if (auto what = set.desk_->object(name, facts, now)) return what;
  return std::nullopt;
}

// --- quality ---

std::optional<Objection> GateSet::Judge::quality(const Rule& rule, const JsonObject& metrics,
                                                 const MetricsOf& of) const {
  const std::string train = "train a version whose run logs it, or promote another";
  for (const MetricRule& m : rule.metrics) {
    const auto value = value_of(metrics, m.name);
    if (!value)
      return Objection{cut(fmt::format("the run of {} logged no metric \"{}\"", facts.name, m.name)), train};
    if (std::isnan(*value))
      return Objection{cut(fmt::format("{} of {} is not a number", m.name, facts.name)), train};
    const auto worse = [&](std::string_view sign, std::string_view than, const std::string& text) {
      return Objection{cut(fmt::format("{} of {} is {}, and must be {} {}{}", m.name, facts.name,
                                       shown(*value), sign, text, than)),
                       "train a better version, or promote another"};
    };
    if (m.min && *value < *m.min) return worse("at least", "", m.min_text);
    if (m.max && *value > *m.max) return worse("at most", "", m.max_text);
    if (m.no_worse_than.empty() || !of) continue;
    const auto other = of(m.no_worse_than);
    const auto bar = other ? value_of(*other, m.name) : std::nullopt;
    if (!bar || std::isnan(*bar)) continue;  // the first of its kind
    const double limit = m.higher ? *bar - m.tolerance : *bar + m.tolerance;
    const std::string than = m.tolerance > 0 ? fmt::format(" ({} has {}, tolerance {})", m.no_worse_than,
                                                           shown(*bar), shown(m.tolerance))
                                             : fmt::format(" (as {} has)", m.no_worse_than);
    if (m.higher && *value < limit) return worse("at least", than, shown(limit));
    if (!m.higher && *value > limit) return worse("at most", than, shown(limit));
  }
  return std::nullopt;
}

}  // namespace ingot::policy
