#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/assert.h"
#include "scheduler/affinity.h"
#include "scheduler/affinity_state.h"

namespace ingot::scheduler {
namespace {

// Whether a spread counts what is on the node: it has all the keys, and the policies let it.
bool counts(const PlaceFacts& node, const std::set<std::string>& keys, const Constraints& where,
            const Spread& s) {
  if (!std::ranges::all_of(keys, [&](const std::string& key) { return node.labels.contains(key); }))
    return false;
  if (s.honor_affinity &&
      !(matches_selector(where, node.labels) && matches_affinity(where, node.name, node.labels)))
    return false;
  return !s.honor_taints || !blocking_taint(where, node.taints);
}

std::set<std::string> keys_of(const Affinity& asks, bool required) {
  std::set<std::string> keys;
  for (const Spread& spread : asks.spread)
    if (spread.required == required) keys.insert(spread.key);
  return keys;
}

// Upstream's: pods in labels with many values weigh more. In thousandths.
int64_t weight_of(size_t domains) { return std::llround(1000.0 * std::log(double(domains) + 2.0)); }

std::string with(const Selector& labels) { return "pods with " + text_of(labels); }

}  // namespace

// What decides which nodes a spread counts; equal for equal texts.
std::string AffinityIndex::counted_text(const State& s, const Spread& spread) {
  Constraints where;
  if (spread.honor_affinity) where = s.subject.where;
  where.tolerations = spread.honor_taints ? s.subject.where.tolerations : std::vector<Toleration>();
  where.node.clear();
  std::string text = std::string(spread.honor_affinity ? "a" : "-") + (spread.honor_taints ? "t" : "-");
  for (const std::string& key : keys_of(s.subject.asks, spread.required)) put_text(text, key);
  return (text += '|') += where.text();
}

PlaceTable& AffinityIndex::counted(const State& s, const Spread& spread) {
  return table(counted_text(s, spread),
               [keys = keys_of(s.subject.asks, spread.required), where = s.subject.where,
                spread](const PlaceFacts& node) { return counts(node, keys, where, spread); });
}

// The kinds of pods that the subject's asks look at.
std::vector<AffinityIndex::Wanted> AffinityIndex::wanted(const State& s) {
  const Affinity& asks = s.subject.asks;
  std::vector<Wanted> out;
  const auto pods = [&](const std::string& text, const std::string& key, std::vector<PodTerm> terms) {
    std::string name = "p" + text;
    put_text(name, key);
    out.push_back({std::move(name), key, std::move(terms), nullptr});
  };
  std::string all;
  for (const PodTerm& term : asks.near) put_text(all, term);
  for (const PodTerm& term : asks.near) pods(all, term.key, asks.near);
  for (const auto* list : {&asks.apart, &asks.prefer_near, &asks.prefer_apart})
    for (const PodTerm& term : *list) {
      std::string text;
      put_text(text, term);
      pods(text, term.key, {term});
    }
  for (const Spread& spread : asks.spread) {
    PodTerm term{.key = spread.key, .labels = spread.labels, .namespaces = {s.subject.space}};
    std::string text = "s";
    put_text(text, term);
    put_text(text, counted_text(s, spread));
    out.push_back({std::move(text), spread.key, {std::move(term)}, &spread});
  }
  return out;
}

// Whether the cluster may have these counted too. Kinds that are only kept make room.
bool AffinityIndex::may_count(Cluster& c, const std::vector<Wanted>& wanted) {
  std::set<std::string_view> fresh;
  std::set<std::string_view> all;
  for (const Wanted& w : wanted) {
    all.insert(w.text);
    if (!c.kinds.contains(w.text)) fresh.insert(w.text);
  }
  for (const auto& [cluster, k] : std::vector(idle_)) {
    if (c.kinds.size() + fresh.size() <= kMaxKinds && kinds_ + fresh.size() <= kMaxKindsOfAll) break;
    if (!all.contains(k->text)) erase(*cluster, *k);
  }
  return fresh.empty() ||
         (c.kinds.size() + fresh.size() <= kMaxKinds && kinds_ + fresh.size() <= kMaxKindsOfAll);
}

void AffinityIndex::make_plan(State& s) {
  Cluster& c = *s.cluster;
  const Affinity& asks = s.subject.asks;
  const std::vector<Wanted> wanted = this->wanted(s);
  Plan p;
  p.too_many = !own(s) || !may_count(c, wanted) || (!asks.prefer_nodes.empty() && c.preferring >= kMaxKinds);
  p.epoch = c.epoch;
  if (p.too_many) {
    s.plan = std::move(p);
    return;
  }
  for (const Wanted& w : wanted)
    p.kinds.push_back(&kind(c, w.text, w.key, w.terms, w.spread ? &counted(s, *w.spread) : nullptr));
  auto next = p.kinds.begin();
  for (const PodTerm& term : asks.near) p.near.push_back({&(*next++)->counter, &term});
  p.first = !asks.near.empty() && c.selects(asks.near, s.subject);
  for (const PodTerm& term : asks.apart) p.apart.push_back({&(*next++)->counter, &term});
  for (const PodTerm& term : asks.prefer_near) p.pods.push_back({&(*next++)->counter, term.weight});
  for (const PodTerm& term : asks.prefer_apart) p.pods.push_back({&(*next++)->counter, -term.weight});
  for (const Spread& spread : asks.spread)
    (spread.required ? p.spread : p.soft)
        .push_back({&(*next++)->counter, &spread, selects(spread.labels, s.subject.labels)});
  if (!asks.prefer_nodes.empty()) {
    Affinity only;
    only.prefer_nodes = asks.prefer_nodes;
    ++c.preferring;
    p.nodes = &table("n" + only.text(), [terms = asks.prefer_nodes](const PlaceFacts& node) {
      int32_t sum = 0;
      for (const WeightedTerm& w : terms)
        if (matches_term(w.term, node.name, node.labels)) sum += w.weight;
      return sum;
    });
  }
  for (const auto& [text, o] : c.owned) {
    if (!c.selects({o->term}, s.subject)) continue;
    if (o->why == Owned::Why::Apart)
      p.theirs.push_back({&o->counter, &o->term});
    else
      p.pods.push_back({&o->counter, o->weight()});
  }
  s.plan = std::move(p);
}

void AffinityIndex::drop_plan(State& s) {
  if (!s.plan) return;
  drop_plan(s, *std::exchange(s.plan, std::nullopt));
}

void AffinityIndex::drop_plan(State& s, const Plan& p) {
  for (Kind* k : p.kinds) drop(*s.cluster, *k);
  if (!p.nodes) return;
  drop(*p.nodes);
  --s.cluster->preferring;
}

const AffinityIndex::Plan& AffinityIndex::plan(Id id) {
  State& s = *states_[size_t(id)];
  ASSERT(s.acquired > 0);
  if (s.plan && s.plan->epoch == s.cluster->epoch) return *s.plan;
  std::optional<Plan> old = std::exchange(s.plan, std::nullopt);
  make_plan(s);  // before the old one is dropped, so that what both use stays
  if (old) drop_plan(s, *old);
  return *s.plan;
}

bool AffinityIndex::concerned(Id id) {
  State& s = *states_[size_t(id)];
  if (s.plan && s.plan->too_many) s.plan.reset();  // there may be room now
  return restricts(id) || prefers(id);
}

bool AffinityIndex::restricts(Id id) {
  const Plan& p = plan(id);
  return p.too_many || !p.near.empty() || !p.apart.empty() || !p.theirs.empty() || !p.spread.empty();
}

bool AffinityIndex::prefers(Id id) {
  const Plan& p = plan(id);
  return !p.pods.empty() || !p.soft.empty() || p.nodes;
}

AffinityIndex::Verdict AffinityIndex::judge(const Plan& p, int slot) const {
  if (p.too_many) return {Refusal::TooMany, 0};
  bool all_near = true;
  for (size_t i = 0; i < p.near.size(); ++i) {
    if (!p.near[i].counter->has_domain(slot)) return {Refusal::NoDomain, i};
    all_near &= p.near[i].counter->at(slot) > 0;
  }
  const bool none_yet =
      std::ranges::all_of(p.near, [](const Plan::Check& c) { return c.counter->total() == 0; });
  if (!all_near && !(p.first && none_yet)) return {Refusal::Near, 0};
  for (size_t i = 0; i < p.apart.size(); ++i)
    if (p.apart[i].counter->at(slot) > 0) return {Refusal::Apart, i};
  for (size_t i = 0; i < p.theirs.size(); ++i)
    if (p.theirs[i].counter->at(slot) > 0) return {Refusal::TheirApart, i};
  for (size_t i = 0; i < p.spread.size(); ++i) {
    const auto& [counter, spread, self] = p.spread[i];
    if (!counter->has_domain(slot)) return {Refusal::NoDomain, p.near.size() + i};
    const int64_t least = counter->domains() < spread->min_domains ? 0 : counter->least();
    if (counter->at(slot) + self - least > spread->max_skew) return {Refusal::Skew, i};
  }
  return {};
}

bool AffinityIndex::allowed(Id id, int slot) { return judge(plan(id), slot).refusal == Refusal::None; }

void AffinityIndex::prefer(Id id, std::span<const int> slots, std::span<int32_t> scores) {
  ASSERT(slots.size() == scores.size());
  const Plan& p = plan(id);
  if (p.nodes) {
    int32_t most = 0;
    for (const int slot : slots) most = std::max(most, p.nodes->at(slot));
    for (size_t i = 0; most > 0 && i < slots.size(); ++i) scores[i] += 100 * p.nodes->at(slots[i]) / most;
  }
  std::vector<int64_t> raw(slots.size());
  if (!p.pods.empty() && !slots.empty()) {
    for (size_t i = 0; i < slots.size(); ++i)
      for (const Plan::Preference& w : p.pods) raw[i] += w.weight * w.counter->at(slots[i]);
    const auto [least, most] = std::ranges::minmax(raw);
    for (size_t i = 0; most > least && i < slots.size(); ++i)
      scores[i] += int32_t(100 * (raw[i] - least) / (most - least));
  }
  if (p.soft.empty()) return;
  // A node that lacks one of the labels has no part in it.
  const auto has_all = [&](int slot) {
    return std::ranges::all_of(p.soft,
                               [&](const Plan::SpreadCheck& s) { return s.counter->has_domain(slot); });
  };
  std::ranges::fill(raw, 0);
  for (const Plan::SpreadCheck& s : p.soft) {
    std::vector<int32_t> seen;
    for (const int slot : slots)
      if (has_all(slot)) seen.push_back(s.counter->domain(slot));
    std::ranges::sort(seen);
    const int64_t weight = weight_of(seen.size() - std::ranges::unique(seen).size());
    for (size_t i = 0; i < slots.size(); ++i)
      raw[i] += s.counter->at(slots[i]) * weight + (s.spread->max_skew - 1) * 1000;
  }
  int64_t least = INT64_MAX, most = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    raw[i] = has_all(slots[i]) ? (raw[i] + 500) / 1000 : -1;
    if (raw[i] < 0) continue;
    least = std::min(least, raw[i]);
    most = std::max(most, raw[i]);
  }
  for (size_t i = 0; i < slots.size(); ++i)
    if (raw[i] >= 0) scores[i] += int32_t(most == 0 ? 100 : 100 * (most + least - raw[i]) / most);
}

std::string AffinityIndex::sentence(const Plan& p, Verdict v) const {
  switch (v.refusal) {
    case Refusal::None:
      return "allowed";
    case Refusal::TooMany:
      return "its cluster's pods have too many different affinity terms and spread constraints";
    case Refusal::NoDomain:
      return v.check < p.near.size()
                 ? "no label " + p.near[v.check].term->key + ", which its pod affinity looks at"
                 : "no label " + p.spread[v.check - p.near.size()].spread->key +
                       ", which its topology spread looks at";
    case Refusal::Near:
      return "not near " + with(p.near[0].term->labels) + " by " + p.near[0].term->key +
             " (its pod affinity)";
    case Refusal::Apart:
      return with(p.apart[v.check].term->labels) + " in the same " + p.apart[v.check].term->key +
             " (its pod anti-affinity)";
    case Refusal::TheirApart:
      return "pods there keep " + with(p.theirs[v.check].term->labels) + " out of their " +
             p.theirs[v.check].term->key + " (their pod anti-affinity)";
    case Refusal::Skew:
      return "more than " + std::to_string(p.spread[v.check].spread->max_skew) + " over the fewest " +
             with(p.spread[v.check].spread->labels) + " by " + p.spread[v.check].spread->key +
             " (its topology spread)";
  }
  return "";
}

std::string AffinityIndex::explain(Id id, std::span<const int> slots) {
  const State& s = *states_[size_t(id)];
  const Plan& p = plan(id);
  if (auto never = contradiction(s.subject.asks, s.subject.where, s.subject.space, s.subject.labels))
    return *never;
  if (p.too_many)
    return "the tenant's pods have too many different affinity terms and spread constraints at once: at "
           "most " +
           std::to_string(kMaxKinds) + " of pods that wait and " + std::to_string(kMaxOwned) + " in all";
  const bool none = std::ranges::all_of(p.near, [](const Plan::Check& c) { return c.counter->total() == 0; });
  if (!p.near.empty() && none && !p.first)
    return "its pod affinity asks for " + with(p.near[0].term->labels) + ", and none is placed";
  std::map<Verdict, size_t> causes;
  for (const int slot : slots)
    if (const Verdict v = judge(p, slot); v.refusal != Refusal::None) ++causes[v];
  std::vector<std::pair<Verdict, size_t>> sorted(causes.begin(), causes.end());
  std::ranges::sort(sorted, {},
                    [](const auto& cause) { return std::pair(-int64_t(cause.second), cause.first); });
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(sorted.size(), 3); ++i)
    out += (out.empty() ? "" : "; ") + std::to_string(sorted[i].second) + " of " +
           std::to_string(slots.size()) + (slots.size() == 1 ? " node: " : " nodes: ") +
           sentence(p, sorted[i].first);
  return out;
}

}  // namespace ingot::scheduler
