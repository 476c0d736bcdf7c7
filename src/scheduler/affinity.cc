#include "scheduler/affinity.h"

#include <algorithm>
#include <tuple>

#include "base/assert.h"
#include "scheduler/affinity_state.h"

namespace ingot::scheduler {
namespace {

std::string text_of(const Subject& s) {
  std::string out;
  put_text(out, s.space);
  for (const auto& [key, value] : s.labels) {
    put_text(out, key);
    put_text(out, value);
  }
  out += '|';
  out += s.asks.text();
  if (!s.asks.spread.empty()) (out += '|') += s.where.text();
  return out;
}

}  // namespace

AffinityIndex::AffinityIndex() = default;
AffinityIndex::~AffinityIndex() = default;
AffinityIndex::AffinityIndex(AffinityIndex&&) noexcept = default;
AffinityIndex& AffinityIndex::operator=(AffinityIndex&&) noexcept = default;

// What is counted at a slot is taken out under its old labels and put back under the new ones.
void AffinityIndex::set_node(int slot, std::string_view name, const Labels& labels,
                             const std::vector<Taint>& taints, bool cordoned) {
  PlaceFacts facts{.name = std::string(name), .labels = labels, .taints = taints, .known = true};
  if (cordoned) facts.taints.push_back({"node.kubernetes.io/unschedulable", "", Effect::NoSchedule});
  if (size_t(slot) >= nodes_.size()) nodes_.resize(size_t(slot) + 1);
  if (nodes_[size_t(slot)] == facts) return;
  lift(slot, -1);
  nodes_[size_t(slot)] = std::move(facts);
  for (auto& [key, d] : domains_) d->set(slot, nodes_[size_t(slot)]);
  for (auto& [text, t] : tables_) t->set(slot, nodes_[size_t(slot)]);
  lift(slot, 1);
}

void AffinityIndex::erase_node(int slot) {
  if (size_t(slot) >= nodes_.size()) return;
  lift(slot, -1);
  nodes_[size_t(slot)] = {};
  for (auto& [key, d] : domains_) d->set(slot, nodes_[size_t(slot)]);
  for (auto& [text, t] : tables_) t->set(slot, nodes_[size_t(slot)]);
  lift(slot, 1);
}

void AffinityIndex::lift(int slot, int sign) {
  for (Kind* k : spreads_) k->counter.add_node(slot, sign);
  if (size_t(slot) >= on_slot_.size()) return;
  for (const Id id : on_slot_[size_t(slot)]) apply(*states_[size_t(id)], slot, sign);
}

void AffinityIndex::apply(State& s, int slot, int sign) {
  const State::Placed& placed = s.placed.find(slot)->second;
  for (Kind* k : s.counted_by) k->counter.add(slot, sign * (placed.pods - (k->spread() ? placed.ending : 0)));
  for (Owned* o : s.owned) o->counter.add(slot, sign * placed.pods);
}

bool AffinityIndex::set_space(const std::string& cluster, const std::string& space, Labels labels) {
  auto& c = clusters_[cluster];
  if (!c) c = std::make_unique<Cluster>(cluster);
  Labels& now = c->spaces[space];
  if (now == labels) return false;
  now = std::move(labels);
  rematch(*c);
  return true;
}

void AffinityIndex::erase_space(const std::string& cluster, const std::string& space) {
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end() || found->second->spaces.erase(space) == 0) return;
  rematch(*found->second);
  if (found->second->spaces.empty() && found->second->subjects.empty()) clusters_.erase(found);
}

// A namespace's labels changed: which kinds select which subjects may have.
void AffinityIndex::rematch(Cluster& c) {
  ++c.epoch;
  for (const auto& [text, id] : c.subjects) {
    State& s = *states_[size_t(id)];
    for (const auto& [slot, placed] : s.placed) apply(s, slot, -1);
    s.counted_by.clear();
    for (const auto& [name, k] : c.kinds)
      if (c.selects(k->terms, s.subject)) s.counted_by.push_back(k.get());
    for (const auto& [slot, placed] : s.placed) apply(s, slot, 1);
  }
}

AffinityIndex::Id AffinityIndex::acquire(const Subject& subject) {
  auto& c = clusters_[subject.cluster];
  if (!c) c = std::make_unique<Cluster>(subject.cluster);
  std::string text = text_of(subject);
  if (const auto found = c->subjects.find(text); found != c->subjects.end()) {
    ++states_[size_t(found->second)]->acquired;
    return found->second;
  }
  Id id = Id(states_.size());
  if (vacant_.empty())
    states_.emplace_back();
  else
    id = vacant_.back(), vacant_.pop_back();
  states_[size_t(id)] = std::make_unique<State>(subject, c.get(), text, 1);
  State& s = *states_[size_t(id)];
  c->subjects.emplace(std::move(text), id);
  for (const auto& [name, k] : c->kinds)
    if (c->selects(k->terms, subject)) s.counted_by.push_back(k.get());
  own(s);
  return id;
}

void AffinityIndex::acquire(Id id) { ++states_[size_t(id)]->acquired; }

const Subject& AffinityIndex::subject(Id id) const { return states_[size_t(id)]->subject; }

void AffinityIndex::release(Id id) {
  State& s = *states_[size_t(id)];
  ASSERT(s.acquired > 0);
  if (--s.acquired > 0) return;
  drop_plan(s);
  if (s.placed.empty()) forget(id);
}

void AffinityIndex::forget(Id id) {
  State& s = *states_[size_t(id)];
  Cluster& c = *s.cluster;
  disown(s);
  c.subjects.erase(s.text);
  if (c.subjects.empty())
    for (const auto& [cluster, k] : std::vector(idle_))
      if (cluster == &c) erase(c, *k);
  states_[size_t(id)].reset();
  vacant_.push_back(id);
  if (c.subjects.empty() && c.spaces.empty()) clusters_.erase(std::string(c.id));
}

void AffinityIndex::place(Id id, int slot, int pods, bool ending) {
  State& s = *states_[size_t(id)];
  State::Placed& placed = s.placed[slot];
  if (size_t(slot) >= on_slot_.size()) on_slot_.resize(size_t(slot) + 1);
  on_slot_[size_t(slot)].insert(id);
  placed.pods += pods;
  if (ending) placed.ending += pods;
  ASSERT(placed.pods >= 0 && placed.ending >= 0 && placed.ending <= placed.pods);
  for (Kind* k : s.counted_by) k->counter.add(slot, k->spread() && ending ? 0 : pods);
  for (Owned* o : s.owned) o->counter.add(slot, pods);
  if (placed.pods > 0) return;
  s.placed.erase(slot);
  on_slot_[size_t(slot)].erase(id);
  if (s.placed.empty() && s.acquired == 0) forget(id);
}

// The terms that newcomers will have to answer to; all of them or none. Called again when there may be room.
bool AffinityIndex::own(State& s) {
  if (s.owns_all) return true;
  Cluster& c = *s.cluster;
  std::vector<std::tuple<std::string, Owned::Why, const PodTerm*>> terms;
  const auto add = [&](Owned::Why why, const std::vector<PodTerm>& list) {
    for (const PodTerm& term : list) {
      std::string text = std::to_string(int(why)) + ":" + std::to_string(term.weight) + ":";
      put_text(text, term);
      terms.emplace_back(std::move(text), why, &term);
    }
  };
  add(Owned::Why::Apart, s.subject.asks.apart);
  add(Owned::Why::Near, s.subject.asks.near);
  add(Owned::Why::PreferNear, s.subject.asks.prefer_near);
  add(Owned::Why::PreferApart, s.subject.asks.prefer_apart);
  const auto fresh =
      std::ranges::count_if(terms, [&](const auto& t) { return !c.owned.contains(std::get<0>(t)); });
  if (fresh > 0 && c.owned.size() + size_t(fresh) > kMaxOwned) return false;
  for (const auto& [text, why, term] : terms) {
    auto& o = c.owned[text];
    if (!o) {
      Domains& d = domains(term->key);
      o = std::make_unique<Owned>(why, *term, &d, Counter(d, nullptr));
      ++c.epoch;
    }
    ++o->users;
    s.owned.push_back(o.get());
    for (const auto& [slot, placed] : s.placed) o->counter.add(slot, placed.pods);
  }
  return s.owns_all = true;
}

void AffinityIndex::disown(State& s) {
  Cluster& c = *s.cluster;
  for (Owned* o : s.owned) --o->users;
  if (std::ranges::none_of(s.owned, [](const Owned* o) { return o->users == 0; })) return;
  s.owned.clear();
  ++c.epoch;
  std::erase_if(c.owned, [&](const auto& entry) {
    if (entry.second->users > 0) return false;
    drop(*entry.second->domains);
    return true;
  });
}

Domains& AffinityIndex::domains(const std::string& key) {
  auto& d = domains_[key];
  if (!d) {
    d = std::make_unique<Domains>(key);
    for (size_t slot = 0; slot < nodes_.size(); ++slot) d->set(int(slot), nodes_[slot]);
  }
  ++d->users;
  return *d;
}

// A few that nobody uses are kept: the next pod will ask by the same labels.
void AffinityIndex::drop(Domains& d) {
  if (--d.users > 0 || domains_.size() <= kKeptKeys) return;
  domains_.erase(std::string(d.key()));
}

PlaceTable& AffinityIndex::table(const std::string& text, std::function<int32_t(const PlaceFacts&)> rate) {
  auto& t = tables_[text];
  if (!t) {
    t = std::make_unique<PlaceTable>(text, std::move(rate));
    for (size_t slot = 0; slot < nodes_.size(); ++slot) t->set(int(slot), nodes_[slot]);
  }
  ++t->users;
  return *t;
}

void AffinityIndex::drop(PlaceTable& t) {
  if (--t.users == 0) tables_.erase(std::string(t.text));
}

AffinityIndex::Kind& AffinityIndex::kind(Cluster& c, const std::string& text, const std::string& key,
                                         std::vector<PodTerm> terms, PlaceTable* counted) {
  auto& k = c.kinds[text];
  if (k) {
    if (counted) drop(*counted);  // it has its own
    if (k->users == 0) std::erase(idle_, std::pair(&c, k.get()));
  } else {
    Domains& d = domains(key);
    ++kinds_;
    k = std::make_unique<Kind>(text, std::move(terms), &d, counted, Counter(d, counted));
    if (counted) {
      spreads_.push_back(k.get());
      for (size_t slot = 0; slot < nodes_.size(); ++slot) k->counter.add_node(int(slot), 1);
    }
    for (const auto& [name, id] : c.subjects) {
      State& s = *states_[size_t(id)];
      if (!c.selects(k->terms, s.subject)) continue;
      s.counted_by.push_back(k.get());
      for (const auto& [slot, placed] : s.placed)
        k->counter.add(slot, placed.pods - (counted ? placed.ending : 0));
    }
  }
  ++k->users;
  return *k;
}

void AffinityIndex::drop(Cluster& c, Kind& k) {
  if (--k.users > 0) return;
  idle_.emplace_back(&c, &k);
  if (idle_.size() > kKeptKinds) erase(*idle_.front().first, *idle_.front().second);
}

void AffinityIndex::erase(Cluster& c, Kind& k) {
  std::erase(idle_, std::pair(&c, &k));
  for (const auto& [name, id] : c.subjects) std::erase(states_[size_t(id)]->counted_by, &k);
  std::erase(spreads_, &k);
  if (k.table) drop(*k.table);
  drop(*k.domains);
  c.kinds.erase(std::string(k.text));
  --kinds_;
}

}  // namespace ingot::scheduler
