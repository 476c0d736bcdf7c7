// Where a pod may run, and whether a node is such a place: node selector, required node affinity, taints.
// Pure values and functions; any thread. Semantics: k8s.io/component-helpers/scheduling/corev1 and core/v1
// types.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::scheduler {

enum class Effect : uint8_t { NoSchedule, PreferNoSchedule, NoExecute };
std::optional<Effect> parse_effect(std::string_view);
std::string_view to_string(Effect);

struct Taint {
  std::string key, value;
  Effect effect = Effect::NoSchedule;
  bool operator==(const Taint&) const = default;
};

struct Toleration {
  std::string key;  // "" with Exists: every key
  bool exists = false;
  std::string value;
  std::optional<Effect> effect;    // none: every effect
  std::optional<int64_t> seconds;  // of a NoExecute taint; none: for ever
  bool tolerates(const Taint&) const;
};

struct Requirement {
  enum class Op : uint8_t {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
    Never
  };  // Never: an operator nobody knows
  std::string key;
  Op op = Op::In;
  std::vector<std::string> values;
};

// All requirements must hold; a term without any matches nothing.
struct Term {
  std::vector<Requirement> labels;
  std::vector<Requirement> fields;  // only metadata.name exists
};

struct Constraints {
  std::map<std::string, std::string> selector;
  std::optional<std::vector<Term>> affinity;  // one of the terms must match
  std::vector<Toleration> tolerations;
  std::string node;  // "" or the only node it may run on: a tenant's proposal
  // Equal texts, equal constraints.
  std::string text() const;
};

using Labels = std::map<std::string, std::string>;

// A label selector's requirements; none match everything.
bool matches_all(const std::vector<Requirement>&, const Labels&);
bool matches_term(const Term&, std::string_view node_name, const Labels&);
bool matches_selector(const Constraints&, const Labels&);
bool matches_affinity(const Constraints&, std::string_view node_name, const Labels&);
// The first NoSchedule or NoExecute taint that is not tolerated; nullptr if there is none.
const Taint* blocking_taint(const Constraints&, const std::vector<Taint>&);
int disliked_taints(const Constraints&, const std::vector<Taint>&);  // PreferNoSchedule, not tolerated
// Appends text from which equal requirements, and only those, read equal: length-prefixed, so that no value can
// pass for two.
void put_text(std::string& out, std::string_view);
void put_text(std::string& out, const std::vector<Requirement>&);
void put_text(std::string& out, const Term&);

}  // namespace ingot::scheduler
