// The node's GPUs between tenants: cuts boards as Allocations say, clears what a last tenant left before another may
// see it, takes instances away when their pod is gone, and keeps from use what it could not clear or cut.
//
// Thread rule: the loop. Invariants: a pod gets no grant before every memory unit in it was zeroed since another
// tenant had it, or is shared with one that runs (a Pool's own choice); who has it is written down before it is
// granted; MIG mode changes only while nobody holds the board; one operation a board is in flight, and one that hangs
// holds up its own board only; an instance that no open Allocation covers is destroyed.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "node/backoff.h"
#include "node/device_book.h"
#include "node/device_control.h"
#include "node/grant.h"
#include "node/pod.h"

namespace ingot::node {

class Devices {
 public:
  static constexpr Duration kFirstRetry = std::chrono::seconds(15);  // of a cordoned board
  static constexpr int kMakeTries = 3;

  struct Listener {
    virtual ~Listener() = default;
    virtual void devices_changed() = 0;  // health, MIG state or last scrubs
    // An Event on the Node; `type`: Normal or Warning.
    virtual void device_event(std::string_view type, std::string_view reason, std::string message) = 0;
  };

  Devices(env::Env&, DeviceControl&, const gpu::Inventory&, Listener&);
  ~Devices();
  Devices(const Devices&) = delete;

  // Reads what is there and what was written down; until then nothing is granted.
  void start();
  // An open Allocation: what it covers is not anybody's else. The same one again changes nothing.
  void expect(const Allocation&);
  // Every open Allocation was expected, and what ran before is known: what is left over goes.
  void settle();
  // Makes ready what the Allocation holds. Conflict, in words for the pod's status, when a board cannot be given; the
  // board is cordoned then. May be asked again.
  void acquire(const Allocation&, Callback<std::vector<Grant>>);
  bool holds(const std::string& pod_uid) const { return holdings_.contains(pod_uid); }
  // After the pod's sandbox is gone: its instances too. Succeeds also when a board does not obey: it is cordoned.
  void release(const std::string& pod_uid, Callback<void>);

  // MIG state and cordons of this class over what was sampled.
  void overlay(gpu::Inventory&) const;
  api::JsonObject last_scrubs() const { return book_.last_scrubs(); }

 private:
  using Step = std::move_only_function<void(std::function<void()> over)>;
  struct Board {
    std::string uuid, model;
    bool mig_enabled = false;
    std::vector<gpu::MigDevice> instances;
    std::deque<Step> queue;
    bool busy = false;
    Backoff backoff{kFirstRetry, std::chrono::minutes(10)};
    env::TimerId timer = 0;
  };
  struct Holding {
    Allocation allocation;
    bool ready = false;   // granted
    bool ending = false;  // being released
  };
  using Finish = std::move_only_function<void(Result<Grant>)>;

  void read();
  void take_in(const gpu::Inventory&, std::string_view only = {});
  void loaded(Result<std::string>);
  void begin_if_ready();
  Board* board(const std::string& uuid);
  void enqueue(Board&, Step);
  void next(Board&);
  std::string who(const Allocation&) const;
  enum class Use : uint8_t {
    Free,
    Shared,
    Taken
  };  // Shared: by time shares of the very same, or by its claim
  Use use_by_others(const Board&, const std::string& pod, const HeldDevice&) const;
  bool covered(const Board&, const gpu::MigDevice&) const;

  void prepare(Board&, const std::string& pod, const HeldDevice&, Finish);
  void prepare_instance(Board&, const std::string& pod, const HeldDevice&, int tries, Finish);
  void prepare_whole(Board&, const std::string& pod, const HeldDevice&, Finish);
  // Scrubs for its tenant what another one left, then grants.
  void hand_over(Board&, const std::string& pod, const HeldDevice&, Grant, Finish);
  // Destroys the instances on these units that nobody is to have, but for the one that is kept.
  void sweep(Board&, gpu::UnitMask, const HeldDevice* keep, Callback<void>);
  void destroy(Board&, int start, Callback<void>);
  void scrub(Board&, const std::string& device, const std::string& name, gpu::UnitMask,
             const std::string& tenant, Callback<void>);
  void grant(Board&, const std::string& pod, const HeldDevice&, Grant, Finish);
  void free(Board&, const std::string& pod, const HeldDevice&, std::function<void()> over);
  void cordon(Board&, const std::string& why);
  void try_again(Board&);
  void save(Callback<void>);
  void save_now();
  template <class F>
  auto guarded(F f);  // only while this lives

  env::Env& env_;
  DeviceControl& control_;
  Listener& listener_;
  DeviceBook book_;
  std::map<std::string, Board> boards_;      // by uuid
  std::map<std::string, Holding> holdings_;  // by pod uid
  bool read_ = false, loaded_ = false, settled_ = false;
  std::string unreadable_;          // why nothing could be read yet; "" = nobody tried
  std::vector<env::Task> waiting_;  // for the start
  bool saving_ = false;
  std::vector<Callback<void>> to_save_;
  Backoff start_backoff_{std::chrono::seconds(1), std::chrono::seconds(60)};
  env::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ingot::node
