// One simulated machine: a runtime whose containers follow scripts, and on it the real node agent. Either can die
// alone: the agent as a process that is started again over the same containers, the machine with all it ran.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "node/agent.h"
#include "node/hollow.h"
#include "node/list_watch.h"
#include "sim/network.h"
#include "sim/ports.h"
#include "sim/truth.h"

namespace ingot::sim {

class Machine {
 public:
  Machine(World&, Disk&, FaultPlan&, Network&, Truth&, std::string name, int gpus);
  ~Machine();

  void start_agent();
  void crash_agent();
  // Power off and on again: every container is gone, the agent starts anew.
  void power_cycle();
  // A board reports an XID, or is lost until it is mended; the agent hears of it with the next look.
  void report_xid(size_t board, uint64_t xid) { xids_[board % xids_.size()] = xid; }
  void lose_board(size_t board) { lost_[board % lost_.size()] = true; }
  void mend_boards() { lost_.assign(lost_.size(), false); }
  bool agent_runs() const { return agent_ != nullptr; }
  const std::string& name() const { return config_.name; }

 private:
  struct AgentProcess {
    AgentProcess(World&, Disk&, FaultPlan&, Network&, const node::NodeConfig&, node::Runtime&, node::Files&);
    ~AgentProcess() { ports.kill(); }
    Ports ports;
    NodeTransport transport;
    node::ListWatchApi api;
    node::Agent agent;
  };

  void look_at_boards();

  World& world_;
  Disk& disk_;
  FaultPlan& faults_;
  Network& network_;
  Truth& truth_;
  node::NodeConfig config_;
  std::vector<bool> lost_;      // by board
  std::vector<uint64_t> xids_;  // by board; not told yet, 0: none
  node::HollowFiles files_;
  std::unique_ptr<Ports> hardware_;
  std::unique_ptr<WatchedRuntime> runtime_;
  std::unique_ptr<AgentProcess> agent_;
};

}  // namespace ingot::sim
