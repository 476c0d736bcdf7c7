// How many pods of a kind every domain of a node label holds, kept up to date pod by pod. Internal to the room;
// one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "scheduler/affinity_terms.h"

namespace ingot::scheduler {

// A node as far as affinity looks at it.
struct PlaceFacts {
  std::string name;
  Labels labels;
  std::vector<Taint> taints;  // a cordoned node has upstream's taint for that
  bool known = false;
  bool operator==(const PlaceFacts&) const = default;
};

// The values of one node label as small numbers. A value that no node has any more gives its number back: by then
// nothing is counted under it.
class Domains {
 public:
  explicit Domains(std::string key) : key_(std::move(key)) {}
  const std::string& key() const { return key_; }
  // -1: the node lacks the label.
  int32_t at(int slot) const { return size_t(slot) < of_slot_.size() ? of_slot_[size_t(slot)] : -1; }
  void set(int slot, const PlaceFacts&);

  size_t users = 0;

 private:
  struct Value {
    std::map<std::string, int32_t>::iterator entry;
    int32_t nodes = 0;
  };
  int32_t enter(const std::string& value);
  void leave(int32_t id);

  std::string key_;
  std::vector<int32_t> of_slot_;
  std::map<std::string, int32_t> ids_;
  std::vector<Value> values_;  // by id
  std::vector<int32_t> vacant_;
};

// A number per node, by what the node is: whether a spread counts it, or how much it is preferred.
struct PlaceTable {
  std::string text;
  std::function<int32_t(const PlaceFacts&)> rate;
  size_t users = 0;
  std::vector<int32_t> values;  // by slot
  int32_t at(int slot) const { return size_t(slot) < values.size() ? values[size_t(slot)] : 0; }
  void set(int slot, const PlaceFacts&);
};

class Counter {
 public:
  Counter(Domains& domains, const PlaceTable* counted)
      : domains_(domains), counted_(counted), dense_(counted != nullptr) {}

  // The domain's count at the slot; 0 where there is no domain.
  int64_t at(int slot) const {
    const int32_t domain = domains_.at(slot);
    if (domain < 0) return 0;
    if (dense_) return size_t(domain) < cells_.size() ? cells_[size_t(domain)].pods : 0;
    const auto few = few_.find(domain);
    return few == few_.end() ? 0 : few->second.pods;
  }
  bool has_domain(int slot) const { return domains_.at(slot) >= 0; }
  int64_t total() const { return total_; }
  // Of the domains with a node that counts: how many, and the fewest pods in one.
  int64_t domains() const { return existing_; }
  int64_t least() const { return histogram_.empty() ? 0 : histogram_.begin()->first; }
  int32_t domain(int slot) const { return domains_.at(slot); }

  void add(int slot, int64_t pods);
  void add_node(int slot, int sign);  // only where least() or domains() is asked for

 private:
  struct Cell {
    int64_t pods = 0, nodes = 0;
  };
  bool counts(int slot) const { return !counted_ || counted_->at(slot) != 0; }
  Cell& cell(int32_t domain);
  void move(int64_t from, int64_t to);

  // With few pods a list of its own would be most of a counter's size.
  static constexpr size_t kFew = 64;

  Domains& domains_;
  const PlaceTable* counted_;  // nullptr: every node counts
  bool dense_;
  std::vector<Cell> cells_;                // by domain, when dense
  std::unordered_map<int32_t, Cell> few_;  // by domain, else; none that is empty
  int64_t total_ = 0, existing_ = 0;
  std::map<int64_t, int64_t> histogram_;  // pods → domains with a node that counts
};

}  // namespace ingot::scheduler
