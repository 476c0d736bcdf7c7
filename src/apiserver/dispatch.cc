#include "apiserver/dispatch.h"

#include <fmt/format.h>

#include "apiserver/blobs.h"
#include "apiserver/mlflow.h"
#include "apiserver/pods.h"
#include "apiserver/read.h"
#include "apiserver/reviews.h"
#include "apiserver/status.h"
#include "apiserver/tenants.h"
#include "apiserver/write.h"

namespace ingot::apiserver {
namespace {
Error method_not_allowed() {
  return {.reason = Reason::MethodNotAllowed,
          .message = "the server does not allow this method on the requested resource"};
}

Result<Outcome> dispatch_plain(Call& call) {
  const std::string_view verb = call.in.verb;
  if (verb == "get") return get_object(call);
  if (verb == "list") return list_objects(call);
  if (verb == "watch") return watch_objects(call);
  if (verb == "create") return is_review(call.type()) ? answer_review(call) : create_object(call);
  if (verb == "update") return update_object(call);
  if (verb == "patch") return patch_object(call);
  if (verb == "delete") return delete_object(call);
  if (verb == "deletecollection") return delete_collection(call);
  return fail(method_not_allowed());
}

Result<Outcome> dispatch_subresource(Call& call) {
  const std::string& sub = call.route().subresource;
  const std::string_view verb = call.in.verb;
  if (sub == "status" || sub == "finalize" || sub == "aliases") {
    if (verb == "get") return get_object(call);
    if (verb == "update") return update_object(call);
    if (verb == "patch") return patch_object(call);
  }
  if (sub == "log" && verb == "get") return read_log(call);
  if (verb == "create") {
    if (sub == "binding") return propose_binding(call);
    if (sub == "eviction") return evict(call);
    if (sub == "token") return issue_token(call);
    if (sub == "kubeconfig") return make_kubeconfig(call);
  }
  return fail(method_not_allowed());
}

Outcome serve_extra(Call& call) {
  ExtraRequest request{.who = call.who, .cluster = call.view.cluster(), .tenant = call.tenant};
  request.query = [query = call.route().query](std::string_view name) {
    return std::string(query.get(name));
  };
  request.number = [query = call.route().query](std::string_view name, int64_t most) {
    return query.number(name, 0, most);
  };
  return Streamed{Revision{},
                  [serve = call.in.extra->serve, request = std::move(request)](ExchangePtr exchange) mutable {
                    serve(std::move(request), std::move(exchange));
                  }};
}
}  // namespace

Result<Outcome> dispatch(Call& call) {
  if (call.route().endpoint == Endpoint::Discovery) return discover(call);
  if (call.in.extra) return serve_extra(call);
  if (call.in.blob) return serve_blobs(call);
  if (call.in.mlflow) return serve_mlflow(call);
  if (call.route().every_cluster) {
    if (call.in.verb == "list") return list_objects(call);
    if (call.in.verb == "watch") return watch_objects(call);
    return fail(method_not_allowed());
  }
  return call.route().subresource.empty() ? dispatch_plain(call) : dispatch_subresource(call);
}

Reply version_reply(const ServerOptions& options) {
  return json_reply(200, api::JsonObject{{"major", "1"},
                                         {"minor", "36"},
                                         {"gitVersion", fmt::format("v1.36.0+ingot-{}", options.version)},
                                         {"gitCommit", ""},
                                         {"gitTreeState", "clean"},
                                         {"buildDate", "1970-01-01T00:00:00Z"},
                                         {"goVersion", ""},
                                         {"compiler", "clang"},
                                         {"platform", "linux/amd64"},
                                         {"ingotVersion", options.version}});
}

}  // namespace ingot::apiserver
