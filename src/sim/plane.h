// The control plane of the simulation: the real shard, API server, controllers, placement and metering as one process
// on simulated ports, which can be killed or lose its power, and is started again from its disk.
#pragma once

#include <memory>

#include "api/registry.h"
#include "apiserver/server.h"
#include "controllers/device_health.h"
#include "controllers/event_keeper.h"
#include "controllers/manager.h"
#include "controllers/node_lifecycle.h"
#include "controllers/placement.h"
#include "metering/ledger.h"
#include "pipelines/engine.h"
#include "sim/authority.h"
#include "sim/network.h"
#include "sim/ports.h"

namespace ingot::sim {

class Plane {
 public:
  Plane(World&, Disk&, FaultPlan&, Network&);
  ~Plane();

  // False while the disk refuses to let the store open: try again later.
  bool start();
  void kill();        // as kill -9: what was written stays in the machine's memory
  void power_loss();  // what was not synced may be gone
  bool runs() const { return process_ != nullptr; }
  store::Shard* shard() { return process_ ? process_->shard.get() : nullptr; }

 private:
  struct Process {
    Process(World&, Disk&, FaultPlan&);
    ~Process() { ports.kill(); }
    Ports ports;
    Authority authority;
    NoLogs logs;
    std::unique_ptr<store::Shard> shard;
    std::unique_ptr<apiserver::Server> server;
    std::unique_ptr<controllers::Manager> manager;
    std::unique_ptr<controllers::Placement> placement;
    std::unique_ptr<controllers::NodeLifecycle> nodes;
    std::unique_ptr<controllers::EventKeeper> events;
    std::unique_ptr<controllers::DeviceHealth> devices;
    std::unique_ptr<pipelines::Engine> pipelines;
    std::unique_ptr<metering::Ledger> ledger;
  };

  World& world_;
  Disk& disk_;
  FaultPlan& faults_;
  Network& network_;
  std::shared_ptr<const api::Registry> registry_ = api::Registry::builtin();
  std::unique_ptr<Process> process_;
};

}  // namespace ingot::sim
