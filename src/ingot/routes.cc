#include "ingot/routes.h"

#include <array>

namespace ingot {

void mount_routes(apiserver::Server& server, env::Env& env, store::Shard& shard,
                  const std::unique_ptr<controllers::Placement>& placement) {
  for (apiserver::ExtraRoute& route :
       std::array{usage_route(env, shard), history_route(env, shard), audit_route(env, shard),
                  verdicts_route(env, shard), queues_route(shard, placement), budgets_route(shard, placement),
                  explain_route(shard, placement)})
    server.mount(std::move(route));
}

}  // namespace ingot
