#include "registry/courier.h"

#include <gmock/gmock.h>

#include "api/webhook.h"
#include "base/encoding.h"
#include "base/hmac.h"
#include "registry/courier_post.h"
#include "store/testing.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::string_at;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

const ClusterId kVision("vision1"), kSpeech("speech1");

// Keeps what it is given until the test says what came of it.
struct TestSender final : env::WebhookSender {
  struct Sent {
    env::WebhookPost post;
    std::move_only_function<void(Result<env::WebhookAnswer>)> done;
    std::string header(std::string_view name) const {
      for (const auto& [known, value] : post.headers)
        if (known == name) return value;
      return {};
    }
  };
  explicit TestSender(env::Loop& l) : loop(l) {}
  void post(env::WebhookPost post, std::move_only_function<void(Result<env::WebhookAnswer>)> done) override {
    sent.push_back({std::move(post), std::move(done)});
  }
  Sent take() {
    EXPECT_FALSE(sent.empty());
    Sent first = std::move(sent.front());
    sent.erase(sent.begin());
    return first;
  }
  env::Loop& loop;
  std::vector<Sent> sent;
};

struct CourierTest : testing::Test {
  CourierTest() : sender(f.t.loop) { start(); }
  void start() {
    courier = nullptr;
    courier = std::make_unique<Courier>(f.t.env, *f.shard, sender);
    f.t.loop.run_until_idle();
  }
  void put(const Key& key, Json object) {
    api::set(object, {"metadata", "name"}, std::string(key.name()));
    ASSERT_TRUE(f.input([&](store::Turn& turn) { (void)turn.put(key, std::move(object)); }));
    f.t.loop.run_until_idle();
  }
  Json get(const Key& key) {
    Json found;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      if (const auto o = turn.get(key)) found = o->parse();
    }));
    return found;
  }
  static Key webhook(std::string_view name, const ClusterId& cluster = kVision) {
    return {cluster, api::kWebhooks, "", name};
  }
  static Key delivery(std::string_view of, std::string_view id, const ClusterId& cluster = kVision) {
    return {cluster, api::kWebhookDeliveries, of, id};
  }
  void add_webhook(std::string_view name, const ClusterId& cluster = kVision, std::string_view secret = "") {
    put(webhook(name, cluster),
        JsonObject{{"metadata", JsonObject{{"uid", "uid-" + std::string(name)}}},
                   {"spec", JsonObject{{"url", "https://hooks.example/" + std::string(name)},
                                       {"events", JsonArray{"model_version.created"}}}}});
    if (!secret.empty())
      put({cluster, api::kWebhookSecrets, "", name},
          JsonObject{{"uid", "uid-" + std::string(name)}, {"secret", secret}});
  }
  void add(std::string_view of, std::string_view id, const ClusterId& cluster = kVision) {
    put(delivery(of, id, cluster), JsonObject{{"id", id},
                                              {"uid", "uid-" + std::string(of)},
                                              {"event", "model_version.created"},
                                              {"body", "{\"n\":\"" + std::string(id) + "\"}"},
                                              {"tries", 0}});
  }
  void answer(TestSender::Sent sent, Result<env::WebhookAnswer> what) {
    sent.done(std::move(what));
    f.t.loop.run_until_idle();
  }
  std::vector<std::string> bodies() const {
    std::vector<std::string> all;
    for (const auto& sent : sender.sent) all.push_back(sent.post.body);
    return all;
  }

  store::Fixture f;
  TestSender sender;
  std::unique_ptr<Courier> courier;
};

TEST_F(CourierTest, WhatIsTakenIsGoneAndCounted) {
  add_webhook("a", kVision, "s3cret");
  add("a", "1");
  ASSERT_EQ(sender.sent.size(), 1u);
  auto sent = sender.take();
  EXPECT_EQ(sent.post.url, "https://hooks.example/a");
  EXPECT_EQ(sent.post.cluster, kVision);
  EXPECT_EQ(sent.header("X-MLflow-Delivery-Id"), "1");
  const std::string signed_text = "1." + sent.header("X-MLflow-Timestamp") + R"(.{"n":"1"})";
  EXPECT_EQ(sent.header("X-MLflow-Signature"), "v1," + base64(hmac_sha256("s3cret", signed_text)));
  answer(std::move(sent), env::WebhookAnswer{204, ""});
  EXPECT_TRUE(get(delivery("a", "1")).is_null());
  const Json object = get(webhook("a"));
  EXPECT_EQ(api::int_at(object, {"status", "delivered"}), 1);
  EXPECT_EQ(string_at(object, {"status", "last", "event"}), "model_version.created");
  EXPECT_EQ(string_at(object, {"status", "last", "message"}), "");
}

TEST_F(CourierTest, WithoutASecretNothingIsSigned) {
  add_webhook("a");
  // Another webhook's of the same name, long ago.
  put({kVision, api::kWebhookSecrets, "", "a"}, JsonObject{{"uid", "another"}, {"secret", "old"}});
  add("a", "1");
  EXPECT_EQ(sender.take().header("X-MLflow-Signature"), "");
}

TEST_F(CourierTest, OneAtATimeInOrderAndAFailureHoldsUpNobody) {
  add_webhook("a");
  add("a", "1");
  add("a", "2");
  EXPECT_THAT(bodies(), ElementsAre(R"({"n":"1"})"));
  answer(sender.take(), env::WebhookAnswer{503, "later"});
  EXPECT_THAT(bodies(), ElementsAre(R"({"n":"2"})"));
  answer(sender.take(), env::WebhookAnswer{200, ""});
  EXPECT_TRUE(bodies().empty());
  f.t.loop.advance(2s);
  EXPECT_THAT(bodies(), ElementsAre(R"({"n":"1"})"));
  EXPECT_EQ(sender.sent.front().header("X-MLflow-Delivery-Id"), "1");
}

TEST_F(CourierTest, TriesAreBoundedWithGrowingPauses) {
  add_webhook("a");
  add("a", "1");
  int tries = 0;
  const Instant began = f.t.clock.now();
  while (!get(delivery("a", "1")).is_null()) {
    ASSERT_LT(tries, 20);
    while (sender.sent.empty()) f.t.loop.advance(1s);
    ++tries;
    answer(sender.take(), fail(Reason::Timeout, "hooks.example gave no whole answer in time"));
  }
  EXPECT_EQ(tries, Courier::kTries);
  EXPECT_GT(f.t.clock.now() - began, 30min);
  EXPECT_LT(f.t.clock.now() - began, 2h);
  const Json object = get(webhook("a"));
  EXPECT_EQ(api::int_at(object, {"status", "failed"}), 1);
  EXPECT_THAT(std::string(string_at(object, {"status", "last", "message"})), HasSubstr("no whole answer"));
}

TEST_F(CourierTest, SomeAnswersAreForGood) {
  add_webhook("a");
  const std::vector<Result<env::WebhookAnswer>> final_ones{
      env::WebhookAnswer{302, ""}, env::WebhookAnswer{400, ""}, env::WebhookAnswer{410, ""},
      fail(Reason::Forbidden, "is at an address that is not public")};
  for (const auto& one : final_ones) {
    add("a", "1");
    answer(sender.take(), one);
    EXPECT_TRUE(get(delivery("a", "1")).is_null());
  }
  EXPECT_EQ(api::int_at(get(webhook("a")), {"status", "failed"}), 4);
  for (const int later : {408, 425, 429, 500, 503}) {
    EXPECT_EQ(taken(env::WebhookAnswer{later, ""}), Taken::NotYet) << later;
  }
}

TEST_F(CourierTest, ARestartForgetsNothing) {
  add_webhook("a");
  add("a", "1");
  add("a", "2");
  answer(sender.take(), env::WebhookAnswer{500, ""});
  sender.sent.clear();  // on its way as the process dies
  courier = nullptr;
  f.reopen();
  start();
  EXPECT_THAT(bodies(), ElementsAre(R"({"n":"2"})"));
  answer(sender.take(), env::WebhookAnswer{200, ""});
  f.t.loop.advance(2s);
  EXPECT_THAT(bodies(), ElementsAre(R"({"n":"1"})"));
  answer(sender.take(), env::WebhookAnswer{200, ""});
  EXPECT_EQ(api::int_at(get(webhook("a")), {"status", "delivered"}), 2);
}

TEST_F(CourierTest, WhatHasNoWebhookAnyMoreGoes) {
  add_webhook("a");
  add("gone", "1");
  EXPECT_TRUE(get(delivery("gone", "1")).is_null());
  Json suspended = get(webhook("a"));
  api::set(suspended, {"spec", "suspend"}, true);
  put(webhook("a"), std::move(suspended));
  add("a", "1");
  EXPECT_TRUE(get(delivery("a", "1")).is_null());
  EXPECT_TRUE(sender.sent.empty());
}

TEST_F(CourierTest, OneClusterDoesNotTakeAllPlaces) {
  for (const char* name : {"a", "b", "c", "d"}) {
    add_webhook(name);
    add(name, "1");
  }
  add_webhook("z", kSpeech);
  add("z", "1", kSpeech);
  ASSERT_EQ(sender.sent.size(), Courier::kMostGoingOfOne + 1);
  EXPECT_EQ(sender.sent.back().post.cluster, kSpeech);
  answer(sender.take(), env::WebhookAnswer{200, ""});
  EXPECT_EQ(sender.sent.size(), Courier::kMostGoingOfOne + 1);
}

TEST_F(CourierTest, ATestIsOneExample) {
  add_webhook("a", kVision, "s");
  std::vector<std::string> told;
  const auto note = [&](Result<env::WebhookAnswer> answer) {
    told.push_back(answer ? std::to_string(answer->status) : answer.error().message);
  };
  courier->test(kVision, "a", "", note);
  courier->test(kVision, "nobody", "", note);
  courier->test(kVision, "a", "no.event", note);
  courier->test(kSpeech, "a", "", note);
  f.t.loop.run_until_idle();
  ASSERT_EQ(sender.sent.size(), 1u);
  auto sent = sender.take();
  const Json body = *api::parse_json(sent.post.body);
  EXPECT_EQ(string_at(body, {"entity"}), "model_version");
  EXPECT_EQ(string_at(body, {"data", "version"}), "1");
  EXPECT_NE(sent.header("X-MLflow-Signature"), "");
  answer(std::move(sent), env::WebhookAnswer{500, "no"});
  EXPECT_THAT(told, ElementsAre("Webhook with ID nobody not found.", "event: there is no \"no.event\"",
                                "Webhook with ID a not found.", "500"));
  f.t.loop.advance(1h);
  EXPECT_TRUE(sender.sent.empty());
}

TEST_F(CourierTest, TestsAreBounded) {
  add_webhook("a");
  size_t refused = 0, told = 0;
  const auto note = [&](Result<env::WebhookAnswer> answer) {
    ++told;
    refused += !answer && answer.error().reason == Reason::TooManyRequests;
  };
  for (size_t i = 0; i < Courier::kMostTests + 3; ++i) courier->test(kVision, "a", "", note);
  f.t.loop.run_until_idle();
  EXPECT_EQ(sender.sent.size(), Courier::kMostTests);
  EXPECT_EQ(refused, 3u);
  for (size_t i = 0; i < Courier::kMostTests; ++i) answer(sender.take(), env::WebhookAnswer{200, ""});
  courier->test(kVision, "a", "", note);
  f.t.loop.run_until_idle();
  EXPECT_EQ(sender.sent.size(), 1u);
  EXPECT_EQ(told, Courier::kMostTests + 3);
}

TEST(CourierPost, EveryEventHasAnExample) {
  for (const std::string_view event : api::webhook_events()) {
    const Json example = example_of(event);
    EXPECT_EQ(std::string(string_at(example, {"entity"})) + "." + std::string(string_at(example, {"action"})),
              event);
    EXPECT_FALSE(string_at(example, {"data", "name"}).empty());
  }
  EXPECT_TRUE(example_of("registered_model.deleted").is_null());
}

}  // namespace
}  // namespace ingot::registry
