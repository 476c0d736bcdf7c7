#include "apiserver/mlflow.h"

#include <fmt/format.h>

#include "api/mlflow_error.h"
#include "api/reserved.h"
#include "apiserver/status.h"
#include "apiserver/tenants.h"

namespace ingot::apiserver {
namespace {

constexpr std::string_view kClusters = "/clusters/", kRoot = "/mlflow";

// The target below /clusters/NAME, as it was sent.
std::string_view below_cluster(std::string_view target) {
  if (!target.starts_with(kClusters)) return target;
  const size_t slash = target.find('/', kClusters.size());
  return slash == target.npos ? std::string_view{} : target.substr(slash);
}

// What the factory knows of the pod a token is bound to: not what its client says.
std::vector<Header> origin_of(const Call& call) {
  std::vector<Header> origin;
  const ClaimsPtr& claims = call.in.credential.claims;
  if (!claims || claims->pod.empty()) return origin;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) origin.emplace_back(name, value);
  };
  add("namespace", claims->ns);
  add("pod", claims->pod);
  add("pod-uid", claims->pod_uid);
  const api::ObjectPtr pod = call.view.get("pods", claims->ns, claims->pod);
  if (!pod) return origin;
  const api::Json value = pod->parse();
  // Owners and labels are anybody's to write; which node of which run it is, is not.
  const std::string_view of = api::string_at(value, {"metadata", "annotations", api::kRunNodeAnnotation});
  const size_t slash = of.find('/');
  if (slash == of.npos) return origin;
  const std::string_view uid = of.substr(0, slash);
  for (const api::Json& owner : api::array_at(value, {"metadata", "ownerReferences"})) {
    const std::string_view name = api::string_at(owner, {"name"});
    if (api::string_at(owner, {"kind"}) != "Workflow" || name.empty() || name.find('/') != name.npos)
      continue;
    const api::ObjectPtr workflow = call.view.get("workflows.argoproj.io", claims->ns, name);
    const api::Json run = workflow ? workflow->parse() : api::Json();
    if (api::string_at(run, {"metadata", "uid"}) != uid) continue;
    add("workflow", name);
    add("workflow-uid", uid);
    add("node-id", of.substr(slash + 1));
    add("repository", api::string_at(run, {"metadata", "labels", api::kRepositoryLabel}));
    add("commit", api::string_at(run, {"metadata", "labels", api::kCommitLabel}));
    break;
  }
  return origin;
}

}  // namespace

bool is_mlflow(std::string_view target) {
  const std::string_view path = below_cluster(target);
  return path.starts_with(kRoot) &&
         (path.size() == kRoot.size() || path[kRoot.size()] == '/' || path[kRoot.size()] == '?');
}

bool is_mlflow_stream(std::string_view method, std::string_view target) {
  return method == "PUT" && is_mlflow(target) &&
         below_cluster(target).find("/mlflow-artifacts/artifacts/") != std::string_view::npos;
}

Result<void> read_mlflow_request(Prepared& in) {
  Route& route = in.route;
  // Somebody who may not even look is told no more than that.
  route.resource = "experiments";
  in.verb = "get";
  in.mutating = false;
  auto found = route.every_cluster ? std::nullopt
                                   : match_mlflow(in.request.method, std::span(route.segments).subspan(1));
  if (!found) return fail(api::mlflow_no_endpoint(in.request.method, route.path));
  const MlflowRoute& row = *found->route;
  route.resource = row.resource;
  route.subresource = row.subresource;
  in.verb = row.verb;
  in.mutating = row.kind == MlflowRoute::Kind::Recorded;
  MlflowTarget target{.op = std::string(row.op), .body_bytes = in.request.body_bytes};
  target.base =
      route.cluster.empty() ? std::string(kRoot) : fmt::format("/clusters/{}/mlflow", route.cluster);
  target.parts = std::move(found->parts);
  target.query = route.query.all();
  target.content_type = in.request.content_type;
  target.range = in.request.range;
  target.body = std::move(in.request.body);
  in.mlflow = std::move(target);
  return {};
}

Reply mlflow_error_reply(const Error& error) {
  Reply reply{.code = api::mlflow_code(error).http};
  if (error.retry_after_s) reply.headers.emplace_back("Retry-After", std::to_string(*error.retry_after_s));
  reply.body.push_back(piece(api::mlflow_error_text(error)));
  return reply;
}

Result<Outcome> serve_mlflow(Call& call) {
  if (call.services.mlflow == nullptr)
    return fail(api::mlflow_no_endpoint(call.in.request.method, call.route().path));
  const TenantKeeper::Known* tenant = call.services.tenants->find(call.view.cluster());
  if (tenant && tenant->ending && call.in.verb != "get" && call.in.verb != "list")
    return fail(Reason::Forbidden, fmt::format("tenant {} is being deleted", tenant->name));
  MlflowTarget target = std::move(*call.in.mlflow);
  target.cluster = call.view.cluster();
  target.tenant = call.tenant;
  target.who = call.who;
  if (target.op == "runs/create") target.origin = origin_of(call);
  return Streamed{Revision{},
                  [mlflow = call.services.mlflow, target = std::move(target)](ExchangePtr exchange) mutable {
                    mlflow->serve(std::move(target), std::move(exchange));
                  }};
}

}  // namespace ingot::apiserver
