// Webhooks of models in a running factory: who brings them, and who answers when one is tried out.
// Thread rule: open() before the loop runs; mount(), run() and rest() on the loop; destroyed after rest(), off it while it runs.
#pragma once

#include <memory>

#include "env/webhooks.h"
#include "host/real_env.h"
#include "host/tracking_service.h"
#include "ingot/factory.h"
#include "registry/courier.h"
#include "store/shard.h"

namespace ingot {

class Webhooks {
 public:
  static Result<std::unique_ptr<Webhooks>> open(const FactoryOptions&, host::RealEnv&);
  void mount(host::TrackingService&);  // before what else is below webhooks/
  void run(store::Shard&);
  void rest();

 private:
  Webhooks(host::RealEnv& real, std::unique_ptr<env::WebhookSender> sender)
      : real_(real), sender_(std::move(sender)) {}

  host::RealEnv& real_;
  std::unique_ptr<env::WebhookSender> sender_;
  std::unique_ptr<registry::Courier> courier_;  // the loop's
};

}  // namespace ingot
