// Gates, their exceptions and the scans of images, and what they say of a piece of work. Pure; one thread at a time.
//
// A gate without `match.models` is asked of pods, and of Workflows as a whole: its rules on security, privacy and budgets.
// Its rules on quality are asked at promotions, as are those of gates that name models; such a gate says nothing of pods, for
// nobody knows of which model they are before they made it.
// Invariants: what cannot be known counts against the work, never for it; every finding has a way out; an exception lifts
// the one finding of its gate and rule, for its target, until it expires; verdicts come in the order of the gates' names.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/text_map.h"
#include "base/time.h"
#include "policy/work_facts.h"

namespace ingot::policy {

inline constexpr std::string_view kGates = "gates.factory.ingot.dev",
                                  kGateExceptions = "gateexceptions.factory.ingot.dev",
                                  kImageScans = "imagescans.factory.ingot.dev";
inline constexpr std::string_view kRegionLabel = "topology.kubernetes.io/region";

struct Objection {
  std::string reason, way_out;
};

// One rule that is not kept.
struct Finding {
  std::string gate, rule;
  std::string_view kind;  // "budget", "privacy", "quality", "security"
  bool enforced = true;
  std::string reason, way_out;
  std::string exception, approver;  // that lift it; "": none does
  bool holds() const { return enforced && exception.empty(); }
  // "gate NAME, rule RULE: REASON; WAY OUT".
  std::string text() const;
};

// What a verdict rests on, besides the work itself.
struct VerdictInput {
  std::string uri, digest;  // "imagescans/NAME" and its report's digest
};

struct Verdict {
  std::vector<std::string> gates;  // that were asked
  std::vector<Finding> findings;
  std::vector<VerdictInput> inputs;
  std::optional<WallTime>
      until;           // when an exception expires or a scan is too old, and it must be judged again
  std::string region;  // the only one whose nodes may run it; "": any
  const Finding* held_by() const;  // nullptr: it may go on
  bool holds() const { return held_by() != nullptr; }
  // The same text for the same verdict, whenever it is judged.
  std::string text() const;
};

// Who counts money. The rules on budgets ask it.
struct BudgetDesk {
  virtual ~BudgetDesk() = default;
  // What speaks against work that counts in this budget; none: nothing does.
  virtual std::optional<Objection> object(std::string_view budget, const Facts&, WallTime now) const = 0;
};

// Metrics by name, of the version of a model that an alias names now; none: it names none.
using MetricsOf = std::function<std::optional<api::JsonObject>(std::string_view alias)>;

class GateSet {
 public:
  GateSet();
  ~GateSet();
  GateSet(GateSet&&) noexcept;
  GateSet& operator=(GateSet&&) noexcept;

  // nullptr: it is gone.
  void set_gate(std::string_view name, const api::Json*);
  void set_exception(std::string_view name, const api::Json*);
  void set_scan(std::string_view name, const api::Json*);
  // It outlives the set; nullptr: nobody counts money, and the rules on budgets by name hold nothing.
  void set_desk(const BudgetDesk*);

  bool empty() const;
  // Whether some gate may have a say in such work, a pod or a Workflow. Quick: it is asked of every pod.
  bool concerns(std::string_view tenant, const std::vector<std::string>& queues) const;
  bool privacy() const;  // some gate has a rule on privacy

  Verdict judge(const Facts&, WallTime now) const;
  // `metrics`: of the version that is to be promoted.
  Verdict judge_promotion(const Facts&, const api::JsonObject& metrics, const MetricsOf& of,
                          WallTime now) const;

  // Of a gate as it is now, by its text: "sha256:…"; "": there is none.
  std::string digest_of(std::string_view gate) const;

 private:
  struct Gate;
  struct Rule;
  struct Exception;
  struct Scan;
  struct Index;
  struct Judge;

  const Index& index() const;
  std::vector<const Gate*> candidates(std::string_view tenant, const std::vector<std::string>& queues) const;

  std::map<std::string, std::unique_ptr<Gate>, std::less<>> gates_;
  std::map<std::string, std::map<std::string, Exception>, std::less<>> exceptions_;  // by gate, by name
  std::map<std::string, std::string, std::less<>> exception_gates_;                  // name → gate
  std::map<std::string, std::map<std::string, Scan>, std::less<>> scans_;            // by digest, by name
  std::map<std::string, std::string, std::less<>> scan_digests_;                     // name → digest
  const BudgetDesk* desk_ = nullptr;
  mutable std::unique_ptr<Index> index_;  // made at the next question
};

}  // namespace ingot::policy
