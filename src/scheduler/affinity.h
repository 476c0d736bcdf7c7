// Where pods may be for the sake of other pods: affinity, anti-affinity (also that of pods which already run),
// topology spread; and where they would rather be. Pods see only pods of their own cluster.
//
// Every selector in use has a count per domain, kept up to date pod by pod, so that a question about a node is a
// few look-ups. Pods alike in labels and asks are one subject. What only pending pods ask is counted while one of
// them is acquired; what placed pods ask of newcomers, while they are placed.
//
// Thread rule: one thread at a time. The same contents give the same answers whatever order they arrived in.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "scheduler/affinity_counts.h"

namespace ingot::scheduler {

// A pod as far as other pods' affinity sees it, and what it asks.
struct Subject {
  std::string cluster, space;  // id, namespace
  Labels labels;
  Affinity asks;
  Constraints where;  // its node selector, affinity and tolerations: which nodes its spread counts
};

class AffinityIndex {
 public:
  using Id = int32_t;

  AffinityIndex();
  ~AffinityIndex();
  AffinityIndex(AffinityIndex&&) noexcept;
  AffinityIndex& operator=(AffinityIndex&&) noexcept;

  void set_node(int slot, std::string_view name, const Labels&, const std::vector<Taint>&, bool cordoned);
  void erase_node(int slot);  // what is placed there stays placed, in no domain
  bool set_space(const std::string& cluster, const std::string& space, Labels);  // whether that changed any
  void erase_space(const std::string& cluster, const std::string& space);

  Id acquire(const Subject&);
  void acquire(Id);  // of one that is acquired or placed
  void release(Id);  // may still be placed
  const Subject& subject(Id) const;
  // `pods` more (or, negative, fewer) of the subject at the slot. `ending`: being deleted, spread ignores it.
  void place(Id, int slot, int pods, bool ending = false);

  // Of an acquired subject. `concerned`: some node may be refused, or preferred, now; to be asked first, for a
  // subject that a bound kept out is looked at again only then.
  bool concerned(Id);
  bool restricts(Id);  // refuses some node
  bool prefers(Id);
  bool allowed(Id, int slot);
  // Adds up to 100 each for preferred node affinity, for pod affinity and for spread, as they compare among
  // these slots.
  void prefer(Id, std::span<const int> slots, std::span<int32_t> scores);
  // Why none of the slots, which the pod would otherwise fit, is allowed.
  std::string explain(Id, std::span<const int> slots);

 private:
  // Of a cluster: different terms that its pods ask others to answer to, and different selectors that its waiting
  // pods have counted; and of all clusters. A pod beyond waits.
  static constexpr size_t kMaxOwned = 512, kMaxKinds = 128, kMaxKindsOfAll = 8192;
  static constexpr size_t kKeptKeys = 8;
  static constexpr size_t kKeptKinds = 64;
  struct Kind;
  struct Owned;
  struct Plan;
  struct State;
  struct Cluster;
  enum class Refusal : uint8_t { None, TooMany, NoDomain, Near, Apart, TheirApart, Skew };
  struct Verdict {
    Refusal refusal = Refusal::None;
    size_t check = 0;  // of the plan's list of that kind
    auto operator<=>(const Verdict&) const = default;
  };

  Domains& domains(const std::string& key);
  void drop(Domains&);
  PlaceTable& table(const std::string& text, std::function<int32_t(const PlaceFacts&)>);
  struct Wanted {  // a kind to be
    std::string text, key;
    std::vector<PodTerm> terms;
    const Spread* spread;
  };
  static std::string counted_text(const State&, const Spread&);
  PlaceTable& counted(const State&, const Spread&);
  static std::vector<Wanted> wanted(const State&);
  bool may_count(Cluster&, const std::vector<Wanted>&);
  void drop(PlaceTable&);
  Kind& kind(Cluster&, const std::string& text, const std::string& key, std::vector<PodTerm>, PlaceTable*);
  void drop(Cluster&, Kind&);
  void erase(Cluster&, Kind&);
  bool own(State&);
  void disown(State&);
  const Plan& plan(Id);
  void make_plan(State&);
  void drop_plan(State&);
  void drop_plan(State&, const Plan&);
  void forget(Id);
  void apply(State&, int slot, int sign);
  void lift(int slot, int sign);
  void rematch(Cluster&);
  Verdict judge(const Plan&, int slot) const;
  std::string sentence(const Plan&, Verdict) const;

  std::vector<PlaceFacts> nodes_;      // by slot
  std::vector<std::set<Id>> on_slot_;  // subjects placed there
  std::map<std::string, std::unique_ptr<Domains>> domains_;
  std::map<std::string, std::unique_ptr<PlaceTable>> tables_;
  std::map<std::string, std::unique_ptr<Cluster>> clusters_;
  std::vector<std::unique_ptr<State>> states_;  // by Id
  std::vector<Id> vacant_;
  std::vector<Kind*> spreads_;
  size_t kinds_ = 0;  // of all clusters
  // Kinds that nobody uses, the longest unused first: the next replica will ask the same.
  std::vector<std::pair<Cluster*, Kind*>> idle_;
};

}  // namespace ingot::scheduler
