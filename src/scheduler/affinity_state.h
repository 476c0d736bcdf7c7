// The insides of AffinityIndex, shared by its two files. Internal to the room.
#pragma once

#include <algorithm>

#include "scheduler/affinity.h"

namespace ingot::scheduler {

// Pods that all of the terms select, counted per domain of one key.
struct AffinityIndex::Kind {
  std::string text;
  std::vector<PodTerm> terms;
  Domains* domains;
  PlaceTable* table;  // of a spread: the nodes that count; nullptr otherwise
  Counter counter;
  size_t users = 0;
  bool spread() const { return table != nullptr; }
};

// A term of placed pods that newcomers must answer to, counted per domain of its key.
struct AffinityIndex::Owned {
  enum class Why : uint8_t { Near, Apart, PreferNear, PreferApart };
  Why why;
  PodTerm term;
  Domains* domains;
  Counter counter;
  size_t users = 0;  // subjects
  // Upstream's weight of a required affinity that a newcomer would please.
  int64_t weight() const {
    return why == Why::Near          ? 1
           : why == Why::PreferNear  ? term.weight
           : why == Why::PreferApart ? -term.weight
                                     : 0;
  }
};

struct AffinityIndex::Plan {
  struct Check {
    const Counter* counter;
    const PodTerm* term;
  };
  struct SpreadCheck {
    const Counter* counter;
    const Spread* spread;
    bool self;  // the pod counts in it
  };
  struct Preference {
    const Counter* counter;
    int64_t weight;
  };
  uint64_t epoch = 0;
  std::vector<Check> near, apart, theirs;
  bool first = false;  // the pod is of the kind it wants to be near
  std::vector<SpreadCheck> spread, soft;
  std::vector<Preference> pods;
  PlaceTable* nodes = nullptr;
  std::vector<Kind*> kinds;
  bool too_many = false;  // bounds were reached: nothing is known, and nothing allowed
};

struct AffinityIndex::State {
  struct Placed {
    int pods = 0, ending = 0;
    bool operator==(const Placed&) const = default;
  };
  Subject subject;
  Cluster* cluster;
  std::string text;
  size_t acquired = 0;
  std::map<int, Placed> placed;   // by slot
  std::vector<Kind*> counted_by;  // kinds that select it
  std::vector<Owned*> owned;
  bool owns_all = false;  // false: its cluster has too many different terms
  std::optional<Plan> plan;
};

struct AffinityIndex::Cluster {
  std::string id;
  std::map<std::string, Labels> spaces;
  std::map<std::string, Id> subjects;  // by text
  std::map<std::string, std::unique_ptr<Kind>> kinds;
  std::map<std::string, std::unique_ptr<Owned>> owned;
  size_t preferring = 0;  // plans with preferred nodes
  uint64_t epoch = 1;     // grows when plans are to be made again
  const Labels& labels(const std::string& space) const {
    static const Labels kNone;
    const auto found = spaces.find(space);
    return found == spaces.end() ? kNone : found->second;
  }
  bool selects(const std::vector<PodTerm>& terms, const Subject& s) const {
    return std::ranges::all_of(terms, [&](const PodTerm& term) {
      return scheduler::selects(term, s.space, labels(s.space), s.labels);
    });
  }
};

}  // namespace ingot::scheduler
