#include "pipelines/resource_steps.h"

#include <gmock/gmock.h>

#include "api/patch.h"
#include "pipelines/testing.h"

namespace ingot::pipelines {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Objects by path; whoever is named in `forbidden` may nothing.
struct FakeServer final : Requests {
  explicit FakeServer(env::Loop& l) : loop(l) {}
  env::Loop& loop;
  std::map<std::string, api::Json> objects;
  std::set<std::string> forbidden;
  std::vector<std::string> log;
  int silent = 0;  // how many of the next get no answer

  void send(Ask ask, std::move_only_function<void(Result<Told>)> done) override {
    const std::string path = ask.target.substr(0, ask.target.find('?'));
    log.push_back(ask.account + " " + ask.method + " " + path);
    Result<Told> answer = silent-- > 0 ? Result<Told>(fail(Reason::Timeout, "no answer")) : serve(ask, path);
    loop.post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
  }
  Told serve(const Ask& ask, const std::string& path) {
    const auto no = [](int code, std::string why) { return Told{code, R"({"message":")" + why + "\"}"}; };
    if (forbidden.contains(ask.account)) return no(403, "forbidden: " + ask.account);
    const api::Json body = ask.body.empty() ? api::Json() : *api::parse_json(ask.body);
    const std::string at =
        ask.method == "POST" ? path + "/" + std::string(api::string_at(body, {"metadata", "name"})) : path;
    const bool there = objects.contains(at);
    if (ask.method == "POST" && there) return no(409, "already exists");
    if (ask.method != "POST" && !there) return no(404, "not found");
    if (ask.method == "POST" || ask.method == "PUT") objects[at] = body;
    if (ask.method == "PATCH") objects[at] = *api::merge_patch(objects[at], body);
    const std::string text = api::to_text(objects[at]);
    if (ask.method == "DELETE") objects.erase(at);
    return {200, text};
  }
};

struct ResourceStepsTest : testing::Test {
  Factory f;
  FakeServer server{f.store.t.loop};
  ResourceStepsTest() {
    f.requests = &server;
    f.restart();
    f.put("serviceaccounts", "robot", "{}");
  }
  static constexpr std::string_view kMap = "/api/v1/namespaces/default/configmaps/m";
  static std::string text(std::string resource, std::string outputs = "[]") {
    return "entrypoint: r\nserviceAccountName: robot\ntemplates:\n- name: r\n  resource: " + resource +
           "\n  outputs: {parameters: " + outputs + "}\n";
  }
  static std::string map(std::string action, std::string more = "") {
    return "{action: " + action +
           ", manifest: '{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: b}}'" + more + "}";
  }
};

TEST_F(ResourceStepsTest, MakeAnObjectAndGiveWhatItSays) {
  f.submit("w", text(map("create"), "[{name: n, valueFrom: {jsonPath: '{.data.a}'}}]"));
  EXPECT_EQ(f.phase("w"), "Succeeded");
  EXPECT_THAT(server.log, ElementsAre("robot POST /api/v1/namespaces/default/configmaps"));
  EXPECT_EQ(api::to_text(f.node("w", "w").at("outputs")), R"({"parameters":[{"name":"n","value":"b"}]})");
}

TEST_F(ResourceStepsTest, WaitForTheirConditionThroughARestart) {
  f.submit("w", text(map("create", ", successCondition: data.state=done, failureCondition: data.state=bad")));
  EXPECT_EQ(f.phase("w"), "Running");
  EXPECT_EQ(api::string_at(f.node("w", "w"), {"phase"}), "Running");
  f.restart();
  EXPECT_EQ(std::ranges::count(server.log, "robot POST /api/v1/namespaces/default/configmaps"), 1);
  api::set(server.objects[std::string(kMap)], {"data", "state"}, "done");
  f.advance(std::chrono::seconds(5));
  EXPECT_EQ(f.phase("w"), "Succeeded");
}

TEST_F(ResourceStepsTest, FailAsTheirConditionSays) {
  server.objects[std::string(kMap)] = Factory::yaml("data: {state: bad}");
  f.submit("w", text(map("get", ", successCondition: data.state=done, failureCondition: data.state=bad")));
  EXPECT_EQ(f.phase("w"), "Failed");
  EXPECT_EQ(f.message("w"), "Failure condition 'data.state=bad' evaluated true");
}

TEST_F(ResourceStepsTest, WhatSomebodyElseMadeIsNotTaken) {
  server.objects[std::string(kMap)] = Factory::yaml("data: {}");
  f.submit("w", text(map("create")));
  EXPECT_EQ(f.phase("w"), "Error");
  EXPECT_EQ(f.message("w"), "already exists");
}

TEST_F(ResourceStepsTest, ApplyMakesOrChanges) {
  f.submit("w", text(map("apply")));
  EXPECT_EQ(f.phase("w"), "Succeeded");
  server.objects[std::string(kMap)] = Factory::yaml("data: {a: x, c: d}");
  f.submit("v", text(map("apply")));
  EXPECT_EQ(f.phase("v"), "Succeeded");
  EXPECT_EQ(api::to_text(server.objects[std::string(kMap)].at("data")), R"({"a":"b","c":"d"})");
}

TEST_F(ResourceStepsTest, DeleteWhatIsThereOrNot) {
  server.objects[std::string(kMap)] = Factory::yaml("data: {}");
  for (const std::string_view name : {"v", "w"}) {
    f.submit(name, text(map("delete")));
    EXPECT_EQ(f.phase(name), "Succeeded");
  }
  EXPECT_TRUE(server.objects.empty());
}

TEST_F(ResourceStepsTest, HaveTheRightsOfTheirAccountAndNoMore) {
  server.forbidden.insert("robot");
  f.submit("w", text(map("create")));
  EXPECT_EQ(f.phase("w"), "Error");
  EXPECT_EQ(f.message("w"), "forbidden: robot");
  std::string nobody = text(map("create"));
  f.submit("v", nobody.replace(nobody.find("robot"), 5, "ghost"));
  EXPECT_EQ(f.message("v"), "serviceaccount \"ghost\" not found");
}

TEST_F(ResourceStepsTest, AskAgainWhenNobodyAnswers) {
  server.silent = 2;
  f.submit("w", text(map("create")));
  EXPECT_EQ(f.phase("w"), "Running");
  f.advance(std::chrono::seconds(10));
  EXPECT_EQ(f.phase("w"), "Succeeded");
}

TEST_F(ResourceStepsTest, StopWithTheirRun) {
  f.submit("w", text(map("create", ", successCondition: data.state=done")));
  f.change("workflows.argoproj.io", "w",
           [](api::Json& w) { api::set(w, {"spec", "shutdown"}, "Terminate"); });
  EXPECT_EQ(f.phase("w"), "Failed");
  const size_t before = server.log.size();
  f.advance(std::chrono::minutes(1));
  EXPECT_EQ(server.log.size(), before);
}

// Answers when the test says.
struct SlowServer final : Requests {
  std::vector<std::pair<Ask, std::move_only_function<void(Result<Told>)>>> asked;
  void send(Ask ask, std::move_only_function<void(Result<Told>)> done) override {
    asked.emplace_back(std::move(ask), std::move(done));
  }
  int64_t of(std::string_view cluster) const {
    return std::ranges::count_if(asked, [&](const auto& a) { return a.first.cluster.value == cluster; });
  }
};

TEST(ResourceSteps, OneTenantsWaitForNobodyElses) {
  Factory f;
  SlowServer server;
  f.requests = &server;
  f.restart();
  const std::string text = R"(entrypoint: main
templates:
- name: main
  steps: [[{name: a, template: r, withSequence: {count: "100"}}]]
- name: r
  resource: {action: get, manifest: '{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}'}
)";
  f.submit("many", text, "c1");
  f.advance(std::chrono::seconds(5));
  EXPECT_EQ(server.of("c1"), 16) << "so many of one at a time";
  f.submit("few", text, "c2");
  f.advance(std::chrono::seconds(5));
  EXPECT_EQ(server.of("c2"), 16);
  auto asked = std::exchange(server.asked, {});
  for (auto& [ask, done] : asked) done(Told{404, "{}"});
  f.settle();
  EXPECT_EQ(server.of("c1"), 16) << "the next ones";
  EXPECT_EQ(server.of("c2"), 16);
}

}  // namespace
}  // namespace ingot::pipelines
