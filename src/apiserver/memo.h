// What was computed from a stored object, kept as long as that very object is the stored one: objects are immutable,
// so identity of the pointer is validity. Thread rule: the owner's.
#pragma once

#include "api/object.h"
#include "apiserver/lru.h"

namespace ingot::apiserver {

template <class T>
class Memo {
 public:
  explicit Memo(size_t limit) : entries_(limit) {}

  // The reference lives until the next call.
  template <class Compute>
  const T& of(const api::ObjectPtr& object, Compute&& compute) {
    if (auto* known = entries_.find(object.get())) return known->second;
    return entries_.put(object.get(), {object, compute(object->parse())}).second;
  }

 private:
  Lru<const api::Object*, std::pair<api::ObjectPtr, T>>
      entries_;  // holds the object, so its address stays its own
};

}  // namespace ingot::apiserver
