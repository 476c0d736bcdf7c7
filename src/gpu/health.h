// Which boards may be given, from what looks at them say. A fault counts at once; a board serves again once it was
// clean for a time, and that time doubles with every fault that follows, so that a board which fails again and again
// takes ever less work down with it.
//
// Pure, no clock; one thread at a time. Invariant: a board that is not healthy says why.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "gpu/inventory.h"
#include "gpu/sample.h"

namespace ingot::gpu {

// XIDs are the driver's error numbers. What a program caused (13, 31, 43, 45, …) or what is only noted (63, 92) is no
// fault of the board; any other is, also one we do not know. Facts: NVIDIA, XID Errors (r570), catalogue; the list of
// application XIDs is also k8s-device-plugin's.
bool xid_is_fault(uint64_t xid);
std::string xid_text(uint64_t xid);  // "XID 79: GPU has fallen off the bus"

struct HealthPolicy {
  Duration clean = std::chrono::minutes(5);   // without a fault, before a board serves again
  Duration longest = std::chrono::hours(1);   // that time at most, however often it failed
  Duration forgets = std::chrono::hours(24);  // a fault this long ago makes the next one a first
};

class Health {
 public:
  explicit Health(HealthPolicy policy = {}) : policy_(policy) {}

  // All samples of one look. Sets `healthy` and `fault` of the inventory's boards; a board without a sample is lost.
  // A board that somebody else cordoned (a failed scrub) is left to them. Returns whether one changed.
  bool take(std::span<const Sample>, Inventory&, Instant now);

 private:
  struct Board {
    Instant last_fault{};
    int faults = 0;  // in a row
    std::string said;
  };
  Duration wait(const Board&) const;
  const HealthPolicy policy_;
  bool started_ = false;
  std::map<std::string, Board> boards_;  // by uuid; those that ever failed
};

}  // namespace ingot::gpu
