// What a pod asks of where other pods are: pod affinity and anti-affinity, topology spread; and the nodes it would
// rather have. Plain values; any thread. Semantics: k8s.io/api core/v1 and the scheduler's plugins
// interpodaffinity, podtopologyspread and nodeaffinity.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/constraints.h"

namespace ingot::scheduler {

// A label selector: none matches nothing, an empty one everything.
using Selector = std::optional<std::vector<Requirement>>;

struct PodTerm {
  std::string key;  // topologyKey, a node label's
  Selector labels;  // of pods; matchLabelKeys and mismatchLabelKeys are part of it already
  std::vector<std::string> namespaces;  // the pod's own where it names none; with those that …
  Selector namespace_labels;            // … this selects
  int32_t weight = 0;                   // of a preference, 1 … 100
};

struct Spread {
  std::string key;
  Selector labels;
  int32_t max_skew = 1, min_domains = 1;
  bool required = true;        // DoNotSchedule; else ScheduleAnyway
  bool honor_affinity = true;  // nodes outside the pod's node selector and affinity do not count
  bool honor_taints = false;   // nor nodes with taints it does not tolerate
};

struct WeightedTerm {
  Term term;
  int32_t weight = 0;  // 1 … 100
};

struct Affinity {
  std::vector<PodTerm> near, apart;                // required
  std::vector<PodTerm> prefer_near, prefer_apart;  // preferred
  std::vector<Spread> spread;
  std::vector<WeightedTerm> prefer_nodes;
  bool empty() const;
  std::string text() const;  // equal texts, equal asks
};

bool selects(const Selector&, const Labels&);
// `space_labels`: the namespace's labels.
bool selects(const PodTerm&, const std::string& space, const Labels& space_labels, const Labels& pod);
void put_text(std::string& out, const PodTerm&);  // but for the weight
void put_text(std::string& out, const Selector&);

// For people: "app=web,tier in (a,b)", at most 200 characters.
std::string text_of(const Selector&);

// What no cluster could satisfy, whatever runs where: "no node can satisfy …". Nullopt: nothing of that kind.
std::optional<std::string> contradiction(const Affinity&, const Constraints&, const std::string& space,
                                         const Labels& pod);

}  // namespace ingot::scheduler
