#include "api/names.h"
#include "apiserver/rbac.h"
#include "controllers/placement.h"
#include "host/status.h"
#include "ingot/routes.h"

namespace ingot {
namespace {

using Ask = std::function<Result<api::Json>(controllers::Placement&, const store::Turn&,
                                            const apiserver::ExtraRequest&)>;

// The placement starts after the server does.
apiserver::ExtraRoute route(std::string resource, store::Shard& shard,
                            const std::unique_ptr<controllers::Placement>& placement, Ask ask) {
  const auto serve = [&shard, &placement, ask = std::move(ask)](apiserver::ExtraRequest request,
                                                                apiserver::ExchangePtr exchange) {
    auto taken = shard.submit([&placement, ask, request, exchange](store::Turn& turn) {
      Result<api::Json> told = placement ? ask(*placement, turn, request)
                                         : fail(Reason::ServiceUnavailable, "the factory is starting");
      if (!told) return exchange->reply(host::status_reply(told.error()));
      apiserver::Reply reply;
      reply.body.push_back(std::make_shared<const std::string>(api::to_text(*told)));
      exchange->reply(std::move(reply));
    });
    if (!taken) exchange->reply(host::status_reply(taken.error()));
  };
  return {
      .group = "factory.ingot.dev", .version = "v1alpha1", .resource = std::move(resource), .serve = serve};
}

Result<api::Json> explain(controllers::Placement& placement, const store::Turn& turn,
                          const apiserver::ExtraRequest& request) {
  const std::string ns = request.query("namespace"), pod = request.query("pod");
  if (const auto wrong = api::dns_label_fault(ns); !wrong.empty())
    return fail(Reason::BadRequest, "namespace: " + std::string(wrong));
  if (const auto wrong = api::dns_subdomain_fault(pod); !wrong.empty())
    return fail(Reason::BadRequest, "pod: " + std::string(wrong));
  return placement.explain(turn, {request.cluster, "pods", ns, pod}, apiserver::is_operator(request.who));
}

}  // namespace

apiserver::ExtraRoute queues_route(store::Shard& shard,
                                   const std::unique_ptr<controllers::Placement>& placement) {
  return route(
      "queuesummaries", shard, placement,
      [](controllers::Placement& p, const store::Turn& turn, const apiserver::ExtraRequest& request) {
        const bool all = request.cluster == kRootCluster;
        return Result<api::Json>(
            api::JsonObject{{"queues", p.queues(turn, all ? std::string() : request.tenant)}});
      });
}

apiserver::ExtraRoute budgets_route(store::Shard& shard,
                                    const std::unique_ptr<controllers::Placement>& placement) {
  return route(
      "budgetsummaries", shard, placement,
      [](controllers::Placement& p, const store::Turn& turn, const apiserver::ExtraRequest& request) {
        const bool all = request.cluster == kRootCluster;
        return Result<api::Json>(api::JsonObject{
            {"budgets", p.budgets(turn, all ? std::string() : request.tenant, request.query("name"))}});
      });
}

apiserver::ExtraRoute explain_route(store::Shard& shard,
                                    const std::unique_ptr<controllers::Placement>& placement) {
  return route("explain", shard, placement, explain);
}

}  // namespace ingot
