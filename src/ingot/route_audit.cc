#include <charconv>

#include "apiserver/audit_log.h"
#include "host/status.h"
#include "ingot/routes.h"

namespace ingot {
namespace {

Result<uint64_t> number_in(const apiserver::ExtraRequest& request, std::string_view name, uint64_t most) {
  const std::string text = request.query(name);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && (error != std::errc() || end != text.data() + text.size() || number > most))
    return fail(Reason::BadRequest, std::string(name) + ": a number from 0 to " + std::to_string(most));
  return number;
}

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
  const auto since = number_in(request, "sinceSeconds", 4'000'000'000),
             next = number_in(request, "next", INT64_MAX);
  if (!since) return fail(since.error());
  if (!next) return fail(next.error());
  if (*since > 0) query.since = now - std::chrono::seconds(*since);
  query.after = *next;
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

void mount_records(apiserver::Server& server, env::Env& env, store::Shard& shard) {
  server.mount(usage_route(env, shard));
  server.mount(history_route(env, shard));
  server.mount(audit_route(env, shard));
  server.mount(verdicts_route(env, shard));
}

}  // namespace ingot
