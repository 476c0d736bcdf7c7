#include <charconv>

#include "host/status.h"
#include "ingot/routes.h"
#include "metering/usage.h"

namespace ingot {
namespace {

Result<metering::UsageQuery> read_query(const apiserver::ExtraRequest& request, WallTime now) {
  // In a tenant's own cluster only its own usage can be asked for, whoever had its name before.
  metering::UsageQuery query{.tenant =
                                 request.cluster == kRootCluster ? request.query("tenant") : request.tenant};
  if (request.cluster != kRootCluster) query.cluster = request.cluster.value;
  const std::string since = request.query("sinceSeconds");
  if (since.empty()) return query;
  int64_t seconds = 0;
  const auto parsed = std::from_chars(since.data(), since.data() + since.size(), seconds);
  if (parsed.ec != std::errc() || parsed.ptr != since.data() + since.size() || seconds <= 0 ||
      seconds > 4'000'000'000)
    return fail(Reason::BadRequest, "sinceSeconds: a number of seconds, more than 0");
  query.since = now - std::chrono::seconds(seconds);
  return query;
}

}  // namespace

apiserver::ExtraRoute usage_route(env::Env& env, store::Shard& shard) {
  const auto serve = [&env, &shard](apiserver::ExtraRequest request, apiserver::ExchangePtr exchange) {
    auto query = read_query(request, env.clock.wall());
    if (!query) return exchange->reply(host::status_reply(query.error()));
    auto taken = shard.submit([&env, &shard, exchange, query = std::move(*query)](store::Turn& turn) {
      metering::report(env, shard, turn, query, [exchange](Result<api::Json> report) {
        if (!report) return exchange->reply(host::status_reply(report.error()));
        apiserver::Reply reply;
        reply.body.push_back(std::make_shared<const std::string>(api::to_text(*report)));
        exchange->reply(std::move(reply));
      });
    });
    if (!taken) exchange->reply(host::status_reply(taken.error()));
  };
  return {.group = "factory.ingot.dev", .version = "v1alpha1", .resource = "usage", .serve = serve};
}

}  // namespace ingot
