#include "host/status.h"
#include "ingot/metrics.h"

namespace ingot {
namespace {

apiserver::Reply unavailable() {
  return host::status_reply(
      {.reason = Reason::ServiceUnavailable, .message = "the factory is starting or stopping"});
}

// The page is made in as many tasks of the loop as it takes.
void go_on(const std::weak_ptr<const MetricSources>& sources, const std::shared_ptr<MetricsPage>& page,
           const apiserver::ExchangePtr& exchange) {
  const auto alive = sources.lock();
  if (!alive) return exchange->reply(unavailable());
  if (page->step()) return alive->env.loop.post([=] { go_on(sources, page, exchange); });
  apiserver::Reply reply;
  reply.content_type = metering::Exposition::kContentType;
  reply.body.push_back(std::make_shared<const std::string>(page->text()));
  exchange->reply(std::move(reply));
}

}  // namespace

apiserver::ExtraRoute metrics_route(const std::shared_ptr<const MetricSources>& sources) {
  const auto serve = [&sources](const apiserver::ExtraRequest& request,
                                const apiserver::ExchangePtr& exchange) {
    if (!sources) return exchange->reply(unavailable());
    std::optional<MetricsPage::Viewer> viewer;
    if (request.cluster != kRootCluster) viewer = {request.cluster.value, request.tenant};
    go_on(sources, std::make_shared<MetricsPage>(*sources, std::move(viewer)), exchange);
  };
  return {.group = "", .version = "", .resource = "", .path = "/metrics", .serve = serve};
}

}  // namespace ingot
