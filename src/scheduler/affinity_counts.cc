#include "scheduler/affinity_counts.h"

#include <utility>

#include "base/assert.h"

namespace ingot::scheduler {

void Domains::set(int slot, const PlaceFacts& node) {
  const auto value = node.labels.find(key_);
  if (size_t(slot) >= of_slot_.size()) {
    if (value == node.labels.end()) return;  // labels that no node has take no space
    of_slot_.resize(size_t(slot) + 1, -1);
  }
  const int32_t before = of_slot_[size_t(slot)];
  of_slot_[size_t(slot)] = value == node.labels.end() ? -1 : enter(value->second);
  if (before >= 0) leave(before);
}

int32_t Domains::enter(const std::string& value) {
  const auto [at, added] = ids_.try_emplace(value, int32_t(values_.size()));
  if (added && !vacant_.empty()) {
    at->second = vacant_.back();
    vacant_.pop_back();
  } else if (added) {
    values_.emplace_back();
  }
  Value& v = values_[size_t(at->second)];
  if (added) v.entry = at;
  ++v.nodes;
  return at->second;
}

void Domains::leave(int32_t id) {
  Value& v = values_[size_t(id)];
  if (--v.nodes > 0) return;
  ids_.erase(v.entry);
  vacant_.push_back(id);
}

void PlaceTable::set(int slot, const PlaceFacts& node) {
  if (size_t(slot) >= values.size()) values.resize(size_t(slot) + 1, 0);
  values[size_t(slot)] = node.known ? rate(node) : 0;
}

Counter::Cell& Counter::cell(int32_t domain) {
  if (!dense_) {
    if (few_.size() < kFew || few_.contains(domain)) return few_[domain];
    dense_ = true;
    for (const auto& [at, few] : std::exchange(few_, {})) cell(at) = few;  // in any order
  }
  if (size_t(domain) >= cells_.size()) cells_.resize(size_t(domain) + 1);
  return cells_[size_t(domain)];
}

void Counter::move(int64_t from, int64_t to) {
  if (--histogram_[from] == 0) histogram_.erase(from);
  ++histogram_[to];
}

void Counter::add(int slot, int64_t pods) {
  const int32_t domain = domains_.at(slot);
  if (domain < 0 || pods == 0 || !counts(slot)) return;
  Cell& at = cell(domain);
  if (at.nodes > 0) move(at.pods, at.pods + pods);
  at.pods += pods;
  total_ += pods;
  ASSERT(at.pods >= 0);
  if (!dense_ && at.pods == 0) few_.erase(domain);
}

void Counter::add_node(int slot, int sign) {
  const int32_t domain = domains_.at(slot);
  if (domain < 0 || !counts(slot)) return;
  Cell& at = cell(domain);
  const bool before = at.nodes > 0;
  at.nodes += sign;
  ASSERT(at.nodes >= 0);
  if (before == (at.nodes > 0)) return;
  existing_ += sign;
  if (sign > 0)
    ++histogram_[at.pods];
  else if (--histogram_[at.pods] == 0)
    histogram_.erase(at.pods);
}

}  // namespace ingot::scheduler
