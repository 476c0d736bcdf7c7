#include "ingot/webhooks.h"

#include "api/mlflow_error.h"
#include "apiserver/mlflow.h"
#include "host/disk_file.h"
#include "host/webhook_sender.h"
#include "registry/model_ops.h"

namespace ingot {
namespace {

using apiserver::ExchangePtr;
using apiserver::MlflowTarget;

constexpr size_t kLargestTest = 4'096, kLargestCa = 1u << 20;

struct Wanted {
  std::string webhook, event;
};
Result<Wanted> wanted_of(const MlflowTarget& target) {
  if (target.body.size() > kLargestTest)
    return fail(Reason::RequestEntityTooLarge, "a test says its event and no more");
  const auto args = registry::Args::read(target.body, target.query, target.parts);
  if (!args) return fail(args.error());
  const auto id = args->required("webhook_id");
  if (!id) return fail(id.error());
  Wanted wanted{.webhook = std::string(*id), .event = {}};
  if (const api::JsonObject* event = args->object("event")) {
    auto read = registry::webhook_event(registry::Args(*event));
    if (!read) return fail(read.error());
    wanted.event = std::move(*read);
  }
  return wanted;
}

std::string told(const Result<env::WebhookAnswer>& answer) {
  registry::Out out;
  out.open('{').key("result").open('{').key("success").flag(answer && answer->status / 100 == 2);
  if (answer)
    out.field("response_status", int64_t(answer->status)).field("response_body", answer->body);
  else
    out.field("error_message", answer.error().message);
  return out.close('}').close('}').take();
}

}  // namespace

Result<std::unique_ptr<Webhooks>> Webhooks::open(const FactoryOptions& options, host::RealEnv& real) {
  host::WebhookOptions own;
  for (const std::string& text : options.webhook_allow) {
    auto range = host::parse_address_range(text);
    if (!range) return fail(Reason::Invalid, "--webhook-allow: " + range.error().message);
    own.allowed.push_back(*range);
  }
  if (!options.webhook_ca.empty()) {
    auto pem = host::read_file(options.webhook_ca, kLargestCa);
    if (!pem) return fail(Reason::Invalid, "--webhook-ca: " + pem.error().message);
    own.ca_pem = std::move(*pem);
  }
  return std::unique_ptr<Webhooks>(new Webhooks(real, host::make_webhook_sender(real.loop, std::move(own))));
}

void Webhooks::mount(host::TrackingService& tracking) {
  tracking.mount("webhooks/test", [this](MlflowTarget target, ExchangePtr exchange) {
    auto wanted = wanted_of(target);
    if (!wanted) return exchange->reply(apiserver::mlflow_error_reply(wanted.error()));
    if (!courier_)
      return exchange->reply(apiserver::mlflow_error_reply(
          {.reason = Reason::ServiceUnavailable, .message = "the factory is not ready"}));
    courier_->test(
        target.cluster, wanted->webhook, wanted->event, [exchange](Result<env::WebhookAnswer> answer) {
          const auto is = [&](Reason reason) { return !answer && answer.error().reason == reason; };
          if (is(Reason::NotFound) || is(Reason::Invalid) || is(Reason::TooManyRequests))
            return exchange->reply(apiserver::mlflow_error_reply(answer.error()));
          apiserver::Reply reply;
          reply.body.push_back(std::make_shared<const std::string>(told(answer)));
          exchange->reply(std::move(reply));
        });
  });
}

void Webhooks::run(store::Shard& shard) {
  courier_ = std::make_unique<registry::Courier>(real_.env, shard, *sender_);
}

void Webhooks::rest() { courier_ = nullptr; }

}  // namespace ingot
