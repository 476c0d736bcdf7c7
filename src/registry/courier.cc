#include "registry/courier.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "api/webhook.h"
#include "base/encoding.h"
#include "registry/courier_post.h"
#include "store/follower.h"

namespace ingot::registry {
namespace {

using api::int_at;
using api::Json;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;
using api::string_at;

constexpr size_t kPerTurn = 16, kLongestMessage = 300;

ClusterId cluster_of(const Key& key) { return ClusterId{std::string(key.cluster())}; }

std::string secret_of(const store::Turn& turn, const Key& webhook, const Json& object) {
  const ObjectPtr stored = turn.get(Key(cluster_of(webhook), api::kWebhookSecrets, "", webhook.name()));
  if (!stored) return {};
  const Json secret = stored->parse();
  const bool own = string_at(secret, {"uid"}) == string_at(object, {"metadata", "uid"});
  return own ? std::string(string_at(secret, {"secret"})) : "";
}

std::string complaint_of(const Result<env::WebhookAnswer>& answer) {
  std::string why = answer ? fmt::format("answered {}", answer->status) : answer.error().message;
  if (answer && answer->status / 100 == 3) why += ", and redirects are not followed";
  return why.substr(0, kLongestMessage);
}

}  // namespace

class Courier::Impl final : public store::Follower::Handler, public std::enable_shared_from_this<Impl> {
 public:
  Impl(env::Env& env, store::Shard& shard, env::WebhookSender& sender)
      : env_(env), shard_(shard), sender_(sender) {}

  void start() {
    follower_ = std::make_unique<store::Follower>(
        env_, shard_, store::later({{"", std::string(api::kWebhookDeliveries), ""}}), *this);
  }
  void stop() { follower_ = nullptr; }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool) override {
    for (const Key& key : changed) note(turn, key);
    for (size_t n = 0; n < kPerTurn && !answers_.empty(); ++n) {
      const Answer answer = std::move(answers_.front());
      answers_.pop_front();
      settle(turn, answer);
    }
    const bool more = bring(turn);
    return more || !answers_.empty();
  }
  // What is on its way stays so: its answer comes.
  void reset() override {
    due_.clear();
    std::erase_if(lines_, [](const auto& entry) { return !entry.second.going; });
    for (auto& [name, line] : lines_) line.due.clear();
  }

  void test(const ClusterId& cluster, const std::string& webhook, const std::string& event, Tested done) {
    const uint64_t high = env_.entropy.next();
    const std::string id = uuid(high, env_.entropy.next());
    size_t& going = tests_[cluster.value];
    if (going >= kMostTests)
      return env_.loop.post([done = std::move(done)]() mutable {
        done(fail({.reason = Reason::TooManyRequests,
                   .message = "other webhooks are being tested: try again in a moment",
                   .retry_after_s = 1}));
      });
    ++going;
    auto told = std::make_shared<Tested>(
        [self = weak_from_this(), cluster = cluster.value, done = std::move(done)](auto answer) mutable {
          if (const auto impl = self.lock())
            if (const auto of = impl->tests_.find(cluster); of != impl->tests_.end() && --of->second == 0)
              impl->tests_.erase(of);
          done(std::move(answer));
        });
    const auto submitted = shard_.submit(
        [self = weak_from_this(), cluster, webhook, event, id, told](store::Turn& turn) {
          const auto impl = self.lock();
          if (!impl || !impl->follower_) return;
          Result<env::WebhookPost> post = impl->example(turn, cluster, webhook, event, id);
          turn.then(
              turn.revision(), [self, told, post = std::move(post)](const Result<void>& durable) mutable {
                if (!durable) return (*told)(fail(durable.error()));
                const auto impl = self.lock();
                if (!impl || !impl->follower_) return;
                if (!post) return (*told)(fail(post.error()));
                impl->sender_.post(std::move(*post),
                                   [told](Result<env::WebhookAnswer> answer) { (*told)(std::move(answer)); });
              });
        },
        store::Shard::Kind::Reads);
    if (!submitted) env_.loop.post([told, error = submitted.error()] { (*told)(fail(error)); });
  }

 private:
  // Of one webhook, by cluster and name.
  struct Line {
    std::set<std::pair<Instant, std::string>> due;
    bool going = false;
  };
  struct Answer {
    std::string key;
    Result<env::WebhookAnswer> result;
  };

  static std::string line_of(const Key& key) { return fmt::format("{}/{}", key.cluster(), key.ns()); }

  void forget(const Key& key) {
    const auto known = due_.find(key.text());
    if (known == due_.end()) return;
    const auto line = lines_.find(line_of(key));
    line->second.due.erase({known->second, key.text()});
    if (line->second.due.empty() && !line->second.going) lines_.erase(line);
    due_.erase(known);
  }

  void note(const store::Turn& turn, const Key& key) {
    forget(key);
    const ObjectPtr object = turn.get(key);
    if (!object || going_.contains(key.text())) return;
    const auto next = parse_rfc3339(string_at(object->parse(), {"next"}));
    const Duration wait = next ? Duration(*next - env_.clock.wall()) : Duration::zero();
    const Instant at = env_.clock.now() + std::clamp(wait, Duration::zero(), Duration(std::chrono::hours(2)));
    due_.emplace(key.text(), at);
    lines_[line_of(key)].due.emplace(at, key.text());
  }

  // Webhook by webhook, after the one that was last. Whether more can go at once.
  bool bring(store::Turn& turn) {
    const Instant now = env_.clock.now();
    std::vector<std::string> ready;
    std::optional<Instant> soonest;
    const auto look = [&](const std::string& name, const Line& line) {
      if (line.going || line.due.empty()) return;
      const Instant at = line.due.begin()->first;
      if (at <= now)
        ready.push_back(name);
      else
        soonest = soonest ? std::min(*soonest, at) : at;
    };
    for (auto it = lines_.upper_bound(last_); it != lines_.end(); ++it) look(it->first, it->second);
    for (auto it = lines_.begin(); it != lines_.upper_bound(last_); ++it) look(it->first, it->second);
    size_t begun = 0;
    for (const std::string& name : ready) {
      if (going_.size() >= kMostGoing) break;
      if (begun == kPerTurn) return true;
      const std::string cluster = name.substr(0, name.find('/'));
      if (going_of_[cluster] < kMostGoingOfOne) {
        last_ = name;
        ++begun;
        send(turn, Key(lines_[name].due.begin()->second));
      }
      if (going_of_[cluster] == 0) going_of_.erase(cluster);
    }
    if (soonest) follower_->wake_at(*soonest);
    return false;
  }

  void send(store::Turn& turn, const Key& key) {
    forget(key);
    const ObjectPtr stored = turn.get(key);
    if (!stored) return;
    const Json delivery = stored->parse();
    const Key webhook(cluster_of(key), api::kWebhooks, "", key.ns());
    const ObjectPtr target = turn.get(webhook);
    const Json object = target ? target->parse() : Json();
    if (!target || string_at(object, {"metadata", "uid"}) != string_at(delivery, {"uid"}) ||
        api::bool_at(object, {"spec", "suspend"})) {
      (void)turn.erase(key);
      return again();
    }
    going_.insert(key.text());
    ++going_of_[std::string(key.cluster())];
    lines_[line_of(key)].going = true;
    sender_.post(webhook_post(cluster_of(key), string_at(object, {"spec", "url"}),
                              secret_of(turn, webhook, object), string_at(delivery, {"id"}),
                              std::string(string_at(delivery, {"body"})), env_.clock.wall()),
                 [weak = weak_from_this(), key = key.text()](Result<env::WebhookAnswer> answer) {
                   const auto self = weak.lock();
                   if (!self || !self->follower_) return;
                   self->answers_.push_back({key, std::move(answer)});
                   self->again();
                 });
  }

  void settle(store::Turn& turn, const Answer& answer) {
    const Key key(answer.key);
    going_.erase(answer.key);
    if (const auto of = going_of_.find(std::string(key.cluster()));
        of != going_of_.end() && --of->second == 0)
      going_of_.erase(of);
    if (const auto line = lines_.find(line_of(key)); line != lines_.end()) {
      line->second.going = false;
      if (line->second.due.empty()) lines_.erase(line);
    }
    const ObjectPtr stored = turn.get(key);
    if (!stored) return;
    Json delivery = stored->parse();
    const int64_t tries = int_at(delivery, {"tries"}).value_or(0) + 1;
    Taken is = taken(answer.result);
    if (is == Taken::NotYet && tries >= kTries) is = Taken::Never;
    tell(turn, key, delivery, answer.result, is);
    if (is != Taken::NotYet) {
      (void)turn.erase(key);
      return;
    }
    Duration pause = kFirstPause;
    for (int64_t n = 1; n < tries; ++n) pause *= 3;
    api::set(delivery, {"tries"}, tries);
    api::set(
        delivery, {"next"},
        to_rfc3339_micro(env_.clock.wall() + std::chrono::duration_cast<std::chrono::microseconds>(pause)));
    (void)turn.put(key, std::move(delivery), stored->revision);
  }

  // What came of it, where the webhook's owner looks.
  void tell(store::Turn& turn, const Key& key, const Json& delivery, const Result<env::WebhookAnswer>& answer,
            Taken is) {
    const Key webhook(cluster_of(key), api::kWebhooks, "", key.ns());
    const ObjectPtr stored = turn.get(webhook);
    if (!stored) return;
    Json object = stored->parse();
    if (string_at(object, {"metadata", "uid"}) != string_at(delivery, {"uid"})) return;
    const std::string_view event = string_at(delivery, {"event"});
    JsonObject last{
        {"event", event}, {"id", string_at(delivery, {"id"})}, {"at", to_rfc3339(env_.clock.wall())}};
    if (answer) last["code"] = answer->status;
    if (is != Taken::Yes) last["message"] = complaint_of(answer);
    api::set(object, {"status", "last"}, std::move(last));
    if (is != Taken::NotYet) {
      const std::string_view count = is == Taken::Yes ? "delivered" : "failed";
      api::set(object, {"status", count}, int_at(object, {"status", count}).value_or(0) + 1);
    }
    if (is == Taken::Never)
      env_.log.warn("webhook.failed", {{"cluster", std::string(key.cluster())},
                                       {"webhook", std::string(key.ns())},
                                       {"error", complaint_of(answer)}});
    (void)turn.put(webhook, std::move(object), stored->revision);
  }

  Result<env::WebhookPost> example(const store::Turn& turn, const ClusterId& cluster, const std::string& name,
                                   std::string event, const std::string& id) const {
    const Key key(cluster, api::kWebhooks, "", name);
    const ObjectPtr stored = turn.get(key);
    if (!stored) return fail(Reason::NotFound, fmt::format("Webhook with ID {} not found.", name));
    const Json object = stored->parse();
    const api::JsonArray& events = api::array_at(object, {"spec", "events"});
    if (event.empty() && !events.empty()) event = string_at(events.front(), {});
    Json body = example_of(event);
    if (body.is_null()) return fail(Reason::Invalid, fmt::format("event: there is no \"{}\"", event));
    const WallTime now = env_.clock.wall();
    api::set(body, {"timestamp"}, to_rfc3339_micro(now));
    return webhook_post(cluster, string_at(object, {"spec", "url"}), secret_of(turn, key, object), id,
                        api::to_text(body), now);
  }

  void again() {
    if (follower_) follower_->wake();
  }

  env::Env& env_;
  store::Shard& shard_;
  env::WebhookSender& sender_;
  std::map<std::string, Line> lines_;
  std::map<std::string, Instant> due_;  // by the delivery's key
  std::set<std::string> going_;
  std::map<std::string, size_t> going_of_, tests_;  // by cluster
  std::string last_;
  std::deque<Answer> answers_;
  std::unique_ptr<store::Follower> follower_;  // last: it calls into the rest
};

Courier::Courier(env::Env& env, store::Shard& shard, env::WebhookSender& sender)
    : impl_(std::make_shared<Impl>(env, shard, sender)) {
  impl_->start();
}
Courier::~Courier() { impl_->stop(); }

void Courier::test(const ClusterId& cluster, const std::string& webhook, const std::string& event,
                   Tested done) {
  impl_->test(cluster, webhook, event, std::move(done));
}

}  // namespace ingot::registry
