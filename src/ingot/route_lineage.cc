#include <fmt/format.h>

#include "host/status.h"
#include "ingot/routes.h"
#include "registry/lineage.h"

namespace ingot {
namespace {

using Way = registry::LineageQuery::Way;

Result<void> read_count(const apiserver::ExtraRequest& request, std::string_view name, size_t most,
                        size_t& to) {
  if (request.query(name).empty()) return {};
  const auto asked = request.number(name, int64_t(most));
  if (!asked) return fail(asked.error());
  if (*asked < 1) return fail(Reason::BadRequest, fmt::format("{}: a number from 1 to {}", name, most));
  to = size_t(*asked);
  return {};
}

Result<registry::LineageQuery> query_of(const apiserver::ExtraRequest& request) {
  registry::LineageQuery query{.cluster = request.cluster, .of = request.query("of")};
  if (query.of.empty())
    return fail(Reason::BadRequest, "of: say what of, as model/NAME or data/NAMESPACE/NAME-v1");
  const std::string way = request.query("way");
  if (way == "up")
    query.way = Way::Up;
  else if (way == "down")
    query.way = Way::Down;
  else if (!way.empty() && way != "both")
    return fail(Reason::BadRequest, "way: up, down or both");
  if (auto read = read_count(request, "depth", registry::Lineage::kDeepest, query.depth); !read)
    return fail(read.error());
  if (auto read = read_count(request, "nodes", registry::Lineage::kMostNodes, query.nodes); !read)
    return fail(read.error());
  if (const std::string cluster = request.query("cluster"); !cluster.empty()) {
    if (request.cluster != kRootCluster)
      return fail(Reason::Forbidden,
                  "cluster: only the factory's operators ask for another cluster's history");
    query.cluster = ClusterId{cluster};
  }
  return query;
}

}  // namespace

apiserver::ExtraRoute lineage_route(const std::unique_ptr<registry::Lineage>& lineage) {
  const auto serve = [&lineage](const apiserver::ExtraRequest& request,
                                const apiserver::ExchangePtr& exchange) {
    auto query = query_of(request);
    if (!query) return exchange->reply(host::status_reply(query.error()));
    if (!lineage)
      return exchange->reply(
          host::status_reply({.reason = Reason::ServiceUnavailable, .message = "the factory is starting"}));
    lineage->ask(std::move(*query), [exchange](Result<std::string> told) {
      if (!told) return exchange->reply(host::status_reply(told.error()));
      apiserver::Reply reply;
      reply.body.push_back(std::make_shared<const std::string>(std::move(*told)));
      exchange->reply(std::move(reply));
    });
  };
  return {.group = "factory.ingot.dev", .version = "v1alpha1", .resource = "lineage", .serve = serve};
}

}  // namespace ingot
