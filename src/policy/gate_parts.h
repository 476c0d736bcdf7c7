// What gates are compiled to, for gates.cc and its rules alone.
#pragma once

#include <array>
#include <set>

#include "policy/gates.h"
#include "policy/pod_security.h"

namespace ingot::policy {

// By severity: none, low, medium, high, critical.
inline constexpr std::array<std::string_view, 5> kSeverities{"none", "low", "medium", "high", "critical"};

struct MetricRule {
  std::string name, no_worse_than;
  std::optional<double> min, max;
  std::string min_text, max_text;  // as they are written
  double tolerance = 0;
  bool higher = true;
};

struct GateSet::Rule {
  enum class Kind : uint8_t { Budget, Privacy, Quality, Security };
  std::string name;
  Kind kind = Kind::Security;
  // security
  bool by_digest = false;
  std::vector<std::string> registries;
  std::optional<Duration> scan_age;
  size_t most_severe = 2;  // of kSeverities
  std::optional<PodSecurityLevel> level;
  // privacy
  std::optional<Clearance> clearance;
  std::vector<std::string> regions;
  // budget
  std::vector<std::string> budgets;
  std::optional<int64_t> most_micros;
  std::string most_text;
  // quality
  std::vector<MetricRule> metrics;
};

struct GateSet::Gate {
  std::string name, digest;
  std::set<std::string, std::less<>> tenants, queues;  // empty: all
  std::vector<std::string> pipelines, models;          // patterns; empty: all
  bool enforced = true;
  bool of_work = false;  // has something to say of pods and Workflows
  std::vector<Rule> rules;
  size_t place = 0;  // in the order of names
};

struct GateSet::Exception {
  std::string name, rule, tenant, ns, pod, workflow, model, approver;  // rule "": every rule
  WallTime expires;
};

struct GateSet::Scan {
  std::string name, report;
  WallTime at;
  std::array<int64_t, 5> findings{};  // by kSeverities; none is not used
  std::vector<std::string> worst;
};

// One question, answered gate by gate.
struct GateSet::Judge {
  const GateSet& set;
  const Facts& facts;
  WallTime now;
  Verdict out;
  std::array<std::optional<std::string>, 3> security_faults{};  // of all shapes, by level; "": none

  std::vector<std::pair<std::string_view, const Scan*>> scans_seen{};  // by digest of the work's images

  void ask(const Gate&);
  void ask(const Gate&, const api::JsonObject& metrics, const MetricsOf&);
  void object(const Gate&, const Rule&, std::string_view kind, Objection);
  const Exception* exception(const Gate&, const Rule&) const;
  void good_until(WallTime);

  std::optional<Objection> security(const Rule&);
  std::optional<Objection> image(const Rule&, const ImageUse&);
  std::optional<Objection> scan(const Rule&, const ImageUse&);
  const Scan* newest_scan(const std::string& digest);
  std::optional<Objection> privacy(const Gate&, const Rule&);
  std::optional<Objection> budget(const Rule&);
  std::optional<Objection> quality(const Rule&, const api::JsonObject& metrics, const MetricsOf&) const;
  const std::string& shape_faults(PodSecurityLevel);
};

}  // namespace ingot::policy
