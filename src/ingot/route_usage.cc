#include "host/status.h"
#include "ingot/routes.h"
#include "metering/history.h"
#include "metering/usage.h"

namespace ingot {
namespace {

// In a tenant's own cluster only its own can be asked for, whoever had its name before.
std::string own_cluster(const apiserver::ExtraRequest& request) {
  return request.cluster == kRootCluster ? "" : request.cluster.value;
}

Result<std::optional<WallTime>> since_of(const apiserver::ExtraRequest& request, WallTime now) {
  if (request.query("sinceSeconds").empty()) return std::nullopt;
  const auto seconds = request.number("sinceSeconds", kLongestSince_s);
  if (!seconds) return fail(seconds.error());
  if (*seconds == 0) return fail(Reason::BadRequest, "sinceSeconds: a number of seconds, more than 0");
  return now - std::chrono::seconds(*seconds);
}

// What answers a request of the ledger, once and later.
auto replier(apiserver::ExchangePtr exchange) {
  return [exchange = std::move(exchange)](Result<api::Json> told) {
    if (!told) return exchange->reply(host::status_reply(told.error()));
    apiserver::Reply reply;
    reply.body.push_back(std::make_shared<const std::string>(api::to_text(*told)));
    exchange->reply(std::move(reply));
  };
}

}  // namespace

apiserver::ExtraRoute usage_route(env::Env& env, store::Shard& shard) {
  const auto serve = [&env, &shard](apiserver::ExtraRequest request, apiserver::ExchangePtr exchange) {
    const auto since = since_of(request, env.clock.wall());
    if (!since) return exchange->reply(host::status_reply(since.error()));
    metering::UsageQuery query{
        .tenant = request.cluster == kRootCluster ? request.query("tenant") : request.tenant,
        .cluster = own_cluster(request),
        .since = *since,
        .pods = request.query("pods") == "true"};
    auto taken = shard.submit([&env, &shard, exchange, query = std::move(query)](store::Turn& turn) {
      metering::report(env, shard, turn, query, replier(exchange));
    });
    if (!taken) exchange->reply(host::status_reply(taken.error()));
  };
  return {.group = "factory.ingot.dev", .version = "v1alpha1", .resource = "usage", .serve = serve};
}

apiserver::ExtraRoute history_route(env::Env& env, store::Shard& shard) {
  const auto serve = [&env, &shard](apiserver::ExtraRequest request, apiserver::ExchangePtr exchange) {
    const auto since = since_of(request, env.clock.wall());
    if (!since) return exchange->reply(host::status_reply(since.error()));
    metering::HistoryQuery query{
        .cluster = own_cluster(request), .since = *since, .next = request.query("next")};
    auto taken = shard.submit([&env, &shard, exchange, query = std::move(query)](store::Turn& turn) {
      metering::history(env, shard, turn, query, replier(exchange));
    });
    if (!taken) exchange->reply(host::status_reply(taken.error()));
  };
  return {.group = "factory.ingot.dev", .version = "v1alpha1", .resource = "history", .serve = serve};
}

}  // namespace ingot
