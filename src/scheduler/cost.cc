#include "scheduler/cost.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>

#include "scheduler/parts.h"

namespace ingot::scheduler {
namespace {

using std::size_t;

// How the parts of the waste weigh against one another.
constexpr float kRests = 0.3f, kWholes = 0.09f, kStrands = 1.4f, kMemoryStrands = 0.13f, kScarcity = 1.0f;
constexpr float kCutAnew = 1000.0f;  // a board that is whole is cut for want of others only
constexpr float kSliceLeft = 0.12f;  // per milli left on the board of an instance
constexpr double kUnseen = 0.01;     // part of the demand that a profile nobody asked for yet has
constexpr float kShareLeft = 0.2f;   // per milli left on the board of a share
constexpr float kLeft = 0.0002f, kBareLeft = 1e-6f;  // per GPU-milli, and per mille of CPU and memory, left
constexpr float kSteps = 1 << 20;                    // of a cost in one GPU-milli

uint64_t mixed(uint64_t x) {  // splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

int64_t free_milli(const Space& space) {
  int64_t sum = 0;
  for (int g = 0; g < space.gpus; ++g) sum += space.free_milli[size_t(g)];
  return sum;
}

float per_mille(int64_t whole) { return whole > 0 ? 1000.0f / float(whole) : 0.0f; }
float mille(int64_t part, int64_t whole) { return float(part) * per_mille(whole); }

bool fits(const Look& look, const Shape& shape) {
  if (look.cpu_milli < shape.cpu_milli || look.memory_mib < shape.memory_mib) return false;
  if (shape.gpus == 0) return true;
  if ((shape.models >> look.model & 1) == 0) return false;
  return shape.milli < 1000 ? look.largest >= shape.milli : look.wholes >= shape.gpus;
}

// In GPU-milli, what of a board is in no instance; 0 where it may not be cut.
int64_t left_of(const Space& space, int board) {
  const int units = gpu::memory_units(int{space.geometries[size_t(board)]});
  const int left = units - std::popcount(space.cuts[size_t(board)].taken);
  return left > 0 ? int64_t(left) * 1000 / units : 0;
}

// Of boards that are cut.
int64_t cut_milli(const Space& space) {
  int64_t sum = 0;
  for (int g = 0; g < space.gpus; ++g)
    if (space.free_milli[size_t(g)] == 0) sum += left_of(space, g);
  return sum;
}

// The fullest board that holds the share, or -1.
int tightest(const Space& space, const Shape& shape) {
  int best = -1;
  for (int g = 0; g < space.gpus; ++g)
    if (space.free_milli[size_t(g)] >= shape.milli &&
        (best < 0 || space.free_milli[size_t(g)] < space.free_milli[size_t(best)]))
      best = g;
  return best;
}

}  // namespace

Typical typical_of(const std::map<Shape, double>& counts) {
  std::map<Shape, double> alike;  // memory is no part of the measure
  double all = 0;
  for (const auto& [shape, n] : counts) {
    Shape plain = shape;
    plain.memory_mib = 0;
    alike[plain] += n;
    all += n;
  }
  Typical out(alike.begin(), alike.end());
  std::ranges::sort(out, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  double sum = 0;
  size_t kept = 0;
  while (kept < out.size() && sum < 0.95 * all) sum += out[kept++].second;
  out.resize(kept);
  for (auto& [shape, part] : out) part /= sum;
  return out;
}

double fragmentation(const Space& space, const Typical& typical) {
  const auto all = double(free_milli(space));
  double out = 0;
  for (const auto& [shape, part] : typical) {
    int32_t boards = 0;
    int64_t small = 0;
    for (int g = 0; g < space.gpus; ++g) {
      const int16_t free = space.free_milli[size_t(g)];
      if (free >= shape.milli)
        ++boards;
      else
        small += free;
    }
    const bool usable = shape.gpus > 0 && boards >= shape.gpus && space.cpu_milli >= shape.cpu_milli &&
                        (shape.models >> space.model & 1) != 0;
    out += part * (usable ? double(small) : all);
  }
  return out;
}

Look look_at(const Space& space) {
  Look out{.cpu_milli = space.cpu_milli,
           .memory_mib = space.memory_mib,
           .cpu_mille = per_mille(space.cpu_milli_total),
           .memory_mille = per_mille(space.memory_mib_total),
           .free_milli = space.free_milli,
           .gpus = int16_t(space.gpus),
           .model = space.model};
  for (int g = 0; g < space.gpus; ++g) {
    const int16_t free = space.free_milli[size_t(g)];
    out.free += float(free);
    out.wholes += free == 1000;
    out.largest = std::max(out.largest, free);
  }
  uint64_t kind = mixed(uint64_t(out.cpu_milli) * 31 + uint64_t(out.memory_mib)) + out.model;
  for (int g = 0; g < space.gpus; g += 4)
    kind = mixed(kind ^ std::bit_cast<uint64_t>(
                            std::array{out.free_milli[size_t(g)], out.free_milli[size_t(g) + 1],
                                       out.free_milli[size_t(g) + 2], out.free_milli[size_t(g) + 3]}));
  out.kind = uint32_t(kind >> 32);
  return out;
}

bool Look::alike(const Look& o) const {
  return kind == o.kind && cpu_milli == o.cpu_milli && memory_mib == o.memory_mib &&
         cpu_mille == o.cpu_mille && memory_mille == o.memory_mille && gpus == o.gpus && model == o.model &&
         free_milli == o.free_milli;
}

Costs::Costs() { derive(); }

void Costs::set(PlacementCost kind, uint64_t seed) {
  if (kind_ == kind && seed_ == seed) return;
  kind_ = kind;
  seed_ = seed;
  derive();
}

void Costs::set_capacity(const std::array<int64_t, kMaxGpuModels>& gpu_milli) {
  if (capacity_ == gpu_milli) return;
  capacity_ = gpu_milli;
  if (std::ranges::any_of(demand_.shapes(), [](const auto& s) { return s.first.models != kAnyModel; }))
    derive();
}

void Costs::set_typical(Typical typical) {
  typical_ = std::move(typical);
  given_ = true;
  ++version_;
}

void Costs::observe(const Shape& shape) {
  demand_.observe(shape);
  const bool learns = kind_ == PlacementCost::Waste || (kind_ == PlacementCost::Fgd && !given_);
  if (learns && demand_.renewed()) derive();
}

void Costs::observe_slices(std::string_view profile, int64_t instances) {
  const size_t known = demand_.slices().size();
  demand_.observe_slices(profile, instances);
  if (demand_.slices().size() != known || demand_.renewed()) derive();
}

// --- what follows from the demand ---

void Costs::derive() {
  ++version_;
  derive_starts();
  if (kind_ == PlacementCost::Fgd && !given_) typical_ = typical_of(demand_.shapes());
  if (kind_ != PlacementCost::Waste) return;
  derive_rests();
  derive_wholes();
  derive_scarcity();
  std::vector<std::pair<double, double>> cpu, memory;
  for (const auto& [shape, n] : demand_.shapes()) {
    if (shape.gpus == 0) continue;
    const auto gpu = double(shape.gpu_milli());
    cpu.emplace_back(double(shape.cpu_milli) / gpu, n * gpu);
    memory.emplace_back(double(shape.memory_mib) / gpu, n * gpu);
  }
  cpu_ = quantiles(std::move(cpu));
  memory_ = quantiles(std::move(memory));
}

void Costs::derive_rests() {
  std::array<double, 1001> by_size{};
  for (const auto& [shape, n] : demand_.shapes())
    if (shape.gpus > 0) by_size[size_t(shape.milli)] += n * shape.gpus;
  std::vector<int> sizes;
  for (int s = 1; s <= 1000; ++s)
    if (by_size[size_t(s)] > 0) sizes.push_back(s);
  for (int r = 1; r <= 1000; ++r) {
    double left = 0, fit = 0;
    for (const int s : sizes) {
      if (s > r) break;
      left += by_size[size_t(s)] * double(rest_[size_t(r - s)]);
      fit += by_size[size_t(s)];
    }
    rest_[size_t(r)] = float(fit > 0 ? left / fit : r);
  }
}

void Costs::derive_wholes() {
  std::array<double, kMaxGpus + 1> by_count{};
  double all = 0;
  for (const auto& [shape, n] : demand_.shapes()) {
    if (shape.gpus < 1 || shape.gpus > kMaxGpus || shape.milli < 1000) continue;
    by_count[size_t(shape.gpus)] += n * shape.gpus;
    all += n * shape.gpus;
  }
  for (int k = 0; k <= kMaxGpus; ++k) {
    double worth = 0;
    for (int q = 1; q <= k; ++q) worth += by_count[size_t(q)] * double(k / q * q);
    whole_[size_t(k)] = float(all > 0 ? worth / all * 1000.0 : 0);
  }
}

void Costs::derive_scarcity() {
  std::map<ModelSet, double> insisting;
  double all = 0, capacity = 0;
  for (const auto& [shape, n] : demand_.shapes()) {
    all += n * double(shape.gpu_milli());
    if (shape.gpus > 0 && shape.models != kAnyModel) insisting[shape.models] += n * double(shape.gpu_milli());
  }
  for (const int64_t milli : capacity_) capacity += double(milli);
  scarce_ = {};
  for (const auto& [models, asked] : insisting) {
    double offered = 0;
    for (size_t m = 0; m < kMaxGpuModels; ++m) offered += models >> m & 1 ? double(capacity_[m]) : 0.0;
    if (all <= 0 || offered <= 0) continue;
    for (size_t m = 0; m < kMaxGpuModels; ++m)
      if (models >> m & 1) scarce_[m] += float(asked / all * capacity / offered);
  }
}

void Costs::derive_starts() {
  if (demand_.slices().empty()) return;
  double whole = 0;
  for (const auto& [shape, n] : demand_.shapes()) whole += n * double(shape.gpu_milli()) / 1000.0;
  for (int g = 0; g < gpu::kGeometries; ++g) {
    std::vector<double> asked;
    double all = 0;
    for (const gpu::Profile& p : gpu::profiles(g)) {
      const auto found = demand_.slices().find(p.name);
      all += asked.emplace_back(found == demand_.slices().end() ? 0.0 : found->second);
    }
    if (all <= 0) continue;
    const double prior = kUnseen * all;
    for (double& n : asked) n += prior;
    starts_[size_t(g)] = gpu::Starts(g, asked, whole + prior);
  }
}

Costs::Ratios Costs::quantiles(std::vector<std::pair<double, double>> values) {
  Ratios out{};
  std::ranges::sort(values);
  double all = 0;
  for (const auto& [value, weight] : values) all += weight;
  if (all <= 0) return out;
  size_t at = 0;
  double left = values.empty() ? 0 : values[0].second;
  for (size_t k = 0; k < kQuantiles; ++k) {
    double room = all / double(kQuantiles), sum = 0;
    while (at < values.size() && room > 1e-9 * all) {
      const double taken = std::min(room, left);
      sum += values[at].first * taken;
      room -= taken;
      if ((left -= taken) > 1e-9 * all) continue;
      if (++at < values.size()) left = values[at].second;
    }
    const double value = sum / (all / double(kQuantiles));
    out[k] = value > 0 ? float(1 / value) : std::numeric_limits<float>::max();
  }
  return out;
}

// --- what a placement costs ---

namespace {

// GPU-milli that so much of a resource does not serve, on average. In four sums, side by side.
template <size_t N>
float unserved(const std::array<float, N>& served, float amount, float gpu_milli) {
  static_assert(N % 4 == 0);
  std::array<float, 4> sums{};
  for (size_t k = 0; k < N; k += 4)
    for (size_t lane = 0; lane < 4; ++lane)
      sums[lane] += std::max(0.0f, gpu_milli - amount * served[k + lane]);
  return (sums[0] + sums[1] + sums[2] + sums[3]) / float(N);
}

}  // namespace

inline float Costs::strands(int64_t cpu_milli, int64_t memory_mib, float gpu_milli) const {
  return unserved(cpu_, float(cpu_milli), gpu_milli) +
         kMemoryStrands * unserved(memory_, float(memory_mib), gpu_milli);
}

void Costs::strand(Look& look) const {
  look.strands = strands(look.cpu_milli, look.memory_mib, look.free);
  look.version = version_;
}

Cost Costs::waste(const Look& look, const Shape& shape, int* gpu) const {
  const float left = look.free - float(shape.gpu_milli());
  const auto wholes = size_t(look.wholes);
  float cost = 0;
  if (shape.gpus > 0 && shape.milli < 1000) {
    cost = std::numeric_limits<float>::max();
    for (int g = 0; g < look.gpus; ++g) {
      const int16_t have = look.free_milli[size_t(g)];
      if (have < shape.milli) continue;
      const auto rest = size_t(have - shape.milli);
      float own = kRests * (rest_[rest] - rest_[size_t(have)]) + kShareLeft * float(rest);
      if (have == 1000) own += kWholes * (whole_[wholes] - whole_[wholes - 1]);
      if (own >= cost) continue;
      cost = own;
      if (gpu) *gpu = g;
    }
  } else if (shape.gpus > 0) {
    cost = kWholes * (whole_[wholes] - whole_[wholes - size_t(shape.gpus)]) -
           kRests * rest_[1000] * float(shape.gpus);
  }
  const int64_t cpu = look.cpu_milli - shape.cpu_milli, memory = look.memory_mib - shape.memory_mib;
  cost += kStrands * (strands(cpu, memory, left) - look.strands);
  if (shape.gpus > 0) cost += kScarcity * scarce_[look.model] * float(shape.gpu_milli());
  cost += kLeft * left;
  const float bare = kBareLeft * (float(cpu) * look.cpu_mille + float(memory) * look.memory_mille);
  const double steps = (double(cost) + double(bare)) * double(kSteps);
  return Cost(steps < 0 ? steps - 0.5 : steps + 0.5);
}

Cost Costs::fgd(const Space& space, const Shape& shape, int* gpu) const {
  const double before = fragmentation(space, typical_);
  Cost best = kNoCost;
  const bool share = shape.gpus > 0 && shape.milli < 1000;
  for (int g = share ? 0 : -1; g < (share ? space.gpus : 0); ++g) {
    if (share && space.free_milli[size_t(g)] < shape.milli) continue;
    const double grown = fragmentation(after(space, shape, g), typical_) - before;
    const Cost cost = -Cost(100.0 / (1.0 + std::exp(grown / 1000.0)));
    if (cost >= best) continue;
    best = cost;
    if (gpu) *gpu = g;
  }
  return best;
}

Cost Costs::random(const Space& space) const {
  uint64_t x = seed_ ^ uint64_t(space.cpu_milli * 1'000'003 + space.memory_mib);
  for (int g = 0; g < space.gpus; ++g) x = mixed(x + uint64_t(space.free_milli[size_t(g)]));
  return Cost(mixed(x + uint64_t(space.place)) >> 20);
}

Cost Costs::cost(const Space& space, const Shape& shape, int* gpu) const {
  if (shape.layout) return fits(space, shape) ? several(space, shape) : kNoCost;
  if (shape.slice) return fits(space, shape) ? slice(space, shape) : kNoCost;
  Look look = look_at(space);
  renew(look);
  return cost(space, look, shape, gpu);
}

Cost Costs::Row::at(const Space& space, Look& look) {
  Known& known = known_[look.kind % known_.size()];
  if (known.look && known.look->alike(look)) return known.cost;
  costs_.renew(look);
  const Cost cost = costs_.cost(space, look, shape_, nullptr);
  if (costs_.kind_ == PlacementCost::Waste) known = {&look, cost};
  return cost;
}

Cost Costs::cost(const Space& space, const Look& look, const Shape& shape, int* gpu) const {
  if (gpu) *gpu = -1;
  if (!fits(look, shape)) return kNoCost;
  if (kind_ == PlacementCost::Waste) return waste(look, shape, gpu);
  if (kind_ == PlacementCost::Fgd) return fgd(space, shape, gpu);
  if (gpu && shape.share()) *gpu = tightest(space, shape);
  if (kind_ == PlacementCost::Random) return random(space);
  const int64_t left = free_milli(space) - shape.gpu_milli();
  return Cost((mille(space.cpu_milli - shape.cpu_milli, space.cpu_milli_total) +
               mille(left, int64_t(space.gpus) * 1000)) *
              kSteps);
}

// --- MIG instances ---

std::pair<SlicePlace, float> Costs::slice_place(const Space& space, const Shape& shape,
                                                gpu::BoardMask within) const {
  if (shape.share())
    if (const SlicePlace joined = joinable(space, shape); joined.board >= 0) return {joined, 0.0f};
  const gpu::Starts& starts = starts_[size_t(shape.slice.geometry)];
  if (starts.empty()) return {first_place(space, shape, within), 0.0f};
  int wholes = 0;
  for (int g = 0; g < space.gpus; ++g) wholes += space.free_milli[size_t(g)] == 1000;
  SlicePlace best;
  float least = std::numeric_limits<float>::max();
  for (int g = 0; g < space.gpus; ++g) {
    if ((within >> g & 1) == 0 || starts_on(space, g, shape.slice) == 0) continue;
    const gpu::Cut cut = space.cuts[size_t(g)];
    float cost = starts.loss(cut, shape.slice.profile);
    if (space.free_milli[size_t(g)] == 1000)
      cost += kCutAnew + kWholes * (whole_[size_t(wholes)] - whole_[size_t(wholes - 1)]);
    cost += kSliceLeft * float(left_of(space, g));
    if (cost >= least) continue;
    least = cost;
    best = {g, starts.best(cut, shape.slice.profile)};
  }
  return {best, least};
}

std::vector<SlicePlace> Costs::slices(Space space, const Shape& shape) const {
  if (shape.layout) {
    const auto best = [&](const Space& left, const Shape& one, gpu::BoardMask within) {
      return slice_place(left, one, within).first;
    };
    auto places = lay_out(space, *shape.layout, best);
    // Taking the best for each may leave the next none where taking any would.
    return places ? *std::move(places) : lay_out(space, *shape.layout).value_or(std::vector<SlicePlace>());
  }
  std::vector<SlicePlace> out;
  for (int32_t i = 0; i < shape.gpus; ++i) {
    out.push_back(slice_place(space, shape).first);
    put_slice(space, shape, out.back());
  }
  return out;
}

Cost Costs::slice(const Space& space, const Shape& shape) const {
  if (kind_ == PlacementCost::Random) return random(space);
  float cost = 0;
  if (shape.gpus == 1) {
    cost = slice_place(space, shape).second;
  } else {
    Space left = space;
    for (int32_t i = 0; i < shape.gpus; ++i) {
      const auto [place, own] = slice_place(left, shape);
      cost += own;
      put_slice(left, shape, place);
    }
  }
  const auto gpu = float(shape.gpu_milli());
  const auto free = float(free_milli(space) + cut_milli(space));
  const int64_t cpu = space.cpu_milli - shape.cpu_milli, memory = space.memory_mib - shape.memory_mib;
  cost += kStrands * (strands(cpu, memory, free - gpu) - strands(space.cpu_milli, space.memory_mib, free));
  cost += kScarcity * scarce_[space.model] * gpu + kLeft * (free - gpu);
  const float bare = kBareLeft * (mille(cpu, space.cpu_milli_total) + mille(memory, space.memory_mib_total));
  return Cost(std::llround((double(cost) + double(bare)) * double(kSteps)));
}

// As if what it asks for came one kind after the other: the whole GPUs with its CPU and memory, then the instances.
Cost Costs::several(const Space& space, const Shape& shape) const {
  if (kind_ == PlacementCost::Random) return random(space);
  Shape wholes{.cpu_milli = shape.cpu_milli, .memory_mib = shape.memory_mib, .models = shape.models};
  for (const Layout::Devices& d : shape.layout->parts) wholes.gpus += d.kind ? 0 : d.count;
  Cost sum = cost(space, wholes, nullptr);
  Space left = after(space, wholes, -1);
  for (const Layout::Devices& d : shape.layout->parts) {
    const Shape instances{.gpus = d.count, .models = shape.models, .slice = d.kind};
    if (!d.kind || !fits(left, instances)) continue;
    sum += slice(left, instances);
    left = after(left, instances, -1);
  }
  return sum;
}

}  // namespace ingot::scheduler
