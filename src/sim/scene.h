// What the operator makes before anything happens: tenants, queues, a pool of one tenant's own, images, a gate that holds
// some pods, a budget that holds others; and what he does when the faults end. Thread rule: the simulation's loop.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/api.h"
#include "sim/user.h"
#include "sim/world.h"

namespace ingot::sim {

class Scene {
 public:
  // Tenant kBudgeted may cost this many seconds of GPUs until the faults end.
  static constexpr int64_t kAmount = 40;
  static constexpr const char* kBudgeted = "vision";

  // A call of the operator, waited for in virtual time. `violations`: where is told what was not made.
  using Call = std::function<Result<node::Answer>(std::string method, std::string path, std::string body,
                                                  std::string type)>;
  Scene(World& world, std::vector<std::string>& violations, Call call)
      : world_(world), violations_(violations), call_(std::move(call)) {}

  std::optional<std::vector<TenantHome>> make();  // nullopt: something could not be made
  // One of the nodes, once it is there, is robotics' and nobody else's.
  bool give_node(const std::string& name);
  void let_all_run();                 // no gate and no budget holds anybody any more
  std::optional<api::Json> budget();  // as it is

 private:
  std::optional<api::Json> create(const std::string& resource, std::string body);
  bool insist(const char* method, const std::string& path, std::string body = {});
  bool make_tenants(std::vector<TenantHome>&);
  bool make_queues_and_pool();
  bool make_images();
  bool make_gate();
  bool make_budget();

  World& world_;
  std::vector<std::string>& violations_;
  Call call_;
};

}  // namespace ingot::sim
