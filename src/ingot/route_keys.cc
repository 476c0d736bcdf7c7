#include "env/signer.h"
#include "host/status.h"
#include "ingot/routes.h"

namespace ingot {
namespace {

api::JsonObject to_json(const env::SigningKey& key) {
  return {{"id", key.id}, {"pem", key.pem}, {"since", to_rfc3339(key.since)}, {"current", key.current}};
}

void answer(const apiserver::ExchangePtr& exchange, int code, const api::Json& value) {
  apiserver::Reply reply{.code = code};
  reply.body.push_back(std::make_shared<const std::string>(api::to_text(value)));
  exchange->reply(std::move(reply));
}

}  // namespace

apiserver::ExtraRoute keys_route(env::Signer& signer) {
  const auto serve = [&signer](const apiserver::ExtraRequest&, const apiserver::ExchangePtr& exchange) {
    api::JsonArray keys;
    for (const env::SigningKey& key : signer.keys()) keys.push_back(to_json(key));
    answer(exchange, 200, api::JsonObject{{"keys", std::move(keys)}});
  };
  return {.group = "factory.ingot.dev", .version = "v1alpha1", .resource = "signingkeys", .serve = serve};
}

apiserver::ExtraRoute rotate_route(env::Signer& signer, env::Worker& worker, env::Log& log) {
  const auto serve = [&signer, &worker, &log](const apiserver::ExtraRequest& request,
                                              const apiserver::ExchangePtr& exchange) {
    // A role of a tenant may allow it everything in its own cluster; the keys are not there.
    if (request.cluster != kRootCluster)
      return exchange->reply(host::status_reply(
          {.reason = Reason::Forbidden, .message = "signing keys are the factory's: ask its operator"}));
    auto made = std::make_shared<Result<env::SigningKey>>(fail(Reason::InternalError, "not done"));
    worker.run([&signer, made] { *made = signer.rotate(); },
               [&log, made, exchange, who = request.who.name] {
                 if (!*made) return exchange->reply(host::status_reply(made->error()));
                 log.info("signing.key.rotated", {{"key", (*made)->id}, {"by", who}});
                 answer(exchange, 201, to_json(**made));
               });
  };
  return {.group = "factory.ingot.dev",
          .version = "v1alpha1",
          .resource = "signingkeys",
          .method = "POST",
          .serve = serve};
}

}  // namespace ingot
