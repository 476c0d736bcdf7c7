#include "scheduler/topology_choice.h"

#include <algorithm>

#include "base/assert.h"

namespace ingot::scheduler {
namespace {

int64_t at(std::span<const int32_t> by_slot, int slot) {
  return size_t(slot) < by_slot.size() ? std::max<int64_t>(by_slot[size_t(slot)], 0) : 0;
}

std::string plural(int64_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

}  // namespace

TopologyChoice::TopologyChoice(const TopologyTree& tree, const TopologyAsk& ask, int32_t pods,
                               const TopologyFit& fit)
    : tree_(tree), ask_(ask), pods_(pods), host_depth_(tree.host() + 1) {
  ASSERT(pods > 0 && ask.group > 0);
  // All in one island is one group in one island.
  if (ask_.mode == TopologyAsk::Mode::Required && ask_.level == tree.island())
    ask_ = {.mode = TopologyAsk::Mode::None, .group = pods, .group_level = tree.island()};
  if (ask_.mode == TopologyAsk::Mode::None) ask_.level = tree.host();
  if (ask_.group == 1 && ask_.group_level != tree.island()) ask_.group_level = tree.host();
  ask_.level = std::min(ask_.level, tree.host());
  group_depth_ = std::min(ask_.group_level, tree.host()) + 1;
  whole_ = pods_ / ask_.group;
  rest_ = pods_ % ask_.group;
  count(fit);
}

void TopologyChoice::count(const TopologyFit& fit) {
  const bool islands = ask_.group_level == tree_.island();
  rooms_.resize(size_t(host_depth_) + 1);
  for (int depth = host_depth_; depth >= 0; --depth) {
    const auto& runs = tree_.runs(depth);
    auto& rooms = rooms_[size_t(depth)];
    rooms.resize(runs.size());
    for (size_t i = 0; i < runs.size(); ++i) {
      Room& room = rooms[i];
      if (depth == host_depth_) {
        room.pods = at(fit.pods, tree_.order()[size_t(runs[i].begin)]);
      } else {
        for (int child = runs[i].first_child; child < runs[i].end_child; ++child) {
          const Room& part = rooms_[size_t(depth) + 1][size_t(child)];
          room.pods += part.pods;
          room.groups += part.groups;
          room.rest = std::max(room.rest, part.rest);
        }
      }
      if (depth != group_depth_ || !runs[i].named) continue;
      room.groups =
          islands ? at(fit.island_groups, tree_.order()[size_t(runs[i].begin)]) : room.pods / ask_.group;
      room.rest = islands ? 0 : room.pods % ask_.group;
    }
  }
}

// In whole groups, the last one smaller; or with the last one beside as many whole groups as there are.
bool TopologyChoice::holds(int depth, int run) const {
  const Room& r = room(depth, run);
  if (depth > group_depth_) {  // all in a part of one domain of the groups' level
    const int begin = tree_.runs(depth)[size_t(run)].begin;
    const auto& around = tree_.runs(group_depth_);
    return r.pods >= pods_ &&
           std::ranges::upper_bound(around, begin, {}, &TopologyTree::Run::begin)[-1].named;
  }
  return r.groups >= whole_ + (rest_ > 0) || (rest_ > 0 && r.groups == whole_ && r.rest >= rest_);
}

// The domains of a depth that hold all: the least left over first, then by name.
std::vector<int> TopologyChoice::candidates(int depth) const {
  const auto& runs = tree_.runs(depth);
  std::vector<int> out;
  for (int i = 0; i < int(runs.size()); ++i)
    if (runs[size_t(i)].named && holds(depth, i)) out.push_back(i);
  std::ranges::sort(out, {}, [&](int i) { return std::pair(room(depth, i).pods, i); });
  return out;
}

std::vector<TopologyChoice::Domain> TopologyChoice::domains(size_t most) const {
  std::vector<Domain> out;
  const bool required = ask_.mode == TopologyAsk::Mode::Required;
  for (int depth = ask_.level + 1; depth >= (required ? ask_.level + 1 : 0); --depth)
    for (const int run : candidates(depth)) {
      if (out.size() >= most) return out;
      out.push_back({depth, run});
    }
  return out;
}

std::expected<std::vector<int>, std::string> TopologyChoice::best() const {
  const std::vector<Domain> first = domains(1);
  if (first.empty()) return std::unexpected(reason());
  auto slots = place(first.front());
  ASSERT(slots);
  return *std::move(slots);
}

std::optional<std::vector<int>> TopologyChoice::place(Domain d) const {
  if (!holds(d.depth, d.run)) return std::nullopt;
  std::vector<int64_t> taken(tree_.order().size());
  const bool beside = d.depth <= group_depth_ && room(d.depth, d.run).groups < whole_ + (rest_ > 0);
  const int64_t groups = whole_ + (rest_ > 0 && !beside);
  fill(d.depth, d.run, d.depth > group_depth_ ? pods_ : groups, taken);
  std::vector<int> slots;
  slots.reserve(size_t(pods_));
  const TopologyTree::Run& run = tree_.runs(d.depth)[size_t(d.run)];
  for (int i = run.begin; i < run.end; ++i)
    for (int64_t n = taken[size_t(i)]; n > 0 && int64_t(slots.size()) < pods_; --n)
      slots.push_back(tree_.order()[size_t(i)]);
  if (beside) add_rest(d.depth, d.run, slots, taken);
  ASSERT(int64_t(slots.size()) == pods_);
  return slots;
}

// Shares `units` among the run's children: one child, the one with the least left over; or the largest first, so
// that they are few, and for what is left at the end the child with the least left over.
void TopologyChoice::fill(int depth, int run, int64_t units, std::vector<int64_t>& taken) const {
  const TopologyTree::Run& r = tree_.runs(depth)[size_t(run)];
  if (depth == group_depth_) units *= ask_.group;
  if (depth == host_depth_) {
    taken[size_t(r.begin)] += units;
    return;
  }
  struct Child {
    bool named;
    int64_t units;
    int run;
  };
  std::vector<Child> children;
  for (int i = r.first_child; i < r.end_child; ++i)
    if (const int64_t n = this->units(depth + 1, i); n > 0)
      children.push_back({tree_.runs(depth + 1)[size_t(i)].named, n, i});
  std::ranges::sort(children, [](const Child& a, const Child& b) {
    if (a.named != b.named) return a.named;
    return a.units != b.units ? a.units > b.units : a.run < b.run;
  });
  for (size_t next = 0; units > 0;) {
    ASSERT(next < children.size());
    // Of the children not taken yet, and of those alike: the last that is large enough is the smallest one.
    const auto from = children.begin() + ptrdiff_t(next);
    const auto alike =
        std::find_if(from, children.end(), [&](const Child& c) { return c.named != from->named; });
    const auto small = std::partition_point(from, alike, [&](const Child& c) { return c.units >= units; });
    if (small != from) {
      const int64_t least = std::prev(small)->units;
      const auto first = std::partition_point(from, small, [&](const Child& c) { return c.units > least; });
      return fill(depth + 1, first->run, units, taken);
    }
    fill(depth + 1, from->run, from->units, taken);
    units -= from->units;
    ++next;
  }
}

// The last, smaller group goes beside whole groups: where it leaves the least.
void TopologyChoice::add_rest(int depth, int run, std::vector<int>& slots,
                              std::vector<int64_t>& taken) const {
  const TopologyTree::Run& all = tree_.runs(depth)[size_t(run)];
  const auto& runs = tree_.runs(group_depth_);
  int best = -1;
  for (int i = 0; i < int(runs.size()); ++i) {
    if (runs[size_t(i)].begin < all.begin || runs[size_t(i)].end > all.end) continue;
    const int64_t rest = room(group_depth_, i).rest;
    if (rest >= rest_ && (best < 0 || rest < room(group_depth_, best).rest)) best = i;
  }
  ASSERT(best >= 0);
  const auto left = [&](int at) {
    return at < int(taken.size()) ? room(host_depth_, at).pods - taken[size_t(at)] : 0;
  };
  for (int64_t n = rest_; n > 0;) {
    int most = runs[size_t(best)].begin;
    for (int i = most; i < runs[size_t(best)].end; ++i)
      if (left(i) > left(most)) most = i;
    ASSERT(left(most) > 0);
    for (; n > 0 && left(most) > 0; --n, ++taken[size_t(most)]) slots.push_back(tree_.order()[size_t(most)]);
  }
}

std::string TopologyChoice::needs() const {
  const std::string place(tree_.noun(ask_.group_level));
  if (ask_.group == 1 && ask_.group_level != tree_.island()) return "needs " + plural(pods_, "pod");
  if (whole_ == 1 && rest_ == 0) return "needs " + plural(pods_, "pod") + " in one " + place;
  return "needs " + plural(whole_, "group") + " of " + plural(ask_.group, "pod") +
         (rest_ > 0 ? " and one of " + std::to_string(rest_) : "") + ", each in one " + place;
}

std::string TopologyChoice::reason() const {
  const bool required = ask_.mode == TopologyAsk::Mode::Required;
  const int level_depth = ask_.level + 1;
  if (tree_.order().empty()) return needs() + "; the factory has no node";
  for (const int depth : {required ? level_depth : group_depth_, group_depth_})
    if (std::ranges::none_of(tree_.runs(depth), &TopologyTree::Run::named))
      return needs() + "; no node has the label of a " + std::string(tree_.noun(depth - 1)) + ", " +
             tree_.level(depth - 1).keys.front();
  // One group: how much of it the best place holds. More: how many of them.
  const bool one = whole_ == 1 && rest_ == 0 && (!required || level_depth == group_depth_);
  if (one && ask_.group_level == tree_.island())
    return needs() + "; no node has one with that many free GPUs";
  const int depth = required ? level_depth : one && ask_.group > 1 ? group_depth_ : 0;
  const bool count_groups = ask_.group > 1 && !one && depth <= group_depth_;
  int64_t most = 0;
  for (int i = 0; i < int(tree_.runs(depth).size()); ++i)
    if (tree_.runs(depth)[size_t(i)].named)
      most = std::max(most, count_groups ? room(depth, i).groups : room(depth, i).pods);
  const std::string fits = std::to_string(most) + (count_groups ? " of these groups" : "");
  if (depth == 0) return needs() + "; the nodes fit " + fits;
  const std::string level(tree_.noun(depth - 1));
  return needs() +
         (!required        ? ""
          : ask_.group > 1 ? ", all in one " + level
                           : " in one " + level) +
         "; the largest " + level + " fits " + fits;
}

}  // namespace ingot::scheduler
