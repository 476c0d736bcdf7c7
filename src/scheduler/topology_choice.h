// Which nodes a gang gets: one domain of the level it requires, or the narrowest around the level it prefers, and
// there the fewest domains and nodes; of those that do, the one with the least left over. Ranks follow the
// topology: neighbours in rank are on the same node, else in the same rack, else in the same block.
// Pure values over a TopologyTree that does not change meanwhile; one thread.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "scheduler/topology.h"

namespace ingot::scheduler {

// What nodes hold of the gang's shape now, by slot; a slot beyond the end holds none.
struct TopologyFit {
  std::span<const int32_t> pods;
  // Groups of the asked size, each in one NVLink island; read when the ask's groups are of the island level.
  std::span<const int32_t> island_groups;
};

class TopologyChoice {
 public:
  // A domain of the tree's flat view.
  struct Domain {
    int depth = 0, run = 0;
    bool operator==(const Domain&) const = default;
  };

  TopologyChoice(const TopologyTree&, const TopologyAsk&, int32_t pods, const TopologyFit&);

  // The slot of every rank, or the reason for people: "needs 16 pods in one rack; the largest rack fits 12".
  std::expected<std::vector<int>, std::string> best() const;

  // The domains that hold all, in the order to try them: a gang whose pods differ in shape tries its other pods
  // inside the first domain, then inside the next.
  std::vector<Domain> domains(size_t most) const;
  std::optional<std::vector<int>> place(Domain) const;  // nullopt: it does not hold all

 private:
  struct Room {
    int64_t pods = 0, groups = 0;
    int64_t rest = 0;  // most pods that a domain of the groups' level has beside its whole groups
  };
  const Room& room(int depth, int run) const { return rooms_[size_t(depth)][size_t(run)]; }
  int64_t units(int depth, int run) const {
    return depth <= group_depth_ ? room(depth, run).groups : room(depth, run).pods;
  }
  void count(const TopologyFit&);
  bool holds(int depth, int run) const;
  std::vector<int> candidates(int depth) const;
  void fill(int depth, int run, int64_t units, std::vector<int64_t>& taken) const;
  void add_rest(int depth, int run, std::vector<int>& slots, std::vector<int64_t>& taken) const;
  std::string needs() const;
  std::string reason() const;

  const TopologyTree& tree_;
  TopologyAsk ask_;
  int64_t pods_;
  int host_depth_, group_depth_;
  int64_t whole_ = 0, rest_ = 0;  // groups, and pods of the last, smaller one
  std::vector<std::vector<Room>> rooms_;
};

}  // namespace ingot::scheduler
