#include "scheduler/node_state.h"

#include <algorithm>

#include "base/assert.h"

namespace ingot::scheduler {
namespace {

constexpr int64_t kMib = int64_t(1) << 20;
constexpr int64_t kMostAsked = 1 << 20;  // GPUs of one pod: more fits nowhere either

void add(std::map<std::string, int>& counts, const std::string& key, int n) {
  if ((counts[key] += n) <= 0) counts.erase(key);
}

// Nothing else is given of a board that holds what its model has not.
gpu::Cut units_of(const Held& h) {
  const gpu::Profile* profile = gpu::find_profile(h.model, h.profile);
  return profile && profile->may_start(h.start) ? gpu::Cut{profile->at(h.start), profile->media()} : kNoCut;
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
  for (size_t i = 0; i < std::min<size_t>(node.devices.size(), kMaxGpus); ++i)
    geometries[i] = int8_t(gpu::geometry(node.devices[i].model));
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
      const std::pair at{h.start, h.profile};
      SliceUse& slice = use.slices[at];
      if (slice.holders == 0) slice.units = units_of(h);
      slice.milli += sign * h.milli;
      if (h.milli < 1000) add(slice.sharers, a.tenant, sign);
      if ((slice.holders += sign) <= 0) use.slices.erase(at);
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
    space.geometries[i] = geometries[i];
    space.cuts[i] = kNoCut;
    if (!d.healthy) continue;
    if (boards[i] && !boards[i]->slices.empty()) {
      count_slices(i);
      continue;
    }
    space.free_milli[i] = int16_t(boards[i] ? std::max<int64_t>(0, 1000 - boards[i]->milli) : 1000);
    if (space.free_milli[i] == 1000) space.cuts[i] = {};
    free_gpus += space.free_milli[i] == 1000;
  }
}

void NodeState::count_slices(size_t board) {
  const BoardUse& use = *boards[board];
  gpu::Cut& cut = space.cuts[board];
  if (use.milli > 0) return;  // cannot be: it is held whole as well
  cut = {};
  for (const auto& [at, slice] : use.slices) {
    cut.taken |= slice.units.taken;
    cut.media |= slice.units.media;
    if (slice.sharers.empty() || slice.units == kNoCut) continue;
    if (const SliceKind kind = slice_kind(space.geometries[board], at.second))
      space.shared.push_back({int8_t(board), int8_t(at.first), kind, true, int32_t(1000 - slice.milli)});
  }
}

Space NodeState::space_for(std::string_view tenant, bool shares_across_tenants) const {
  Space out = space;
  if (shares_across_tenants || held.empty()) return out;
  const auto foreign = [&](const std::map<std::string, int>& sharers) {
    return std::ranges::any_of(sharers, [&](const auto& s) { return s.first != tenant; });
  };
  for (size_t i = 0; i < size_t(space.gpus); ++i)
    if (boards[i] && foreign(boards[i]->sharers)) {
      out.free_milli[i] = 0;
      out.foreign[i] = int16_t(std::min<int64_t>(boards[i]->milli, 1000));
    }
  for (SharedSlice& s : out.shared)
    s.open = !foreign(
        boards[size_t(s.board)]->slices.find({int{s.start}, std::string(s.kind.of().name)})->second.sharers);
  return out;
}

int32_t milli_of(int64_t share_mib, int64_t whole_mib) {
  if (share_mib > whole_mib) return 1001;
  return int32_t((share_mib * 1000 + whole_mib - 1) / whole_mib);
}

Shape shape_of(const Request& r, int64_t board_memory_mib, int32_t replicas) {
  Shape shape{.cpu_milli = r.cpu_milli,
              .memory_mib = mib_needed(r.memory_bytes),
              .gpus = int32_t(r.profile.empty() && r.parts.empty() ? std::min(r.gpus, kMostAsked) : 0),
              .milli = r.milli,
              .models = r.models};
  if (r.replica) shape.milli = std::max(1, 1000 / std::max(1, replicas));
  if (r.share_memory_mib > 0 && board_memory_mib > 0)
    shape.milli = milli_of(r.share_memory_mib, board_memory_mib);
  return shape;
}

Shape shape_on(const NodeState& state, const Request& r, int32_t replicas) {
  int64_t least = 0;
  if (r.share_memory_mib > 0)
    for (const Device& d : state.node.devices)
      if (d.memory_mib > 0) least = least == 0 ? d.memory_mib : std::min(least, d.memory_mib);
  Shape shape = shape_of(r, least, replicas);
  if (!r.parts.empty()) {
    shape.layout = std::make_shared<const Layout>(r.parts, r.rules, state.node.links, state.islands,
                                                  state.geometries, state.space.gpus);
    return shape;
  }
  bool has = true;
  if (!r.profile.empty()) {
    shape.gpus = int32_t(std::min(r.gpus, kMostAsked));
    for (int i = 0; i < state.space.gpus && !shape.slice; ++i)
      shape.slice = slice_kind(state.space.geometries[size_t(i)], r.profile);
    has = bool(shape.slice);
    if (has && r.share_memory_mib > 0)
      shape.milli = milli_of(r.share_memory_mib, shape.slice.of().memory_mib);
  }
  if (has && shape.milli <= 1000) return shape;
  shape.slice = {};
  shape.models = 0;  // fits nowhere
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

std::vector<Held> take(const NodeState& state, const Shape& shape, const std::vector<SlicePlace>& places) {
  std::vector<SliceKind> kinds(places.size(), shape.slice);
  if (shape.layout) {
    kinds.clear();
    for (const Layout::Devices& d : shape.layout->parts) kinds.insert(kinds.end(), size_t(d.count), d.kind);
  }
  std::vector<Held> out;
  for (size_t i = 0; i < places.size(); ++i) {
    const Device& d = state.node.devices[size_t(places[i].board)];
    Held h(d.uuid);
    h.model = d.model;
    if (kinds[i]) {
      h.milli = shape.milli;
      h.memory_mib = kinds[i].of().memory_mib * shape.milli / 1000;
      h.profile = kinds[i].of().name;
      h.start = places[i].start;
    }
    out.push_back(std::move(h));
  }
  return out;
}

}  // namespace ingot::scheduler
