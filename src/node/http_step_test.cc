#include "node/http_step.h"

#include "base/encoding.h"
#include "node/agent_fixture.h"
#include "node/step.h"

namespace ingot::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(HttpStep, WhatIsAsked) {
  PodConfig config;
  config.secrets["api"] = parsed(R"({"data":{"token":"c2VjcmV0Cg=="}})");
  const auto read = http_request(
      parsed(
          R"({"url":"https://x/y","method":"PUT","headers":[{"name":"A","value":"b"},{"name":"B","valueFrom":{"secretKeyRef":{"name":"api","key":"token"}}}],"bodyFrom":{"bytes":"aGk="},"timeoutSeconds":7,"insecureSkipVerify":true})"),
      &config);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->method, "PUT");
  EXPECT_EQ(read->body, "hi");
  EXPECT_THAT(read->headers, ElementsAre(Pair("A", "b"), Pair("B", "secret")));
  EXPECT_EQ(read->timeout, std::chrono::seconds(7));
  EXPECT_TRUE(read->insecure);
  const auto least = http_request(parsed(R"({"url":"http://x"})"), &config);
  EXPECT_EQ(least->method, "GET");
  EXPECT_EQ(least->timeout, std::chrono::seconds(30));
}

TEST(HttpStep, NothingInTheAnnotationIsTakenForGranted) {
  const PodConfig none;
  for (const std::string_view bad :
       {R"({})", R"({"url":"file:///etc/passwd"})", R"({"url":"http://x\r\nA: b"})",
        R"({"url":"http://x","method":"GET /y HTTP/1.1"})",
        R"({"url":"http://x","headers":[{"name":"A","value":"b\r\nC: d"}]})",
        R"({"url":"http://x","headers":[{"name":"A:","value":"b"}]})",
        R"({"url":"http://x","headers":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"n","key":"k"}}}]})",
        R"({"url":"http://x","bodyFrom":{"bytes":"%"}})"})
    EXPECT_FALSE(http_request(parsed(bad), &none)) << bad;
  EXPECT_FALSE(http_request(
      api::JsonObject{{"url", "http://x"}, {"body", std::string(kMaxHttpBody + 1, 'a')}}, &none));
}

TEST(HttpStep, AnswersAreText) {
  const api::Json json = answer_json(
      {.status = 201, .headers = {{"x-a-b", "1"}, {"X-A-B", "2"}}, .body = std::string("a\xff", 2)});
  EXPECT_EQ(api::to_text(json),
            "{\"statusCode\":201,\"headers\":{\"X-A-B\":[\"1\",\"2\"]},\"body\":\"a\xef\xbf\xbd\"}");
}

struct HttpStepTest : AgentTest {
  void bind_step(std::string_view more = "") {
    boot();
    api::Json pod = parsed(fmt::format(
        R"({{"metadata":{{"uid":"u1","name":"p","namespace":"default","annotations":{{"factory.ingot.dev/cluster":"c7"}}}},
            "spec":{{"nodeName":"node-0","restartPolicy":"Never","containers":[{{"name":"main","image":"none"}}]}}}})"));
    api::set(pod, {"metadata", "annotations", kTemplateAnnotation},
             fmt::format(R"({{"http":{{"url":"http://x/"{}}}}})", more));
    bind(std::move(pod));
  }
  void answer(Result<HttpAnswer> a) {
    ASSERT_TRUE(runtime.answer_http);
    std::exchange(runtime.answer_http, {})(std::move(a));
    t.loop.run_until_idle();
  }
};

TEST_F(HttpStepTest, ItStandsInForTheContainer) {
  bind_step();
  EXPECT_THAT(runtime.log, ElementsAre("run u1.0", "ask GET http://x/"));
  EXPECT_EQ(runtime.asked->cluster, "c7");
  EXPECT_EQ(at({"status", "phase"}), "Running");
  answer(HttpAnswer{.status = 404, .body = "no"});
  EXPECT_EQ(at({"status", "phase"}), "Succeeded") << "what it means is not the node's to say";
  EXPECT_EQ(at({"metadata", "annotations", kOutputsAnnotation}),
            R"({"http":{"statusCode":404,"headers":{},"body":"no"}})");
  EXPECT_TRUE(released());
}

TEST_F(HttpStepTest, NoAnswerFailsIt) {
  bind_step();
  answer(fail(Reason::InternalError, "http://x/: nobody listens"));
  EXPECT_EQ(at({"status", "phase"}), "Failed");
  EXPECT_EQ(api::string_at(api::array_at(api.objects.at(pod_path()), {"status", "containerStatuses"}).at(0),
                           {"state", "terminated", "message"}),
            "http://x/: nobody listens");
}

TEST_F(HttpStepTest, WhatIsWrongWithItIsNotAsked) {
  bind_step(R"(,"method":"A B")");
  EXPECT_FALSE(runtime.asked);
  EXPECT_EQ(at({"status", "phase"}), "Failed");
}

TEST_F(HttpStepTest, AnAnswerThatIsTooLargeFailsIt) {
  bind_step();
  answer(HttpAnswer{.status = 200, .body = std::string(kMaxHttpBody, '\1')});
  EXPECT_EQ(at({"status", "phase"}), "Failed") << "six times as much as JSON";
}

TEST_F(HttpStepTest, ItEndsWithItsPod) {
  bind_step();
  EXPECT_FALSE(*runtime.asked->stop);
  api::Json pod = api.objects.at(pod_path());
  api::set(pod, {"metadata", "deletionTimestamp"}, to_rfc3339(t.clock.wall() + std::chrono::seconds(30)));
  api::set(pod, {"metadata", "deletionGracePeriodSeconds"}, 30);
  api.put(pod_path(), std::move(pod));
  t.loop.run_until_idle();
  EXPECT_TRUE(*runtime.asked->stop);
  answer(fail(Reason::Timeout, "nobody waits for it any more"));
  EXPECT_TRUE(released());
}

TEST_F(HttpStepTest, AfterACrashItIsMadeAgain) {
  bind_step();
  runtime.log.clear();
  runtime.answer_http = {};
  boot();
  EXPECT_THAT(runtime.log, ElementsAre("ask GET http://x/"));
  answer(HttpAnswer{.status = 200, .body = "yes"});
  EXPECT_EQ(at({"status", "phase"}), "Succeeded");
}

}  // namespace
}  // namespace ingot::node
