#include <gtest/gtest.h>

#include "apiserver/testing.h"
#include "workflow/rows.h"

namespace ingot::apiserver {
namespace {
using namespace std::chrono_literals;
using api::Json;

// "ADDED a, MODIFIED b" of a watch so far.
std::string told(const Recorder& watch) {
  std::string text;
  for (const Json& event : watch.events()) {
    if (!text.empty()) text += ", ";
    text += std::string(api::string_at(event, {"type"})) + " " +
            std::string(api::string_at(event, {"object", "metadata", "name"}));
  }
  return text;
}

struct Watches : testing::Test {
  TestControlPlane plane;
  Identity vision = plane.tenant("vision");
  const std::string maps = "/api/v1/namespaces/default/configmaps";

  Json create(const std::string& name, const std::string& labels = "{}") {
    return plane
        .call(vision, "POST", maps, R"({"metadata":{"name":")" + name + R"(","labels":)" + labels + "}}")
        .json();
  }
  void label(const std::string& name, const std::string& labels) {
    EXPECT_EQ(plane
                  .call(vision, "PATCH", maps + "/" + name, R"({"metadata":{"labels":)" + labels + "}}",
                        "application/merge-patch+json")
                  .code,
              200);
  }
  std::string revision() {
    return std::string(
        api::string_at(plane.call(vision, "GET", maps).json(), {"metadata", "resourceVersion"}));
  }
};

TEST_F(Watches, WithoutARevisionTellWhatIsThereFirst) {
  create("a");
  const auto watch = plane.open(vision, maps + "?watch=true&fieldSelector=metadata.name!%3Dkube-root-ca.crt");
  EXPECT_EQ(told(*watch), "ADDED a");
  create("b");
  plane.call(vision, "DELETE", maps + "/a");
  EXPECT_EQ(told(*watch), "ADDED a, ADDED b, DELETED a");
}

TEST_F(Watches, FromARevisionTellWhatCameAfter) {
  create("a");
  const std::string from = revision();
  create("b");
  const auto watch = plane.open(vision, maps + "?watch=true&resourceVersion=" + from);
  EXPECT_EQ(told(*watch), "ADDED b");
}

TEST_F(Watches, SeeObjectsEnterAndLeaveASelection) {
  create("a", R"({"app":"web"})");
  const auto watch =
      plane.open(vision, maps + "?watch=true&labelSelector=app%3Dweb&resourceVersion=" + revision());
  create("b");
  label("b", R"({"app":"web"})");
  label("b", R"({"x":"y"})");
  label("a", R"({"app":"db"})");
  plane.call(vision, "DELETE", maps + "/a");
  plane.call(vision, "DELETE", maps + "/b");
  EXPECT_EQ(told(*watch), "ADDED b, MODIFIED b, DELETED a, DELETED b");
  // What left is told in its last state inside, at the revision that took it out.
  const Json left = watch->events().at(2);
  EXPECT_EQ(api::string_at(left, {"object", "metadata", "labels", "app"}), "web");
}

TEST_F(Watches, TellNothingOfOtherTenants) {
  const Identity speech = plane.tenant("speech");
  const auto watch = plane.open(speech, "/api/v1/configmaps?watch=true&resourceVersion=" + revision());
  create("a");
  EXPECT_EQ(told(*watch), "");
}

TEST_F(Watches, OfOneObjectTellOnlyOfIt) {
  const auto watch = plane.open(vision, maps + "/a?watch=true");
  create("b");
  create("a");
  EXPECT_EQ(told(*watch), "ADDED a");
}

TEST_F(Watches, EndWhenTheirTimeIsOver) {
  const auto watch = plane.open(vision, maps + "?watch=true&timeoutSeconds=10");
  plane.t.loop.advance(9s);
  EXPECT_FALSE(watch->ended());
  plane.t.loop.advance(2s);
  EXPECT_TRUE(watch->ended());
}

TEST_F(Watches, StopWhenTheClientIsGoneOrSlow) {
  const auto gone = plane.open(vision, maps + "?watch=true");
  const auto slow = plane.open(vision, maps + "?watch=true&resourceVersion=" + revision());
  const size_t before = plane.shard->stats().watchers;
  gone->close();
  slow->room = 10;
  create("a");
  plane.t.loop.run_until_idle();
  EXPECT_EQ(plane.shard->stats().watchers, before - 2);
}

TEST_F(Watches, MarkTheEndOfTheInitialEvents) {
  const auto watch = plane.open(
      vision,
      maps + "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
  ASSERT_EQ(watch->events().size(), 2u);
  const Json mark = watch->events().back();
  EXPECT_EQ(api::string_at(mark, {"type"}), "BOOKMARK");
  EXPECT_EQ(api::string_at(mark, {"object", "metadata", "annotations", "k8s.io/initial-events-end"}), "true");
}

TEST_F(Watches, AreBoundedPerTenant) {
  ServerOptions options{.version = "test", .external_url = "https://127.0.0.1:6443"};
  options.watches = 2;
  TestControlPlane small(options);
  const Identity team = small.tenant("team");
  const auto one = small.open(team, maps + "?watch=true");
  const auto two = small.open(team, maps + "?watch=true");
  EXPECT_EQ(small.open(team, maps + "?watch=true")->response.code, 429);
  one->close();
  EXPECT_EQ(small.open(team, maps + "?watch=true")->response.code, 200);
}

TEST_F(Watches, AreCountedTogetherWithFollowedLogs) {
  ServerOptions options{.version = "test", .external_url = "https://127.0.0.1:6443"};
  options.watches = 2;
  TestControlPlane small(options);
  const Identity team = small.tenant("team");
  const std::string pods = "/api/v1/namespaces/default/pods";
  const Response made = small.call(
      team, "POST", pods, R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})");
  ASSERT_EQ(made.code, 201) << made.body;
  (void)small.shard->submit([&](store::Turn& turn) {
    const api::Key key(team.home, "pods", "default", "p");
    Json pod = turn.get(key)->parse();
    const Json status{{"name", "c"}, {"state", {{"running", api::JsonObject()}}}};
    api::set(pod, {"status", "containerStatuses"}, api::JsonArray{status});
    (void)turn.put(key, std::move(pod));
  });
  small.t.loop.run_until_idle();
  const std::string log = pods + "/p/log?follow=true";
  const auto one = small.open(team, log);
  EXPECT_EQ(one->response.code, 200) << one->response.body;
  const auto two = small.open(team, maps + "?watch=true");
  EXPECT_EQ(small.open(team, log)->response.code, 429);
  EXPECT_EQ(small.open(team, pods + "/p/log")->response.code, 200);
  small.logs.followed.clear();
  EXPECT_EQ(small.open(team, log)->response.code, 200);
}

// Runs of thousands of nodes, put together by a worker that the test turns.
struct LargeRuns : Watches {
  const std::string runs = "/apis/argoproj.io/v1alpha1/namespaces/default/workflows";
  env::QueuedWorker writer{plane.t.env.loop};
  LargeRuns() { plane.server->write_by(writer); }

  void run_of(const std::string& name, int nodes) {
    ASSERT_EQ(plane
                  .call(vision, "POST", runs,
                        R"({"metadata":{"name":")" + name + R"("},"spec":{"entrypoint":"a","templates":[
                            {"name":"a","container":{"image":"i"}}]}})")
                  .code,
              201);
    ASSERT_TRUE(plane.shard->submit([&](store::Turn& turn) {
      const api::Key key(vision.home, "workflows.argoproj.io", "default", name);
      const api::ObjectPtr stored = turn.get(key);
      Json begun = stored->parse();
      api::set(begun, {"status", "startedAt"}, "2026-01-01T00:00:00Z");
      ASSERT_TRUE(turn.put(key, std::move(begun), stored->revision));
      for (int i = 0; i < nodes; ++i) {
        const std::string id = name + "-" + std::to_string(i);
        const api::Key row(vision.home, workflow::kNodeRows, "default", workflow::row_name(name, id));
        ASSERT_TRUE(
            turn.put(row, workflow::packed(api::JsonObject{{"id", id}, {"name", id}, {"type", "Pod"}}, name),
                     Revision{0}));
      }
    }));
    plane.t.loop.run_until_idle();
  }
  void mark(const std::string& name, const std::string& label) {
    const auto sent = plane.send({.method = "PATCH",
                                  .target = runs + "/" + name,
                                  .accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
                                  .content_type = "application/merge-patch+json",
                                  .identity = vision,
                                  .body = R"({"metadata":{"labels":{"mark":")" + label + R"("}}})"});
    ASSERT_EQ(sent->response.code, 200);
  }
  void write_one() {
    ASSERT_TRUE(writer.step());
    plane.t.loop.run_until_idle();
  }
};

TEST_F(LargeRuns, AreToldInOrderAndAsTheyAreByThen) {
  run_of("large", 1'500);
  run_of("small", 2);
  const auto watch = plane.open(vision, runs +
                                            "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&"
                                            "resourceVersionMatch=NotOlderThan");
  EXPECT_EQ(told(*watch), "") << "what comes after a large one waits for it";
  mark("large", "1");
  mark("small", "2");
  mark("large", "3");
  write_one();
  EXPECT_EQ(told(*watch), "ADDED large");
  EXPECT_EQ(api::object_at(watch->events().front(), {"object", "status", "nodes"}).size(), 1'500u);
  write_one();
  EXPECT_EQ(told(*watch), "ADDED large, ADDED small, MODIFIED large, BOOKMARK ");
  EXPECT_EQ(api::string_at(watch->events().at(1), {"object", "metadata", "labels", "mark"}), "2");
  EXPECT_EQ(api::string_at(watch->events().at(2), {"object", "metadata", "labels", "mark"}), "3");
}

TEST_F(LargeRuns, ThatComeAndGoEndAWatchThatIsTooSlow) {
  run_of("large", 1'500);
  const auto watch = plane.open(vision, runs + "?watch=true");
  const std::string filling(1 << 20, 'x');
  for (int i = 0; i < 70 && !watch->ended(); ++i) {
    const std::string name = "w" + std::to_string(i);
    ASSERT_EQ(plane
                  .call(vision, "POST", runs,
                        R"({"metadata":{"name":")" + name + R"("},"spec":{"entrypoint":"a","templates":[
                            {"name":"a","container":{"image":"i","env":[{"name":"E","value":")" +
                            filling + R"("}]}}]}})")
                  .code,
              201);
    ASSERT_EQ(plane.call(vision, "DELETE", runs + "/" + name).code, 200);
  }
  EXPECT_TRUE(watch->ended());
  EXPECT_EQ(api::int_at(watch->events().back(), {"object", "code"}), 410);
}

TEST_F(LargeRuns, OfATenantAreWrittenForTwoWatchersAtATime) {
  run_of("large", 1'500);
  std::vector<std::shared_ptr<Recorder>> watches;
  for (int i = 0; i < 3; ++i) watches.push_back(plane.open(vision, runs + "?watch=true"));
  EXPECT_EQ(writer.waiting(), 2u);
  watches.front()->close();
  plane.t.loop.run_until_idle();
  write_one();
  write_one();
  plane.t.loop.advance(1s);
  plane.t.loop.run_until_idle();
  write_one();
  EXPECT_EQ(told(*watches[0]), "");
  EXPECT_EQ(told(*watches[1]), "ADDED large");
  EXPECT_EQ(told(*watches[2]), "ADDED large");
}

}  // namespace
}  // namespace ingot::apiserver
