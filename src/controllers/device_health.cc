#include "controllers/device_health.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "controllers/eviction.h"
#include "controllers/placement_writes.h"
#include "store/follower.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;
using api::string_at;

constexpr std::string_view kSlices = "resourceslices.resource.k8s.io", kNodes = "nodes";
constexpr std::string_view kComponent = "ingot-device-health";
constexpr Duration kAgain = std::chrono::seconds(1);
constexpr Duration kRefused = std::chrono::seconds(2);  // in which a node refuses what it has not started

Key root_key(std::string_view resource, std::string_view name) { return {kRootCluster, resource, "", name}; }

std::string attribute(const Json& device, std::string_view name) {
  return std::string(string_at(device, {"attributes", name, "string"}));
}

}  // namespace

class DeviceHealth::Impl final : store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard)
      : env_(env),
        follower_(env, shard,
                  {{{kRootCluster.value, std::string(kAllocations), ""},
                    {kRootCluster.value, std::string(kSlices), ""}},
                   store::kFewKeys},
                  *this) {}

  Stats stats() const { return {.unhealthy = unhealthy_.size(), .evicted = evicted_}; }

 private:
  struct Fault {
    std::string node, name, reason;  // name: the device's, "gpu-3"
    Instant since{};                 // when we first saw it
  };

  void reset() override {
    unhealthy_.clear();
    of_slice_.clear();
    suspects_.clear();
  }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool) override {
    // While every device is sound, nobody's Allocation is of interest.
    for (const Key& key : changed)
      if (key.resource() != kAllocations)
        load_slice(turn, key);
      else if (!unhealthy_.empty())
        suspects_.emplace(key.name());
    for (auto at = suspects_.begin(); at != suspects_.end();)
      at = drain(turn, *at) ? suspects_.erase(at) : std::next(at);
    if (!suspects_.empty()) follower_.wake_at(env_.clock.now() + kAgain);
    return false;
  }

  void load_slice(store::Turn& turn, const Key& key) {
    const ObjectPtr object = turn.get(key);
    const Json slice = object ? object->parse() : Json{};
    std::set<std::string> before = std::exchange(of_slice_[key.text()], {});
    for (const Json& device : api::array_at(slice, {"spec", "devices"})) {
      const std::string gpu = attribute(device, "uuid");
      if (gpu.empty()) continue;  // a part that a board could be cut into
      const Fault fault{std::string(string_at(slice, {"spec", "nodeName"})),
                        std::string(string_at(device, {"name"})), attribute(device, "unhealthyReason")};
      const bool healthy = api::bool_at(device, {"attributes", "healthy", "bool"}, true);
      const bool known = before.erase(gpu) > 0;
      if (!healthy) {
        of_slice_[key.text()].insert(gpu);
        cordon(turn, gpu, fault);
      } else if (known) {
        unhealthy_.erase(gpu);
        tell(turn, fault.node, "Normal", "GPUHealthy", fault.name + " (" + gpu + ") serves again");
        env_.log.info("gpu.serves_again", {{"node", fault.node}, {"gpu", gpu}});
      }
    }
    for (const std::string& gone : before) unhealthy_.erase(gone);
    if (of_slice_[key.text()].empty()) of_slice_.erase(key.text());
  }

  void cordon(store::Turn& turn, const std::string& gpu, const Fault& fault) {
    const auto known = unhealthy_.find(gpu);
    const bool news = known == unhealthy_.end() || known->second.reason != fault.reason;
    const Instant since = known == unhealthy_.end() ? env_.clock.now() : known->second.since;
    (unhealthy_[gpu] = fault).since = since;
    if (!news) return;
    suspect_holders(turn, gpu);
    tell(turn, fault.node, "Warning", "GPUUnhealthy",
         fault.name + " (" + gpu + ") is given to nobody: " + reason_of(fault));
    env_.log.warn("gpu.cordoned", {{"node", fault.node}, {"gpu", gpu}, {"why", fault.reason}});
  }

  static std::string reason_of(const Fault& fault) {
    return fault.reason.empty() ? "it has a fault" : fault.reason;
  }

  void tell(store::Turn& turn, const std::string& node, std::string_view type, std::string_view reason,
            const std::string& message) {
    const ObjectPtr object = turn.get(root_key(kNodes, node));
    const Json json = object ? object->parse() : Json{};
    const std::string uid(string_at(json, {"metadata", "uid"}));
    if (object) say(turn, {object->key, "Node", uid, type, reason, message, kComponent}, env_.clock.wall());
  }

  // Seldom, and so without an index: whose Allocation's text has the name of the board in it.
  void suspect_holders(store::Turn& turn, const std::string& gpu) {
    turn.range(api::type_prefix(kRootCluster, kAllocations), "", [&](const ObjectPtr& object) {
      if (object->json.find(gpu) != std::string::npos) suspects_.emplace(object->key.name());
      return true;
    });
  }

  // The first of its devices that has a fault; "": none, or it holds nothing any more.
  std::string faulty_device(const Json& allocation) const {
    if (string_at(allocation, {"status", "phase"}) == "Released") return "";
    for (const Json& device : api::array_at(allocation, {"spec", "devices"}))
      if (std::string gpu(string_at(device, {"uuid"})); unhealthy_.contains(gpu)) return gpu;
    return "";
  }

  // False: to be tried again.
  bool drain(store::Turn& turn, const std::string& uid) {
    const ObjectPtr object = turn.get(root_key(kAllocations, uid));
    if (!object) return true;
    const Json allocation = object->parse();
    const std::string faulty = faulty_device(allocation);
    if (faulty.empty() || env_.faults.fires("device_health.skip")) return true;
    const ObjectPtr pod = evictable_pod(turn, allocation);
    if (!pod) return true;
    const Fault& fault = unhealthy_.at(faulty);
    // Of a board that cannot be made ready the node says so in the pod's own status.
    const bool started = string_at(pod->parse(), {"status", "phase"}) != "Pending";
    if (!started && env_.clock.now() < fault.since + kRefused) return false;
    const std::string message =
        "GPU " + fault.name + " (" + faulty + ") of node " + fault.node + ": " + reason_of(fault);
    if (!evict_pod(turn, pod,
                   {.reason = "DeletionByDeviceTaintManager",
                    .message = message,
                    .event_type = "Warning",
                    .event = "GPUUnhealthy",
                    .component = kComponent},
                   env_.clock.wall()))
      return false;
    ++evicted_;
    env_.log.warn("gpu.pod_evicted", {{"pod", uid}, {"gpu", faulty}, {"why", fault.reason}});
    return true;
  }

  env::Env& env_;
  std::map<std::string, Fault> unhealthy_;                 // by uuid
  std::map<std::string, std::set<std::string>> of_slice_;  // slice → its unhealthy devices
  std::set<std::string> suspects_;                         // Allocations to look at
  uint64_t evicted_ = 0;
  store::Follower follower_;  // last: what it calls outlives it
};

DeviceHealth::DeviceHealth(env::Env& env, store::Shard& shard) : impl_(std::make_unique<Impl>(env, shard)) {}
DeviceHealth::~DeviceHealth() = default;
DeviceHealth::Stats DeviceHealth::stats() const { return impl_->stats(); }

}  // namespace ingot::controllers
