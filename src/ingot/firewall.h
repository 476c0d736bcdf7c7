// The factory's firewall kept equal to the pods that run: a Runtime's pods enter it before their containers start and
// leave it once their sandbox is gone.
// Thread rule: the loop. Invariant: a sandbox is reported as run only once the rules that name it are in the kernel.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "env/env.h"
#include "host/firewall_apply.h"
#include "node/firewall.h"
#include "node/runtime.h"

namespace ingot {

class Firewall {
 public:
  Firewall(env::Log& log, node::FirewallState fixed) : log_(log), state_(std::move(fixed)) {}
  Result<void> set(const std::string& sandbox, node::PodAddress);
  void remove(const std::string& sandbox);
  Result<void> apply();

 private:
  env::Log& log_;
  node::FirewallState state_;
  std::map<std::string, node::PodAddress> pods_;  // by sandbox id
  host::FirewallApply nft_;
};

// `inner` with the firewall around its sandboxes.
std::unique_ptr<node::Runtime> guarded(std::unique_ptr<node::Runtime> inner, Firewall&);

}  // namespace ingot
