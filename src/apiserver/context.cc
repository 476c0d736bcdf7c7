#include "apiserver/context.h"

#include "apiserver/watch.h"
#include "base/assert.h"

namespace ingot::apiserver {

Services::Services(env::Env& e, store::Shard& s, std::shared_ptr<const api::Registry> r, Authority& a,
                   LogSource& l, ServerOptions o)
    : env(e),
      shard(s),
      registry(std::move(r)),
      authority(a),
      logs(l),
      options(std::move(o)),
      authenticator(a),
      rbac(e.clock.wall()),
      priority_classes(builtin_priority_classes(e.clock.wall())),
      device_classes(builtin_device_classes(e.clock.wall())),
      events(std::make_shared<EventEncoder>(*this)) {}

Result<Identity> Factory::check_claims(Services& services, const TokenClaims& claims) const {
  return services.authenticator.check_claims(claims, turn_, services.env.clock.wall());
}

ClusterView Factory::fresh_cluster(const ClusterId& cluster) const {
  ClusterView view(turn_, cluster);
  ASSERT(!view.get("namespaces", "", "default"));
  return view;
}

void Factory::range_every_cluster(std::string_view resource, const store::Visit& visit) const {
  std::string after;
  for (bool more = true; more;) {
    std::string cluster;
    turn_.range("", after,
                [&](const api::ObjectPtr& object) { return cluster = object->key.cluster(), false; });
    if (cluster.empty()) return;
    turn_.range(api::type_prefix(ClusterId(cluster), resource), "",
                [&](const api::ObjectPtr& object) { return more = visit(object); });
    after = cluster + "0";  // '0' follows '/': past every key of this cluster
  }
}

std::shared_ptr<void> InFlight::enter(const std::string& home, size_t limit) {
  size_t& count = (*counts_)[home];
  if (count >= limit) return nullptr;
  ++count;
  return std::shared_ptr<void>(counts_.get(), [counts = counts_, home](void*) {
    const auto it = counts->find(home);
    if (--it->second == 0) counts->erase(it);
  });
}

}  // namespace ingot::apiserver
