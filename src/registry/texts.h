// Texts that many runs say, each kept once: names of metrics, values of parameters and tags. Ids are small numbers, so that
// a column of them is searched like one of numbers.
// Thread rule: one thread at a time. Invariants: an id means the same text as long as somebody holds it; 0 is no text.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/text_map.h"

namespace ingot::registry {

using TextId = uint32_t;

class Texts {
 public:
  TextId hold(std::string_view);        // once more
  void again(TextId);                   // the same, of an id
  void release(TextId);                 // once less; 0 is nothing
  TextId find(std::string_view) const;  // 0: nobody says that
  std::string_view at(TextId id) const { return id ? std::string_view(all_[id].text) : std::string_view(); }
  size_t ids() const { return all_.size(); }  // every id is below
  size_t bytes() const { return bytes_; }     // of memory, about

 private:
  struct Entry {
    std::string text;
    uint32_t holders = 0;
  };
  std::deque<Entry> all_ = std::deque<Entry>(1);  // a deque: views of texts stay
  std::vector<TextId> free_;
  boost::unordered_flat_map<HashedText, TextId, HashedText::Hash> ids_;
  size_t bytes_ = 0;
};

}  // namespace ingot::registry
