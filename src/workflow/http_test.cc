#include "workflow/http.h"

#include <gmock/gmock.h>

#include "workflow/pod.h"
#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kAsk = R"(
entrypoint: main
templates:
- name: main
  retryStrategy: {limit: 1, retryPolicy: Always}
  http:
    url: "https://x/{{workflow.name}}"
    method: POST
    headers: [{name: A, value: b}, {name: Key, valueFrom: {secretKeyRef: {name: api, key: token}}}]
    body: "{}"
    successCondition: response.statusCode < 400 && request.headers.A[0] == "b"
  outputs: {parameters: [{name: id, valueFrom: {expression: "fromJSON(response.body).id"}}]}
)";

std::string fault(std::string_view http, std::string_view outputs = "[]") {
  const auto good = check_http(
      yaml("http: " + std::string(http) + "\noutputs: {parameters: " + std::string(outputs) + "}"));
  return good ? "" : good.error();
}

TEST(Http, WhatCannotBeIsSaidAtOnce) {
  EXPECT_EQ(fault("{url: 'http://x'}"), "");
  EXPECT_EQ(fault("{url: 'ftp://x'}"), "http.url must begin with http:// or https://");
  EXPECT_EQ(fault("{url: '{{inputs.parameters.url}}'}"), "");
  EXPECT_EQ(fault("{url: 'http://x', body: a, bodyFrom: {bytes: YQ==}}"), "http: body or bodyFrom, not both");
  EXPECT_EQ(fault("{url: 'http://x', proxy: y}"), "http.proxy is not implemented");
  EXPECT_THAT(fault("{url: 'http://x', successCondition: 'a =='}"), HasSubstr("http.successCondition"));
  EXPECT_THAT(fault("{url: 'http://x', headers: [{name: A, valueFrom: {}}]}"), HasSubstr("http.headers.A"));
  EXPECT_THAT(fault("{url: 'http://x'}", "[{name: p, valueFrom: {path: /x}}]"),
              HasSubstr("outputs.parameters.p"));
}

TEST(Http, ThePodAsksAndTheConditionJudges) {
  Bench b(kAsk);
  EXPECT_THAT(b.running(), ElementsAre("wf(0)"));
  const Json pod = *make_pod(*b.flow, b.run->facts(), b.node("wf(0)"), {.filled = b.pods.at("wf(0)")}, {});
  const std::string asked(api::string_at(pod, {"metadata", "annotations", kTemplateAnnotation}));
  EXPECT_THAT(asked, HasSubstr(R"("url":"https://x/wf")"));
  EXPECT_THAT(asked, Not(HasSubstr("successCondition")));
  EXPECT_EQ(api::string_at(api::array_at(pod, {"spec", "volumes"}).at(0), {"secret", "secretName"}), "api");
  b.end("wf(0)", Phase::Succeeded, R"({http: {statusCode: 500, headers: {}, body: "no"}})");
  EXPECT_EQ(b.phase("wf(0)"), "Failed");
  EXPECT_EQ(to_string(b.node("wf(0)").type), "HTTP");
  EXPECT_EQ(api::string_at(*b.node("wf(0)").outputs, {"result"}), "no");
  EXPECT_THAT(b.running(), ElementsAre("wf(1)")) << "tried again as any node";
  b.again();
  b.end("wf(1)", Phase::Succeeded, R"({http: {statusCode: 201, headers: {}, body: '{"id": 7}'}})");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
  EXPECT_EQ(api::to_text(*b.node("wf(1)").outputs),
            R"({"result":"{\"id\": 7}","parameters":[{"name":"id","value":"7"}]})");
}

TEST(Http, WithoutAConditionTwoHundredsAreGood) {
  Bench b("entrypoint: main\ntemplates: [{name: main, http: {url: 'http://x'}}]");
  b.end("wf", Phase::Succeeded, "{http: {statusCode: 302, headers: {}, body: ''}}");
  EXPECT_EQ(b.run->phase(), Phase::Failed);
  EXPECT_EQ(b.run->message(), "received non-2xx response code: 302");
}

TEST(Http, AnExpressionThatMeansNothingIsAnError) {
  Bench b(
      "entrypoint: main\ntemplates: [{name: main, http: {url: 'http://x', successCondition: "
      "'response.body'}}]");
  b.end("wf", Phase::Succeeded, "{http: {statusCode: 200, headers: {}, body: 'x'}}");
  EXPECT_EQ(b.run->phase(), Phase::Error);
  EXPECT_THAT(b.run->message(), HasSubstr("is no bool"));
}

TEST(Http, OneWithoutAnAnswerFails) {
  Bench b("entrypoint: main\ntemplates: [{name: main, http: {url: 'http://x'}}]");
  b.run->pod(0,
             {.phase = Phase::Failed,
              .message = "RequestFailed (exit code 1): GET http://x: nobody listens",
              .outputs = std::make_shared<const Json>(yaml("{exitCode: '1'}"))},
             b.now);
  EXPECT_EQ(b.run->phase(), Phase::Failed);
  EXPECT_EQ(b.run->message(), "GET http://x: nobody listens");
  EXPECT_FALSE(b.node("wf").outputs);
}

TEST(Http, ItIsStopped) {
  Bench b("entrypoint: main\ntemplates: [{name: main, http: {url: 'http://x'}}]");
  b.run->shut_down(Shutdown::Terminate, b.now);
  b.take();
  EXPECT_THAT(b.running(), ElementsAre()) << "its pod goes";
  EXPECT_EQ(b.run->phase(), Phase::Failed);
}

}  // namespace
}  // namespace ingot::workflow
