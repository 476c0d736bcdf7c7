#include <fmt/format.h>

#include "host/status.h"
#include "ingot/routes.h"
#include "policy/verdict_record.h"

namespace ingot {
namespace {

constexpr int kPage = 200;  // rows; each a few KiB

Result<store::RowQuery> query_of(const apiserver::ExtraRequest& request, store::Turn& turn, WallTime now) {
  store::RowQuery query{.stream = std::string(policy::kVerdicts), .limit = kPage};
  const auto after = request.number("after", INT64_MAX),
             since = request.number("sinceSeconds", kLongestSince_s);
  if (!after) return fail(after.error());
  if (!since) return fail(since.error());
  query.after = uint64_t(*after);
  if (*since > 0) query.since = now - std::chrono::seconds(*since);
  query.cluster = request.cluster.value;
  if (request.cluster != kRootCluster) return query;
  // The operator asks for everybody, or for one tenant.
  query.cluster.clear();
  const std::string tenant = request.query("tenant");
  if (tenant.empty()) return query;
  if (tenant == kRootCluster.value) {
    query.cluster = tenant;
    return query;
  }
  if (tenant.find('/') != tenant.npos) return fail(Reason::BadRequest, "tenant: a tenant's name");
  const auto object = turn.get(api::Key(kRootCluster, "tenants.factory.ingot.dev", "", tenant));
  if (!object) return fail(Reason::NotFound, fmt::format("tenant \"{}\" not found", tenant));
  query.cluster = api::string_at(object->parse(), {"status", "cluster"});
  return query;
}

std::string page_of(const std::vector<store::StoredRow>& rows) {
  std::string out = R"({"items":[)";
  for (size_t i = 0; i < rows.size(); ++i)
    out += fmt::format(R"({}{{"sequence":{},"at":"{}","verdict":{}}})", i ? "," : "", rows[i].sequence,
                       to_rfc3339(rows[i].row.at), rows[i].row.data);
  const bool more = rows.size() == size_t(kPage);
  out += fmt::format(R"(],"next":"{}"}})", more ? std::to_string(rows.back().sequence) : "");
  return out;
}

}  // namespace

apiserver::ExtraRoute verdicts_route(env::Env& env, store::Shard& shard) {
  const auto serve = [&env, &shard](apiserver::ExtraRequest request, apiserver::ExchangePtr exchange) {
    auto taken = shard.submit(
        [&env, &shard, request, exchange](store::Turn& turn) {
          auto query = query_of(request, turn, env.clock.wall());
          if (!query) return exchange->reply(host::status_reply(query.error()));
          shard.rows(*std::move(query), [exchange](Result<std::vector<store::StoredRow>> rows) {
            if (!rows) return exchange->reply(host::status_reply(rows.error()));
            apiserver::Reply reply;
            reply.body.push_back(std::make_shared<const std::string>(page_of(*rows)));
            exchange->reply(std::move(reply));
          });
        },
        store::Shard::Kind::Reads);
    if (!taken) exchange->reply(host::status_reply(taken.error()));
  };
  return {.group = "factory.ingot.dev", .version = "v1alpha1", .resource = "gateverdicts", .serve = serve};
}

}  // namespace ingot
