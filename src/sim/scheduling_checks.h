// What the scheduler must never be seen to do, whatever happens: a part of a board given twice, a tenant or a queue
// above its limit, work in a queue or a pool that is not open to it or that a gate holds, a gang that runs in part, work that is sent away
// again and again. Each violation is one line. Thread rule: the simulation's loop.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/json.h"
#include "store/shard.h"

namespace ingot::sim {

class SchedulingChecks {
 public:
  SchedulingChecks(std::vector<std::string>& violations, std::vector<std::string> clusters)
      : violations_(violations), clusters_(std::move(clusters)) {}
  void look(store::Turn&);
  // Every durable change of a pod: evictions, and gangs that were whole for a moment.
  void follow(const store::Change&);
  size_t evictions() const { return evicted_.size(); }
  size_t unfinished() const;  // pods, when last looked at

 private:
  struct Tenant {
    std::optional<int64_t> limit;
    std::string queue;
  };
  struct Queue {
    std::string parent;
    std::optional<int64_t> limit;
    std::set<std::string> tenants;
  };
  struct Pool {
    bool closed = false;
    std::set<std::string> tenants;
  };
  struct Pod {
    Revision revision;
    std::string uid, job, gang;  // gang: cluster/namespace/name
    int64_t gang_size = 0, gang_least = 0;
    bool bound = false, deleting = false, finished = false, evicted = false;
    bool loose = false;  // of an image that the gate holds, and no exception lets go
  };
  struct Part {
    std::string pod, model, profile;
    int64_t milli = 1000;
    int start = -1;
    std::string claim;    // uid of the claim that it is of
    bool charged = true;  // false: another pod that has the claim is
  };
  static bool overlap(const Part&, const Part&);
  static Pod read(const api::Object&);
  void factory(store::Turn&);
  void allocations(store::Turn&);
  void board(const std::string& uuid, const std::vector<Part>&);
  void place(const api::Json& allocation);
  void limits(const std::map<std::string, int64_t>& by_tenant,
              const std::map<std::string, int64_t>& by_queue);
  void pods(store::Turn&);
  void gangs();
  static bool runs(const Pod&);
  void note(const std::string& key, const Pod&);
  int64_t least(const Pod&) const;
  void claims(store::Turn&);
  void gates(store::Turn&);
  void violate(std::string);

  std::vector<std::string>& violations_;
  std::vector<std::string> clusters_;
  std::map<std::string, Tenant> tenants_;
  std::map<std::string, Queue> queues_;
  std::map<std::string, Pool> pools_;
  std::map<std::string, std::string> pool_of_;          // node → pool
  std::map<std::string, int64_t> groups_;               // cluster/namespace/name → minMember
  std::map<std::string, Pod> pods_;                     // by key
  std::map<std::string, std::set<std::string>> bound_;  // gang → keys of pods that have a node and go on
  std::set<std::string> whole_;                         // gangs of which enough ran together since none did
  std::set<std::string> evicted_;                       // pod uids
  std::map<std::string, size_t> sent_away_;             // Job's uid → its pods that were evicted
};

}  // namespace ingot::sim
