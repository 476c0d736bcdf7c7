#include "apiserver/audit_log.h"
#include "host/status.h"
#include "ingot/routes.h"

namespace ingot {
namespace {

Result<apiserver::AuditQuery> query_of(const apiserver::ExtraRequest& request, WallTime now) {
  apiserver::AuditQuery query{.cluster = request.cluster.value,
                              .user = request.query("user"),
                              .verb = request.query("verb"),
                              .resource = request.query("resource"),
                              .name = request.query("name"),
                              .denied = request.query("denied") == "true",
                              .changes = request.query("changes") == "true"};
  // The factory's operators ask for all clusters, or for one that may be gone.
  if (request.cluster == kRootCluster) query.cluster = request.query("cluster");
  const auto since = request.number("sinceSeconds", kLongestSince_s),
             next = request.number("next", INT64_MAX);
  if (!since) return fail(since.error());
  if (!next) return fail(next.error());
  if (*since > 0) query.since = now - std::chrono::seconds(*since);
  query.after = uint64_t(*next);
  return query;
}

}  // namespace

apiserver::ExtraRoute audit_route(env::Env& env, store::Shard& shard) {
  const auto serve = [&env, &shard](const apiserver::ExtraRequest& request,
                                    const apiserver::ExchangePtr& exchange) {
    auto query = query_of(request, env.clock.wall());
    if (!query) return exchange->reply(host::status_reply(query.error()));
    apiserver::read_audit(shard, std::move(*query), [exchange](Result<std::string> told) {
      if (!told) return exchange->reply(host::status_reply(told.error()));
      apiserver::Reply reply;
      reply.body.push_back(std::make_shared<const std::string>(std::move(*told)));
      exchange->reply(std::move(reply));
    });
  };
  return {.group = "factory.ingot.dev", .version = "v1alpha1", .resource = "audit", .serve = serve};
}

}  // namespace ingot
