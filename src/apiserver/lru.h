// A bounded map that forgets what was used longest ago. Not thread-safe; the owner guards it.
#pragma once

#include <list>
#include <map>
#include <utility>

namespace ingot::apiserver {

template <class K, class V>
class Lru {
 public:
  explicit Lru(size_t limit) : limit_(limit) {}

  V* find(const K& key) {
    auto it = index_.find(key);
    if (it == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, it->second);
    return &it->second->second;
  }
  V& put(const K& key, V value) {
    if (V* known = find(key)) return *known = std::move(value);
    order_.emplace_front(key, std::move(value));
    index_.emplace(key, order_.begin());
    if (order_.size() > limit_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    return order_.front().second;
  }
  void erase(const K& key) {
    auto it = index_.find(key);
    if (it == index_.end()) return;
    order_.erase(it->second);
    index_.erase(it);
  }
  void clear() {
    index_.clear();
    order_.clear();
  }
  size_t size() const { return order_.size(); }

 private:
  size_t limit_;
  std::list<std::pair<K, V>> order_;
  std::map<K, typename std::list<std::pair<K, V>>::iterator, std::less<>> index_;
};

}  // namespace ingot::apiserver
