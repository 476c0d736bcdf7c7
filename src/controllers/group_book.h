// What PodGroups say of their pods: status.phase and how many are scheduled, running, succeeded and failed, as
// coscheduling's controller has it (sigs.k8s.io/scheduler-plugins: pkg/controllers/podgroup_controller.go).
//
// Thread rule: the loop. Invariants: a PodGroup is written at most once in kEvery, however many pods it is of, and only
// when it would say something else; one that has finished stays so when its pods go.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "api/object.h"
#include "base/time.h"
#include "store/shard.h"

namespace ingot::controllers {

class GroupBook {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(1);

  // The pod is of the group; "": of none.
  void set_pod(const api::Key& pod, std::string_view group, const api::Json&);
  void forget_pod(const api::Key& pod);
  void set_group(const api::Key& group) { due_.insert(group); }  // it came or changed
  // Writes what it may; none: all is written, else how long until there is more to do.
  std::optional<Duration> write(store::Turn&, WallTime now);
  void clear();

 private:
  struct Member {
    bool scheduled = false;
    enum class Phase : uint8_t { Pending, Running, Succeeded, Failed } phase = Phase::Pending;
    bool operator==(const Member&) const = default;
  };
  struct Group {
    std::map<std::string, Member> pods;  // by key
    std::string occupied;                // whose pods those are
  };
  api::Json status(const Group*, const api::Json& group, WallTime now) const;

  std::map<api::Key, Group> groups_;
  std::map<std::string, api::Key, std::less<>> of_;  // by pod key
  std::set<api::Key> due_;
  std::map<api::Key, WallTime> written_;  // those of the last kEvery
};

}  // namespace ingot::controllers
