#include "host/webhook_sender.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "api/json.h"
#include "api/webhook.h"
#include "base/encoding.h"
#include "env/git.h"
#include "host/fair_crew.h"
#include "host/webhook_worker.h"
#include "host/worker.h"

namespace ingot::host {
namespace {

using api::JsonArray;
using api::JsonObject;

constexpr Duration kConnect = std::chrono::seconds(5);
constexpr size_t kMostAnswer = 2 * kMostWebhookAnswer + 4'096;  // escaped

std::string order_of(const env::WebhookPost& post, const api::WebhookUrl& url, const std::string& ca_pem) {
  JsonArray headers;
  for (const auto& [name, value] : post.headers) headers.push_back(JsonArray{name, value});
  return api::to_text(JsonObject{{"encrypted", url.encrypted},
                                 {"host", url.host},
                                 {"port", std::to_string(url.port)},
                                 {"authority", url.authority},
                                 {"target", url.target},
                                 {"headers", std::move(headers)},
                                 {"ca", ca_pem},
                                 {"body", base64(post.body)}});
}

Result<env::WebhookAnswer> read_answer(const std::string& text) {
  const auto said = api::parse_json(text);
  if (!said) return fail(Reason::InternalError, "the worker's answer cannot be read");
  if (const std::string error(api::string_at(*said, {"error"})); !error.empty()) {
    const bool refused = api::string_at(*said, {"cause"}) == env::kGitRefused;
    return fail(refused ? Reason::Forbidden : Reason::ServiceUnavailable, error);
  }
  return env::WebhookAnswer{.status = int(api::int_at(*said, {"status"}).value_or(0)),
                            .body = std::string(api::string_at(*said, {"body"}))};
}

// What the threads need; outlives them.
struct Desk {
  WebhookOptions options;
  AddressRules rules;

  Result<env::WebhookAnswer> send(const env::WebhookPost& post, const std::atomic<bool>* stop) const {
    const auto url = api::parse_webhook_url(post.url);
    if (!url) return fail(Reason::Forbidden, "spec.url " + url.error());
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
      return fail(Reason::InternalError, std::string("cannot make sockets: ") + std::strerror(errno));
    const Fd here(pair[0]), there(pair[1]);
    const auto answer = run_worker({.arguments = {"webhook"},
                                    .deadline = options.patience,
                                    .most_output = kMostAnswer,
                                    .cancelled = stop,
                                    .input = order_of(post, *url, options.ca_pem),
                                    .files = {there.get()},
                                    .asks = here.get(),
                                    .answer = [&, open = !url->encrypted] {
                                      return answer_connection(here.get(), rules, open, kConnect);
                                    }});
    if (!answer && answer.error().reason == Reason::Timeout)
      return fail(Reason::Timeout, url->host + " gave no whole answer in time");
    return answer ? read_answer(*answer) : fail(answer.error());
  }
};

class Senders final : public env::WebhookSender {
 public:
  Senders(env::Loop& loop, WebhookOptions options)
      : loop_(loop),
        desk_(std::make_shared<Desk>(options, AddressRules(options.allowed, "--webhook-allow"))),
        crew_(options.workers, options.workers_of_one, "webhooks") {}

  void post(env::WebhookPost post, std::move_only_function<void(Result<env::WebhookAnswer>)> done) override {
    const std::string cluster = post.cluster.value;
    auto stop = std::make_shared<std::atomic<bool>>(false);
    auto answer = std::make_shared<decltype(done)>(std::move(done));
    const bool taken = crew_.post(
        cluster, stop, [&loop = loop_, desk = desk_, stop, answer, post = std::move(post)]() mutable {
          auto result = desk->send(post, stop.get());
          // What it holds is the loop's, to its end.
          loop.post([answer = std::move(answer), result = std::move(result)]() mutable {
            (*answer)(std::move(result));
          });
        });
    if (taken) return;
    loop_.post([answer] {
      (*answer)(fail(Reason::TooManyRequests, "too many webhooks are being told; it is tried again"));
    });
  }

 private:
  env::Loop& loop_;
  const std::shared_ptr<const Desk> desk_;
  FairCrew crew_;  // first to go
};

}  // namespace

std::unique_ptr<env::WebhookSender> make_webhook_sender(env::Loop& loop, WebhookOptions options) {
  return std::make_unique<Senders>(loop, std::move(options));
}

}  // namespace ingot::host
