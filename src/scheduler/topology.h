// Where nodes stand to one another: zones, blocks, racks, NVLink domains that span nodes, told by node labels,
// broad to narrow; and what a gang may ask of that in Kueue's annotations. A domain is a node label's value
// below the values of the broader levels, so rack "r1" of two blocks is two racks. A node without a level's
// label is in no domain of that level, yet in those of its other levels.
//
// Thread rule: one thread at a time (the flat view is made when it is asked for). Invariant: the same nodes give
// the same order, whatever order they arrived in.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/constraints.h"

namespace ingot::scheduler {

// One level. A site writes one of `keys`; the first that a node has counts.
struct Level {
  std::string noun;  // "rack"
  std::vector<std::string> keys;
  bool operator==(const Level&) const = default;
};
// zone, block, rack, NVLink domain: under the names that Kubernetes, Kueue's documentation, NVIDIA's Topograph
// and GPU operator, Google's and Amazon's machines write.
std::vector<Level> default_levels();

// Narrower than a node: GPUs of one node that NVLink joins.
inline constexpr std::string_view kIslandLevel = "factory.ingot.dev/nvlink-island";

class TopologyTree {
 public:
  static constexpr size_t kMaxLevels = 8;

  explicit TopologyTree(std::vector<Level> levels = default_levels());  // broad to narrow, ≤ kMaxLevels

  void set_node(int slot, std::string_view name, const Labels& labels);
  void erase_node(int slot);

  // Levels are numbers: 0 … host()-1 are those of labels, then host(), a node, and island(), part of a node.
  int host() const { return int(levels_.size()); }
  int island() const { return host() + 1; }
  std::optional<int> find_level(std::string_view key) const;
  std::string_view noun(int level) const;
  std::string keys() const;  // "topology.kubernetes.io/zone, …": what a person may write, one a level
  const Level& level(int level) const { return levels_[size_t(level)]; }

  // The flat view. Nodes in topological order; of every depth the runs that share a prefix of the path. Depth 0
  // is one run, the factory; depth d the domains of level d - 1; depth host() + 1 the nodes.
  struct Run {
    int begin, end;              // positions in order()
    int first_child, end_child;  // runs of the next depth
    bool named;                  // false: nodes without this level's label, not a domain
  };
  const std::vector<int>& order() const { return view().order; }  // slots
  const std::vector<Run>& runs(int depth) const { return view().runs[size_t(depth)]; }
  std::string name(int depth, int run) const;  // "b1/r7": for people
  int slots() const { return int(paths_.size()); }

 private:
  using Path = std::vector<std::optional<std::string>>;  // a value a level, then the node's name
  struct View {
    std::vector<int> order;
    std::vector<std::vector<Run>> runs;  // by depth
  };
  const View& view() const;
  void build(View&) const;

  std::vector<Level> levels_;
  std::map<Path, int> nodes_;               // → slot
  std::vector<std::optional<Path>> paths_;  // by slot
  mutable std::optional<View> view_;
};

// What a gang asks of the topology.
struct TopologyAsk {
  enum class Mode : uint8_t { None, Preferred, Required };
  Mode mode = Mode::None;
  int level = 0;        // of the mode
  int32_t group = 1;    // this many consecutive ranks stay together, as tensor-parallel ranks must …
  int group_level = 0;  // … in one domain of this level; read when group > 1
  bool operator==(const TopologyAsk&) const = default;
};

inline constexpr std::string_view kRequiredTopology = "kueue.x-k8s.io/podset-required-topology";
inline constexpr std::string_view kPreferredTopology = "kueue.x-k8s.io/podset-preferred-topology";
inline constexpr std::string_view kUnconstrainedTopology = "kueue.x-k8s.io/podset-unconstrained-topology";
inline constexpr std::string_view kSliceTopology = "kueue.x-k8s.io/podset-slice-required-topology";
inline constexpr std::string_view kSliceSize = "kueue.x-k8s.io/podset-slice-size";

// The annotations of a pod of a gang of `pods` (1: a pod alone). The error names the annotation and the way out.
std::expected<TopologyAsk, std::string> topology_ask(const Labels& annotations, int64_t pods,
                                                     const TopologyTree&);

// The pod's rank in its gang: its index label (Job, JobSet, StatefulSet, LeaderWorkerSet, Kubeflow), or the
// number its name ends in.
std::optional<int64_t> rank_of(const Labels& labels, std::string_view name);

}  // namespace ingot::scheduler
