// The kinds of devices the factory has: whole GPUs by model, and the MIG instances that their boards can be cut into. A
// claim's selectors choose among kinds; which device of a kind it becomes is the scheduler's choice.
//
// Thread rule: the loop. Invariants: a kind's attributes are those that all its devices have alike, without what tells
// one device from another; the same slices give the same kinds in whatever order they came.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "cel/device.h"
#include "gpu/mig.h"

namespace ingot::controllers {

struct DeviceKind {
  std::string model;
  const gpu::Profile* profile = nullptr;  // of MIG instances; nullptr: whole GPUs
  cel::Value device;                      // as selectors see it
  std::string name() const { return profile ? model + " " + std::string(profile->name) : model; }
};

class DeviceKinds {
 public:
  // A node's ResourceSlice; nullptr: it is gone. Returns whether the kinds are others now.
  bool set_node(std::string_view name, const api::Json* slice);
  void clear();

  const std::vector<DeviceKind>& all() const { return kinds_; }  // by model; whole first, then the smallest
  std::string text() const;                                      // "H100-80GB (also as 1g.10gb, …), L4"
  // How many GPUs nodes have, and of which models; nodes of several models are left out.
  std::map<int64_t, std::set<std::string>> sizes() const;

 private:
  // model, then a device's attributes and capacity as text → how many nodes have such.
  using Looks = std::map<std::string, std::map<std::string, int>, std::less<>>;
  using Size = std::pair<int64_t, std::string>;  // GPUs, and their model
  void make();
  bool set_size(std::string_view name, Size);

  Looks looks_;
  std::map<std::string, std::vector<std::pair<std::string, std::string>>, std::less<>> nodes_;
  std::map<std::string, Size, std::less<>> size_of_;
  std::map<Size, int> sizes_;  // → how many nodes have it
  std::vector<DeviceKind> kinds_;
};

}  // namespace ingot::controllers
