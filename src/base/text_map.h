// Maps by text for what is looked up far more often than it changes: a tree of many long texts that begin alike costs a
// miss of the cache a level. Thread rule: the owner's.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace ingot {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

// A text that lies elsewhere, with its hash: a table of many that grows touches none of the texts, which would hold up a
// turn for milliseconds.
struct HashedText {
  explicit HashedText(std::string_view t) : text(t), hash(TextHash()(t)) {}
  bool operator==(const HashedText& other) const { return hash == other.hash && text == other.text; }
  struct Hash {
    size_t operator()(const HashedText& t) const { return t.hash; }
  };
  std::string_view text;
  size_t hash;
};

// Never iterated: its order is nobody's. References to values stay while the map changes.
template <class Value>
using HashMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

// An ordered map that is looked up by hash. As std::map otherwise, as far as it goes.
template <class Value>
class TextMap {
 public:
  using Map = std::map<std::string, Value, std::less<>>;
  using iterator = Map::iterator;
  using const_iterator = Map::const_iterator;

  TextMap() = default;
  TextMap(const TextMap& other) : map_(other.map_) { index(); }
  TextMap(TextMap&& other) noexcept : map_(std::move(other.map_)), places_(std::move(other.places_)) {
    other.clear();
  }
  TextMap& operator=(TextMap other) noexcept {
    map_.swap(other.map_);
    places_.swap(other.places_);
    return *this;
  }

  iterator begin() { return map_.begin(); }
  iterator end() { return map_.end(); }
  const_iterator begin() const { return map_.begin(); }
  const_iterator end() const { return map_.end(); }
  size_t size() const { return map_.size(); }
  const Map& ordered() const { return map_; }

  iterator lower_bound(std::string_view key) { return map_.lower_bound(key); }
  iterator find(std::string_view key) {
    const auto known = places_.find(HashedText(key));
    return known == places_.end() ? map_.end() : known->second;
  }
  const_iterator find(std::string_view key) const {
    const auto known = places_.find(HashedText(key));
    return known == places_.end() ? map_.end() : const_iterator(known->second);
  }

  template <class... Args>
  std::pair<iterator, bool> try_emplace(std::string key, Args&&... value) {
    if (const auto known = places_.find(HashedText(key)); known != places_.end())
      return {known->second, false};
    const iterator at = map_.try_emplace(std::move(key), std::forward<Args>(value)...).first;
    places_.emplace(HashedText(at->first), at);
    return {at, true};
  }
  Value& operator[](std::string key) { return try_emplace(std::move(key)).first->second; }

  iterator erase(iterator at) {
    places_.erase(HashedText(at->first));
    return map_.erase(at);
  }
  size_t erase(std::string_view key) {
    const auto known = places_.find(HashedText(key));
    if (known == places_.end()) return 0;
    erase(known->second);
    return 1;
  }
  void clear() {
    places_.clear();
    map_.clear();
  }

 private:
  void index() {
    for (iterator at = map_.begin(); at != map_.end(); ++at) places_.emplace(HashedText(at->first), at);
  }
  Map map_;
  boost::unordered_flat_map<HashedText, iterator, HashedText::Hash> places_;  // the texts are the map's
};

}  // namespace ingot
