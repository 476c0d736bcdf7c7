#include <algorithm>

#include "scheduler/pass.h"

namespace ingot::scheduler {

AffinityIndex::Id Pass::subject(const UnitState& u, size_t pod) const {
  if (m_.subjects_.empty()) return -1;
  const auto found = m_.subjects_.find(u.unit.pods[pod].uid);
  if (found == m_.subjects_.end() || found->second.slot >= 0) return -1;
  return m_.affinity_.concerned(found->second.id) ? found->second.id : -1;
}

// Where other pods let it, and, if it has preferences, where they are met best; then the least cost.
int Pass::choose_near(UnitState& u, size_t pod, AffinityIndex::Id id, bool* refused) {
  Class& c = *u.classes[pod];
  const auto admitted = [&](int slot) { return admits(u, c, slot) && m_.affinity_.allowed(id, slot); };
  if (!m_.affinity_.prefers(id)) return c.best(m_, admitted, refused);
  const auto candidates = c.candidates(m_, admitted);
  *refused = true;  // not asked: nothing is concluded about the class
  if (candidates.empty()) return -1;
  std::vector<int> slots;
  for (const auto& [score, slot] : candidates) slots.push_back(slot);
  std::vector<int32_t> met(slots.size());
  m_.affinity_.prefer(id, slots, met);
  // Taints that the pod dislikes come first, as they do in the score.
  const auto order = [&](size_t i) {
    return std::tuple(candidates[i].first >> 48, -met[i], candidates[i].first, m_.by_name_[size_t(slots[i])]);
  };
  size_t best = 0;
  for (size_t i = 1; i < slots.size(); ++i)
    if (order(i) < order(best)) best = i;
  return slots[best];
}

// How many of the subject one node may hold, one after the other.
int32_t Pass::pods_allowed(AffinityIndex::Id id, int slot, int32_t most) {
  int32_t n = 0;
  for (; n < most && m_.affinity_.allowed(id, slot); ++n) m_.affinity_.place(id, slot, 1);
  if (n > 0) m_.affinity_.place(id, slot, -n);
  return n;
}

bool Pass::allowed(const UnitState& u, size_t pod, int slot) {
  const AffinityIndex::Id id = subject(u, pod);
  return id < 0 || m_.affinity_.allowed(id, slot);
}

bool Pass::entangled(const UnitState& u) const {
  const AffinityIndex::Id id = u.unit.pods.size() > 1 ? subject(u, 0) : -1;
  return id >= 0 && m_.affinity_.restricts(id);
}

// Why the pod is where it fits not wanted; nullptr: it is not that.
std::shared_ptr<const std::string> Pass::affinity_reason(UnitState& u, size_t pod) {
  if (pod >= u.unit.pods.size()) return nullptr;
  const AffinityIndex::Id id = subject(u, pod);
  if (id < 0) return nullptr;
  std::vector<int> slots;
  bool any = false;
  for (const auto& [score, slot] :
       u.classes[pod]->candidates(m_, [&](int slot) { return admits(u, *u.classes[pod], slot); })) {
    slots.push_back(slot);
    any |= m_.affinity_.allowed(id, slot);
  }
  if (slots.empty() || any) return nullptr;
  u.lacks_room = false;
  std::string text = m_.affinity_.explain(id, slots);
  if (u.unit.pods.size() > 1)
    text =
        std::to_string(pod) + " of " + std::to_string(u.unit.pods.size()) + " pods of the gang fit: " + text;
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace ingot::scheduler
