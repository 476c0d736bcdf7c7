#include "scheduler/topology.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/assert.h"

namespace ingot::scheduler {
namespace {

constexpr std::string_view kHostLevel = "kubernetes.io/hostname";

std::optional<int64_t> number(std::string_view text) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || n < 0) return std::nullopt;
  return n;
}

std::string_view at(const Labels& labels, std::string_view key) {
  const auto found = labels.find(std::string(key));
  return found == labels.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

std::vector<Level> default_levels() {
  return {
      {"zone", {"topology.kubernetes.io/zone"}},
      {"block",
       {"cloud.provider.com/topology-block", "fabric.topograph.run/tier-1",
        "network.topology.nvidia.com/spine", "cloud.google.com/gce-topology-block",
        "topology.k8s.aws/network-node-layer-2"}},
      {"rack",
       {"cloud.provider.com/topology-rack", "fabric.topograph.run/tier-0", "network.topology.nvidia.com/leaf",
        "cloud.google.com/gce-topology-subblock", "topology.k8s.aws/network-node-layer-3"}},
      {"NVLink domain",
       {"nvidia.com/gpu.clique", "accelerator.topograph.run/domain",
        "network.topology.nvidia.com/accelerator"}}};
}

TopologyTree::TopologyTree(std::vector<Level> levels) : levels_(std::move(levels)) {
  ASSERT(levels_.size() <= kMaxLevels);
}

void TopologyTree::set_node(int slot, std::string_view name, const Labels& labels) {
  Path path;
  for (const Level& level : levels_) {
    path.emplace_back();
    for (const std::string& key : level.keys)
      if (const auto found = labels.find(key); found != labels.end() && !found->second.empty()) {
        path.back() = found->second;
        break;
      }
  }
  path.emplace_back(name);
  if (size_t(slot) >= paths_.size()) paths_.resize(size_t(slot) + 1);
  auto& old = paths_[size_t(slot)];
  if (old == path) return;
  if (old) nodes_.erase(*old);
  const bool added = nodes_.emplace(path, slot).second;
  ASSERT(added);  // names are unique
  old = std::move(path);
  view_.reset();
}

void TopologyTree::erase_node(int slot) {
  if (size_t(slot) >= paths_.size() || !paths_[size_t(slot)]) return;
  nodes_.erase(*paths_[size_t(slot)]);
  paths_[size_t(slot)].reset();
  view_.reset();
}

std::optional<int> TopologyTree::find_level(std::string_view key) const {
  if (key == kHostLevel) return host();
  if (key == kIslandLevel) return island();
  for (int i = 0; i < host(); ++i)
    if (std::ranges::find(levels_[size_t(i)].keys, key) != levels_[size_t(i)].keys.end()) return i;
  return std::nullopt;
}

std::string_view TopologyTree::noun(int level) const {
  if (level == host()) return "node";
  if (level == island()) return "NVLink island";
  return levels_[size_t(level)].noun;
}

std::string TopologyTree::keys() const {
  std::string out;
  for (const Level& level : levels_) (out += level.keys.front()) += ", ";
  return (((out += kHostLevel) += ", ") += kIslandLevel);
}

std::string TopologyTree::name(int depth, int run) const {
  if (depth == 0) return "the factory";
  const View& v = view();
  const Run& r = v.runs[size_t(depth)][size_t(run)];
  const Path& path = *paths_[size_t(v.order[size_t(r.begin)])];
  if (depth == host() + 1) return *path.back();
  std::string out;
  for (int i = 0; i < depth; ++i) {
    if (!path[size_t(i)]) continue;
    if (!out.empty()) out += '/';
    out += *path[size_t(i)];
  }
  return out;
}

const TopologyTree::View& TopologyTree::view() const {
  if (!view_) build(view_.emplace());
  return *view_;
}

void TopologyTree::build(View& v) const {
  const size_t depths = levels_.size() + 2;
  v.order.reserve(nodes_.size());
  v.runs.resize(depths);
  v.runs[0].push_back({0, int(nodes_.size()), 0, 0, true});
  const Path* before = nullptr;
  for (const auto& [path, slot] : nodes_) {
    size_t same = 0;  // levels shared with the node before
    while (before && same < path.size() && (*before)[same] == path[same]) ++same;
    for (size_t depth = before ? same + 1 : 1; depth < depths; ++depth) {
      const int at = int(v.order.size());
      v.runs[depth].push_back({at, at, 0, 0, path[depth - 1].has_value()});
      // The children of a run follow one another: a fresh run opens at the place its first child will take.
      if (depth + 1 < depths) v.runs[depth].back().first_child = int(v.runs[depth + 1].size());
    }
    v.order.push_back(slot);
    for (size_t depth = 1; depth < depths; ++depth) {
      v.runs[depth].back().end = int(v.order.size());
      v.runs[depth - 1].back().end_child = int(v.runs[depth].size());
    }
    before = &path;
  }
}

std::expected<TopologyAsk, std::string> topology_ask(const Labels& annotations, int64_t pods,
                                                     const TopologyTree& tree) {
  TopologyAsk ask{.level = tree.host(), .group_level = tree.host()};
  const auto unknown = [&](std::string_view annotation, std::string_view value) {
    return std::unexpected("annotation " + std::string(annotation) + " names \"" +
                           std::string(value.substr(0, 253)) +
                           "\", which is no level of the topology; levels are " + tree.keys());
  };
  const std::string_view required = at(annotations, kRequiredTopology),
                         preferred = at(annotations, kPreferredTopology);
  if (!required.empty() && !preferred.empty())
    return std::unexpected("annotations " + std::string(kRequiredTopology) + " and " +
                           std::string(kPreferredTopology) + " exclude each other: keep one");
  const std::string_view annotation = required.empty() ? kPreferredTopology : kRequiredTopology;
  if (const std::string_view value = at(annotations, annotation); !value.empty()) {
    const auto level = tree.find_level(value);
    if (!level) return unknown(annotation, value);
    ask.mode = required.empty() ? TopologyAsk::Mode::Preferred : TopologyAsk::Mode::Required;
    ask.level = *level;
  }
  const std::string_view slice = at(annotations, kSliceTopology), size = at(annotations, kSliceSize);
  if (slice.empty() != size.empty())
    return std::unexpected("annotations " + std::string(kSliceTopology) + " and " + std::string(kSliceSize) +
                           " go together: add " + std::string(slice.empty() ? kSliceTopology : kSliceSize));
  if (slice.empty()) return ask;
  const auto level = tree.find_level(slice);
  if (!level) return unknown(kSliceTopology, slice);
  const auto n = number(size);
  if (!n || *n < 1 || *n > pods)
    return std::unexpected("annotation " + std::string(kSliceSize) + " is \"" +
                           std::string(size.substr(0, 32)) + "\"; it must be a number from 1 to the gang's " +
                           std::to_string(pods) + " pods");
  if (ask.mode == TopologyAsk::Mode::Required && *level < ask.level)
    return std::unexpected("annotation " + std::string(kSliceTopology) + " names a broader level, " +
                           std::string(slice) + ", than " + std::string(kRequiredTopology) + " does, " +
                           std::string(required));
  ask.group = int32_t(*n);
  ask.group_level = *level;
  return ask;
}

std::optional<int64_t> rank_of(const Labels& labels, std::string_view name) {
  static constexpr std::array<std::string_view, 5> kIndexLabels = {
      "batch.kubernetes.io/job-completion-index", "apps.kubernetes.io/pod-index",
      "jobset.sigs.k8s.io/job-global-index", "training.kubeflow.org/replica-index",
      "leaderworkerset.sigs.k8s.io/worker-index"};
  const auto global = number(at(labels, kIndexLabels[2]));
  const auto own = number(at(labels, kIndexLabels[0]));
  // A JobSet's ranks: job by job, and in a job by completion index.
  if (global && own && *global < (int64_t(1) << 31) && *own < (int64_t(1) << 31))
    return (*global << 31) + *own;
  for (const std::string_view key : kIndexLabels)
    if (const auto n = number(at(labels, key))) return n;
  const size_t dash = name.rfind('-');
  return dash == std::string_view::npos ? std::nullopt : number(name.substr(dash + 1));
}

}  // namespace ingot::scheduler
