// Random clusters, random asks, random streams of pods, relabelled nodes and namespaces: the index answers as the
// definitions do, which are written here the slow way, pod by pod (core/v1 PodAffinityTerm and
// TopologySpreadConstraint; plugins interpodaffinity and podtopologyspread).
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "scheduler/affinity.h"

namespace ingot::scheduler {
namespace {

using Op = Requirement::Op;

struct SlowNode {
  std::string name;
  Labels labels;
  std::vector<Taint> taints;
  bool cordoned = false, known = true;
};
struct SlowPod {
  Subject subject;
  int slot;
  bool ending;
};

struct Slow {
  std::vector<SlowNode> nodes;
  std::vector<SlowPod> pods;
  std::map<std::pair<std::string, std::string>, Labels> spaces;  // cluster, namespace

  bool selects(const PodTerm& t, const Subject& asker, const Subject& pod) const {
    if (asker.cluster != pod.cluster || !t.labels) return false;
    const auto space = spaces.find({pod.cluster, pod.space});
    const bool there = std::ranges::count(t.namespaces, pod.space) > 0 ||
                       (t.namespace_labels &&
                        matches_all(*t.namespace_labels, space == spaces.end() ? Labels{} : space->second));
    return there && matches_all(*t.labels, pod.labels);
  }
  const std::string* value(int slot, const std::string& key) const {
    const SlowNode& n = nodes[size_t(slot)];
    const auto found = n.labels.find(key);
    return n.known && found != n.labels.end() ? &found->second : nullptr;
  }
  bool together(int a, int b, const std::string& key) const {
    const std::string *x = value(a, key), *y = value(b, key);
    return x && y && *x == *y;
  }
  bool near_all(const Subject& s, const Subject& pod) const {
    return std::ranges::all_of(s.asks.near, [&](const PodTerm& t) { return selects(t, s, pod); });
  }

  bool near(const Subject& s, int slot) const {
    bool all = true, any_anywhere = false;
    for (const PodTerm& t : s.asks.near) {
      if (!value(slot, t.key)) return false;
      bool here = false;
      for (const SlowPod& p : pods)
        if (near_all(s, p.subject)) {
          here |= together(slot, p.slot, t.key);
          any_anywhere |= value(p.slot, t.key) != nullptr;
        }
      all &= here;
    }
    return all || (!any_anywhere && near_all(s, s));
  }
  bool apart(const Subject& s, int slot) const {
    for (const SlowPod& p : pods) {
      for (const PodTerm& t : s.asks.apart)
        if (selects(t, s, p.subject) && together(slot, p.slot, t.key)) return false;
      for (const PodTerm& t : p.subject.asks.apart)
        if (selects(t, p.subject, s) && together(slot, p.slot, t.key)) return false;
    }
    return true;
  }
  bool counted(const Subject& s, const Spread& c, int slot) const {
    const SlowNode& n = nodes[size_t(slot)];
    if (!n.known) return false;
    for (const Spread& other : s.asks.spread)
      if (other.required == c.required && !value(slot, other.key)) return false;
    if (c.honor_affinity &&
        !(matches_selector(s.where, n.labels) && matches_affinity(s.where, n.name, n.labels)))
      return false;
    std::vector<Taint> taints = n.taints;
    if (n.cordoned) taints.push_back({"node.kubernetes.io/unschedulable", "", Effect::NoSchedule});
    return !c.honor_taints || !blocking_taint(s.where, taints);
  }
  std::map<std::string, int64_t> spread_of(const Subject& s, const Spread& c) const {
    std::map<std::string, int64_t> out;
    for (int n = 0; n < int(nodes.size()); ++n)
      if (counted(s, c, n)) out[*value(n, c.key)];
    for (const SlowPod& p : pods)
      if (counted(s, c, p.slot) && !p.ending && p.subject.cluster == s.cluster &&
          p.subject.space == s.space && c.labels && matches_all(*c.labels, p.subject.labels))
        ++out[*value(p.slot, c.key)];
    return out;
  }
  bool spread(const Subject& s, int slot) const {
    for (const Spread& c : s.asks.spread) {
      if (!c.required) continue;
      const std::string* here = value(slot, c.key);
      if (!here) return false;
      const auto counts = spread_of(s, c);
      int64_t least = counts.empty() ? 0 : INT64_MAX;
      for (const auto& [name, n] : counts) least = std::min(least, n);
      if (int64_t(counts.size()) < c.min_domains) least = 0;
      const auto found = counts.find(*here);
      const int64_t self = c.labels && matches_all(*c.labels, s.labels) ? 1 : 0;
      if ((found == counts.end() ? 0 : found->second) + self - least > c.max_skew) return false;
    }
    return true;
  }
  bool allowed(const Subject& s, int slot) const {
    return near(s, slot) && apart(s, slot) && spread(s, slot);
  }

  int64_t pleases(const Subject& s, int slot) const {
    int64_t sum = 0;
    const auto add = [&](const std::vector<PodTerm>& terms, const Subject& asker, const Subject& other,
                         const SlowPod& p, int64_t weight) {
      for (const PodTerm& t : terms)
        if (selects(t, asker, other) && together(slot, p.slot, t.key))
          sum += weight * (t.weight ? t.weight : 1);
    };
    for (const SlowPod& p : pods) {
      add(s.asks.prefer_near, s, p.subject, p, 1);
      add(s.asks.prefer_apart, s, p.subject, p, -1);
      add(p.subject.asks.near, p.subject, s, p, 1);
      add(p.subject.asks.prefer_near, p.subject, s, p, 1);
      add(p.subject.asks.prefer_apart, p.subject, s, p, -1);
    }
    return sum;
  }
};

struct Random {
  std::mt19937_64 random;
  int below(int n) { return int(random() % uint64_t(n)); }
  bool once_in(int n) { return below(n) == 0; }
  std::string one(std::initializer_list<const char*> list) {
    return *(list.begin() + below(int(list.size())));
  }

  Selector selector() {
    if (once_in(12)) return std::nullopt;
    std::vector<Requirement> out;
    for (int n = below(3); n > 0; --n) {
      const std::string key = one({"app", "tier"});
      switch (below(4)) {
        case 0:
          out.push_back({key, Op::Exists, {}});
          break;
        case 1:
          out.push_back({key, Op::NotIn, {one({"x", "y"})}});
          break;
        case 2:
          out.push_back({key, Op::DoesNotExist, {}});
          break;
        default:
          out.push_back({key, Op::In, {one({"x", "y"}), one({"y", "z"})}});
      }
    }
    return out;
  }
  PodTerm term(int32_t weight = 0) {
    PodTerm t{.key = one({"zone", "rack", "host"}), .labels = selector(), .weight = weight};
    if (once_in(4))
      t.namespace_labels =
          once_in(3) ? Selector(std::vector<Requirement>()) : Selector({{"team", Op::In, {"red"}}});
    if (!t.namespace_labels || once_in(2)) t.namespaces = {one({"a", "b"})};
    return t;
  }
  Spread spread() {
    return {.key = one({"zone", "rack", "host"}),
            .labels = selector(),
            .max_skew = 1 + below(2),
            .min_domains = 1 + below(3),
            .required = !once_in(4),
            .honor_affinity = !once_in(3),
            .honor_taints = once_in(2)};
  }
  Subject subject() {
    Subject s{.cluster = one({"c1", "c1", "c2"}), .space = one({"a", "b"})};
    if (!once_in(4)) s.labels["app"] = one({"x", "y", "z"});
    if (once_in(2)) s.labels["tier"] = one({"x", "y"});
    if (once_in(5)) s.asks.near.push_back(term());
    if (once_in(9)) s.asks.near.push_back(term());
    if (once_in(4)) s.asks.apart.push_back(term());
    if (once_in(5)) s.asks.prefer_near.push_back(term(1 + below(100)));
    if (once_in(5)) s.asks.prefer_apart.push_back(term(1 + below(100)));
    for (int n = once_in(3) ? 1 + below(2) : 0; n > 0; --n) s.asks.spread.push_back(spread());
    if (once_in(4)) s.where.selector = {{"zone", one({"z0", "z1"})}};
    if (once_in(5)) s.where.tolerations = {{.key = "t", .exists = true}};
    return s;
  }
  SlowNode node(int slot) {
    SlowNode n{.name = "n" + std::to_string(slot), .cordoned = once_in(6), .known = !once_in(10)};
    if (!once_in(6)) n.labels["zone"] = one({"z0", "z1", "z2"});
    if (!once_in(4)) n.labels["rack"] = one({"r0", "r1"});
    if (!once_in(8)) n.labels["host"] = n.name;
    if (once_in(5)) n.taints = {{"t", "", Effect::NoSchedule}};
    return n;
  }
};

struct World {
  explicit World(uint64_t seed) : r{std::mt19937_64(seed)} {
    slow.nodes.resize(size_t(3 + r.below(5)));
    for (int i = 0; i < int(slow.nodes.size()); ++i) change_node(i);
    for (int n = 3 + r.below(4); n > 0; --n) {
      subjects.push_back(r.subject());
      ids.push_back(index.acquire(subjects.back()));
    }
  }
  void change_node(int slot) {
    const SlowNode n = slow.nodes[size_t(slot)] = r.node(slot);
    if (n.known)
      index.set_node(slot, n.name, n.labels, n.taints, n.cordoned);
    else
      index.erase_node(slot);
  }
  void change_space() {
    const std::string cluster = r.one({"c1", "c2"}), space = r.one({"a", "b"});
    if (r.once_in(3)) {
      slow.spaces.erase({cluster, space});
      index.erase_space(cluster, space);
    } else {
      const Labels labels{{"team", r.one({"red", "blue"})}};
      slow.spaces[{cluster, space}] = labels;
      index.set_space(cluster, space, labels);
    }
  }
  void add_pod() {
    const size_t i = size_t(r.below(int(subjects.size())));
    const SlowPod p{subjects[i], r.below(int(slow.nodes.size())), r.once_in(4)};
    index.place(ids[i], p.slot, 1, p.ending);
    slow.pods.push_back(p);
    owners.push_back(ids[i]);
  }
  void remove_pod() {
    if (slow.pods.empty()) return;
    const int i = r.below(int(slow.pods.size()));
    index.place(owners[size_t(i)], slow.pods[size_t(i)].slot, -1, slow.pods[size_t(i)].ending);
    slow.pods.erase(slow.pods.begin() + i);
    owners.erase(owners.begin() + i);
  }
  // A subject goes out of use, while its pods may still run, and another comes.
  void replace_subject() {
    const size_t i = size_t(r.below(int(subjects.size())));
    index.release(ids[i]);
    subjects[i] = r.subject();
    ids[i] = index.acquire(subjects[i]);
  }
  void step() {
    switch (r.below(12)) {
      case 0:
        return change_node(r.below(int(slow.nodes.size())));
      case 1:
        return change_space();
      case 2:
        return replace_subject();
      case 3:
      case 4:
      case 5:
        return remove_pod();
      default:
        return add_pod();
    }
  }
  void check() {
    std::vector<int> slots;
    for (int i = 0; i < int(slow.nodes.size()); ++i)
      if (slow.nodes[size_t(i)].known) slots.push_back(i);
    for (size_t i = 0; i < subjects.size(); ++i) {
      bool any = false;
      for (const int slot : slots) {
        const bool allowed = index.allowed(ids[i], slot);
        ASSERT_EQ(allowed, slow.allowed(subjects[i], slot)) << "subject " << i << " at node " << slot << ": "
                                                            << index.explain(ids[i], std::vector<int>{slot});
        any |= allowed;
        ASSERT_TRUE(allowed || index.concerned(ids[i]));
      }
      if (!any && !slots.empty()) ASSERT_NE(index.explain(ids[i], slots), "");
      check_preferences(i, slots);
    }
  }
  void check_preferences(size_t i, const std::vector<int>& slots) {
    if (std::ranges::any_of(subjects[i].asks.spread, [](const Spread& s) { return !s.required; })) return;
    std::vector<int32_t> scores(slots.size());
    index.prefer(ids[i], slots, scores);
    for (size_t a = 0; a < slots.size(); ++a) {
      ASSERT_GE(scores[a], 0);
      ASSERT_LE(scores[a], 100);
      for (size_t b = 0; b < slots.size(); ++b)
        if (slow.pleases(subjects[i], slots[a]) >= slow.pleases(subjects[i], slots[b]))
          ASSERT_GE(scores[a], scores[b]);
    }
  }

  Random r;
  Slow slow;
  AffinityIndex index;
  std::vector<Subject> subjects;
  std::vector<AffinityIndex::Id> ids;
  std::vector<AffinityIndex::Id> owners;  // of slow.pods
};

TEST(AffinityProperty, TheIndexAnswersAsTheDefinitionsDo) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    for (int step = 0; step < 40; ++step) {
      SCOPED_TRACE(step);
      world.step();
      world.check();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace ingot::scheduler
