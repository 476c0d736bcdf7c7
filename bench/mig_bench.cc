// MIG on demand against static layouts: build/release/mig_bench prints one JSON object a line.
//
// Random streams of requests for MIG instances reach a node of eight H100 boards through the live scheduler, one by
// one. What does not fit when it comes is turned away; what fits runs for its time. `mig_illegal`: how often a board's
// layout was not a legal one, over all steps (requests and releases). `mig_admit_pct`: requests admitted, against the
// best static layout of the same boards for the same stream, chosen with hindsight: exactly, among all sums of eight
// maximal layouts, where an instance serves requests for its own profile.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/assert.h"
#include "gpu/mig.h"
#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};
constexpr int kBoards = 8;
constexpr std::string_view kModel = "H100-80GB";
constexpr size_t kProfiles = 7;
using Counts = std::array<int, kProfiles>;  // instances, by profile

struct Request1 {
  int64_t at_s;
  int64_t runs_s;
  size_t profile;
};
struct Stream {
  std::string name;
  std::vector<Request1> requests;
};

// `load`: memory units asked for at a time, on average, of those there are.
Stream stream(std::string name, const std::array<double, kProfiles>& mix, double load, size_t requests,
              std::mt19937_64& random) {
  const auto profiles = gpu::profiles(kModel);
  double sum = 0, units = 0;
  for (size_t p = 0; p < kProfiles; ++p) {
    sum += mix[p];
    units += mix[p] * profiles[p].units;
  }
  constexpr double kMeanRun = 100'000;
  const double gap = kMeanRun * (units / sum) / (load * kBoards * 8);
  const auto uniform = [&] { return (double(random() >> 11) + 0.5) * 0x1p-53; };
  Stream out{.name = std::move(name)};
  double at = 0;
  for (size_t i = 0; i < requests; ++i) {
    at -= gap * std::log(uniform());
    double pick = uniform() * sum;
    size_t profile = 0;
    while (profile + 1 < kProfiles && pick >= mix[profile]) pick -= mix[profile++];
    out.requests.push_back({int64_t(at), 1 + int64_t(-kMeanRun * std::log(uniform())), profile});
  }
  return out;
}

std::vector<Stream> streams() {
  struct Mix {
    const char* name;
    std::array<double, kProfiles> mix;  // 1g, 1g+me, 1g double, 2g, 3g, 4g, 7g
  };
  std::vector<Mix> mixes = {
      {"all alike", {1, 1, 1, 1, 1, 1, 1}},           {"small ones", {6, 0, 1, 2, 1, 0, 0}},
      {"halves and sevenths", {3, 0, 0, 0, 3, 0, 0}}, {"2g and 3g", {0, 0, 0, 3, 2, 0, 0}},
      {"with whole boards", {8, 1, 2, 4, 2, 2, 2}},
  };
  std::mt19937_64 random(20'260'101);
  for (int i = 0; i < 15; ++i) {
    Mix drawn{"drawn", {}};
    for (double& d : drawn.mix) d = -std::log((double(random() >> 11) + 0.5) * 0x1p-53);
    mixes.push_back(drawn);
  }
  std::vector<Stream> out;
  for (const Mix& mix : mixes)
    for (const double load : {0.7, 1.0, 1.6})
      out.push_back(
          stream(std::string(mix.name) +
                     (mix.name == std::string("drawn") ? " " + std::to_string(out.size() / 3) : "") +
                     " at load " + std::to_string(load).substr(0, 3),
                 mix.mix, load, 10'000, random));
  return out;
}

// --- ours ---

struct Run {
  size_t admitted = 0, steps = 0, illegal = 0;
};

class Live {
 public:
  Live() {
    Node n{
        .name = "n", .cpu_milli = 1'000'000, .memory_bytes = int64_t(1) << 44, .pods = 1'000, .ready = true};
    for (int i = 0; i < kBoards; ++i)
      n.devices.push_back({"GPU-" + std::to_string(i), std::string(kModel), true, 81'559});
    model_.set_node(std::move(n));
    layouts_.resize(kBoards);
  }

  Run run(const Stream& stream) {
    for (const Request1& r : stream.requests) {
      while (!ends_.empty() && ends_.top().first <= r.at_s) release();
      request(r);
    }
    return out_;
  }

 private:
  void release() {
    const std::string id = ends_.top().second;
    ends_.pop();
    const Held held = model_.allocation(id)->devices[0];
    model_.close(id);
    std::erase_if(layout(held), [&](const gpu::Instance& i) { return i.start == held.start; });
    step(held);
  }

  void request(const Request1& r) {
    const std::string id = "p" + std::to_string(made_++);
    const WallTime now = kStart + std::chrono::seconds(r.at_s);
    const std::string profile(gpu::profiles(kModel)[r.profile].name);
    model_.set_unit({.id = id,
                     .tenant = "vision",
                     .created = now,
                     .pods = {{id, {.cpu_milli = 1, .memory_bytes = 1, .gpus = 1, .profile = profile}}}});
    const Placements p = schedule(model_, {.preempt = false, .explain = false}, now);
    if (p.bindings.empty()) {
      model_.erase_unit(id);
      ++out_.steps;
      return;
    }
    ++out_.admitted;
    const Held& held = p.bindings[0].devices[0];
    layout(held).push_back({gpu::find_profile(kModel, held.profile), held.start});
    ends_.emplace(r.at_s + r.runs_s, id);
    step(held);
  }

  std::vector<gpu::Instance>& layout(const Held& held) {
    return layouts_[size_t(std::stoi(held.uuid.substr(4)))];
  }
  void step(const Held& held) {
    ++out_.steps;
    out_.illegal += !gpu::legal(kModel, layout(held));
  }

  Model model_;
  std::vector<std::vector<gpu::Instance>> layouts_;
  using End = std::pair<int64_t, std::string>;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
  size_t made_ = 0;
  Run out_;
};

// --- the best static layout ---

// What that many instances of one profile admit of the stream.
size_t admitted(const Stream& stream, size_t profile, int instances) {
  std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>> ends;
  size_t n = 0;
  for (const Request1& r : stream.requests) {
    if (r.profile != profile) continue;
    while (!ends.empty() && ends.top() <= r.at_s) ends.pop();
    if (int(ends.size()) >= instances) continue;
    ends.push(r.at_s + r.runs_s);
    ++n;
  }
  return n;
}

void maximal(gpu::Cut cut, Counts now, std::vector<Counts>& out) {
  bool full = true;
  const auto profiles = gpu::profiles(kModel);
  for (size_t p = 0; p < kProfiles; ++p)
    for (int start = 0; start < 8; ++start) {
      if ((gpu::free_starts(profiles[p], cut) >> start & 1) == 0) continue;
      full = false;
      Counts then = now;
      ++then[p];
      // In order of the starts only: every layout once.
      if ((cut.taken >> start) != 0) continue;
      maximal({gpu::UnitMask(cut.taken | profiles[p].at(start)), cut.media || profiles[p].media()}, then,
              out);
    }
  if (full) out.push_back(now);
}

uint64_t packed(const Counts& c) {
  uint64_t out = 0;
  for (const int n : c) out = out << 8 | uint64_t(n);
  return out;
}

// All counts that eight boards can have at once, less those that another has more of.
std::vector<uint64_t> static_layouts() {
  std::vector<Counts> all, one;
  maximal({}, {}, all);
  const auto covers = [](const Counts& a, const Counts& b) {
    return a != b && std::ranges::equal(a, b, std::greater_equal<>());
  };
  for (const Counts& c : all)
    if (std::ranges::none_of(all, [&](const Counts& o) { return covers(o, c); }) &&
        std::ranges::find(one, c) == one.end())
      one.push_back(c);
  std::unordered_set<uint64_t> sums{0};
  for (int board = 0; board < kBoards; ++board) {
    std::unordered_set<uint64_t> next;
    for (const uint64_t sum : sums)
      for (const Counts& c : one) next.insert(sum + packed(c));
    sums = std::move(next);
  }
  std::vector<uint64_t> out(sums.begin(), sums.end());
  std::ranges::sort(out);
  return out;
}

size_t best_static(const Stream& stream, const std::vector<uint64_t>& layouts) {
  std::array<std::array<uint32_t, 64>, kProfiles> admits{};
  for (size_t p = 0; p < kProfiles; ++p)
    for (int n = 0; n <= 56; ++n) admits[p][size_t(n)] = uint32_t(admitted(stream, p, n));
  size_t best = 0;
  for (const uint64_t layout : layouts) {
    size_t sum = 0;
    for (size_t p = 0; p < kProfiles; ++p) sum += admits[p][layout >> (8 * (kProfiles - 1 - p)) & 0xff];
    best = std::max(best, sum);
  }
  return best;
}

int run() {
  const std::vector<uint64_t> layouts = static_layouts();
  std::fprintf(stderr, "%zu static layouts of %d boards\n", layouts.size(), kBoards);
  Run all;
  double least = 1e9, sum = 0;
  std::string least_name;
  const std::vector<Stream> given = streams();
  for (const Stream& s : given) {
    const Run ours = Live().run(s);
    const size_t other = best_static(s, layouts);
    const double pct = 100.0 * double(ours.admitted) / double(other);
    std::fprintf(stderr, "mig_admit_pct  %s: %zu of %zu, best static layout %zu: %.1f %%\n", s.name.c_str(),
                 ours.admitted, s.requests.size(), other, pct);
    all.steps += ours.steps;
    all.illegal += ours.illegal;
    sum += pct;
    if (pct >= least) continue;
    least = pct;
    least_name = s.name;
  }
  std::printf(R"({"id":"mig_illegal","value":%zu,"note":"%zu steps on %d H100 boards"})"
              "\n",
              all.illegal, all.steps, kBoards);
  std::printf(R"({"id":"mig_admit_pct","value":%.2f,"note":"%zu streams, mean %.1f; the lowest: %s"})"
              "\n",
              least, given.size(), sum / double(given.size()), least_name.c_str());
  return 0;
}

}  // namespace
}  // namespace ingot::scheduler

int main() { return ingot::scheduler::run(); }
