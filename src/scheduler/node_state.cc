#include "scheduler/node_state.h"

#include <algorithm>

#include "base/assert.h"

namespace ingot::scheduler {
namespace {

constexpr int64_t kMib = int64_t(1) << 20;

void add(std::map<std::string, int>& counts, const std::string& key, int n) {
  if ((counts[key] += n) <= 0) counts.erase(key);
}

}  // namespace

int64_t mib_needed(int64_t bytes) { return (bytes + kMib - 1) / kMib; }

void NodeState::set_node(Node n, ModelId id) {
  gpu::Links links = n.links;
  if (links.boards == 0) {  // nothing is known of them
    links.boards = int(std::min<size_t>(n.devices.size(), gpu::kMaxBoards));
    links.numa.fill(-1);
  }
  islands = gpu::Islands(links);
  uint32_t hash = 2'166'136'261u;  // FNV-1a
  for (const char c : n.name) hash = (hash ^ uint8_t(c)) * 16'777'619u;
  place = int32_t(hash);
  node = std::move(n);
  model = id;
  recount();
}

gpu::BoardMask NodeState::free_boards() const {
  gpu::BoardMask out = 0;
  for (int i = 0; i < space.gpus; ++i)
    if (space.free_milli[size_t(i)] == 1000) out = gpu::BoardMask(out | 1u << i);
  return out;
}

void NodeState::count(const Allocation& a, int sign) {
  used_cpu += sign * a.cpu_milli;
  used_memory += sign * mib_needed(a.memory_bytes);
  used_pods += sign;
  if (sign > 0)
    pods.insert(a.uid);
  else
    pods.erase(a.uid);
  for (const Held& h : a.devices) {
    BoardUse& use = held[h.uuid];
    use.holders += sign;
    if (!h.profile.empty()) {
      const std::pair slice{h.start, h.profile};
      if ((use.slices[slice] += sign) <= 0) use.slices.erase(slice);
    } else {
      use.milli += sign * h.milli;
      if (h.milli < 1000) add(use.sharers, a.tenant, sign);
    }
    if (use.holders <= 0) held.erase(h.uuid);
  }
  recount();
}

void NodeState::recount() {
  free_gpus = 0;
  space = {.cpu_milli = node.cpu_milli - used_cpu,
           .memory_mib = node.memory_bytes / kMib - used_memory,
           .cpu_milli_total = node.cpu_milli,
           .memory_mib_total = node.memory_bytes / kMib,
           .gpus = int32_t(std::min<size_t>(node.devices.size(), kMaxGpus)),
           .model = model,
           .place = place};
  for (size_t i = 0; i < size_t(space.gpus); ++i) {
    const Device& d = node.devices[i];
    const auto use = held.empty() ? held.end() : held.find(d.uuid);
    boards[i] = use == held.end() ? nullptr : &use->second;
    if (!d.healthy || (boards[i] && !boards[i]->slices.empty())) continue;
    space.free_milli[i] = int16_t(boards[i] ? std::max<int64_t>(0, 1000 - boards[i]->milli) : 1000);
    free_gpus += space.free_milli[i] == 1000;
  }
}

Space NodeState::space_for(std::string_view tenant, bool shares_across_tenants) const {
  Space out = space;
  if (shares_across_tenants || held.empty()) return out;
  for (size_t i = 0; i < size_t(space.gpus); ++i)
    if (boards[i])
      for (const auto& [sharer, n] : boards[i]->sharers)
        if (sharer != tenant) out.free_milli[i] = 0;
  return out;
}

Shape shape_of(const Request& r, int64_t board_memory_mib, int32_t replicas) {
  Shape shape{.cpu_milli = r.cpu_milli,
              .memory_mib = mib_needed(r.memory_bytes),
              .gpus = int32_t(r.profile.empty() ? r.gpus : 0),
              .milli = r.milli,
              .models = r.models};
  if (r.replica) shape.milli = std::max(1, 1000 / std::max(1, replicas));
  if (r.share_memory_mib > 0 && board_memory_mib > 0)
    shape.milli = int32_t(
        std::min<int64_t>(1001, (r.share_memory_mib * 1000 + board_memory_mib - 1) / board_memory_mib));
  return shape;
}

std::vector<Held> take(const NodeState& state, const Request& request, const Shape& shape, int gpu,
                       gpu::BoardMask within) {
  std::vector<Held> out;
  const auto held = [&](size_t i, int32_t milli) {
    const Device& d = state.node.devices[i];
    Held h(d.uuid);
    h.model = d.model;
    h.milli = milli;
    if (milli < 1000) h.memory_mib = d.memory_mib * milli / 1000;
    return h;
  };
  if (shape.gpus > 0 && shape.milli < 1000) {
    ASSERT(gpu >= 0 && gpu < state.space.gpus);
    return {held(size_t(gpu), shape.milli)};
  }
  if (shape.gpus == 0) return out;
  const gpu::BoardMask taken =
      state.islands.pick(state.free_boards() & within, shape.gpus, request.one_island);
  for (size_t i = 0; i < size_t(state.space.gpus); ++i)
    if (taken >> i & 1) out.push_back(held(i, 1000));
  ASSERT(int64_t(out.size()) == request.gpus);
  return out;
}

}  // namespace ingot::scheduler
