#include "apiserver/server.h"

#include <gtest/gtest.h>

#include "apiserver/testing.h"
#include "workflow/rows.h"

namespace ingot::apiserver {
namespace {
using namespace std::chrono_literals;
using api::Json;

const std::string kMaps = "/api/v1/namespaces/default/configmaps";

std::string named(const std::string& name) { return R"({"metadata":{"name":")" + name + R"("}})"; }

std::vector<Json> audited(TestControlPlane& plane) {
  std::vector<Json> out;
  for (const store::StoredRow& row : plane.rows("audit")) out.push_back(*api::parse_json(row.row.data));
  return out;
}

TEST(Server, AuditsChangesRefusalsAndTheOperatorsVisits) {
  TestControlPlane plane;
  const Identity vision = plane.tenant("vision");
  const Identity guest{.name = "guest", .home = vision.home};
  const size_t before = audited(plane).size();
  plane.call(vision, "POST", kMaps, named("a"));
  plane.call(guest, "GET", kMaps);
  plane.call(vision, "GET", kMaps);  // a tenant's own reads leave no trace
  plane.call(TestControlPlane::operator_identity(), "GET", "/clusters/vision" + kMaps);
  std::vector<Json> rows = audited(plane);
  rows.erase(rows.begin(), rows.begin() + long(before));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(api::string_at(rows[0], {"user"}), "vision-admin");
  EXPECT_EQ(api::string_at(rows[0], {"verb"}), "create");
  EXPECT_EQ(api::string_at(rows[0], {"resource"}), "configmaps");
  EXPECT_EQ(api::string_at(rows[0], {"tenant"}), "vision");
  EXPECT_EQ(api::string_at(rows[0], {"decision"}), "allow");
  EXPECT_EQ(api::int_at(rows[0], {"code"}), 201);
  EXPECT_TRUE(api::int_at(rows[0], {"revision"}));
  EXPECT_EQ(api::string_at(rows[1], {"user"}), "guest");
  EXPECT_EQ(api::string_at(rows[1], {"decision"}), "deny");
  EXPECT_EQ(api::string_at(rows[2], {"user"}), "op");
  EXPECT_EQ(api::string_at(rows[2], {"verb"}), "list");
}

TEST(Server, RefusalsAreAuditedNoFasterThanABound) {
  TestControlPlane plane;
  const Identity guest{.name = "guest", .home = plane.tenant("vision").home};
  for (int i = 0; i < 1000; ++i) plane.call(guest, "GET", kMaps);
  const size_t rows = audited(plane).size();
  EXPECT_LT(rows, 300u);
  plane.t.loop.advance(10s);
  plane.call(guest, "GET", kMaps);
  EXPECT_GT(api::int_at(audited(plane).back(), {"suppressed"}).value_or(0), 500);
}

// A run of thousands of nodes is put together beside the loop, and of one tenant's only so many at a time.
TEST(Server, LargeRunsAreWrittenBesideTheLoop) {
  TestControlPlane plane;
  env::QueuedWorker writer(plane.t.env.loop);
  plane.server->write_by(writer);
  const Identity vision = plane.tenant("vision");
  const std::string runs = "/apis/argoproj.io/v1alpha1/namespaces/default/workflows";
  ASSERT_EQ(plane
                .call(vision, "POST", runs,
                      R"({"metadata":{"name":"w"},"spec":{"entrypoint":"a","templates":[
                          {"name":"a","container":{"image":"i"}}]}})")
                .code,
            201);
  ASSERT_TRUE(plane.shard->submit([&](store::Turn& turn) {
    const api::Key key(vision.home, "workflows.argoproj.io", "default", "w");
    const api::ObjectPtr stored = turn.get(key);
    Json begun = stored->parse();
    api::set(begun, {"status", "startedAt"}, "2026-01-01T00:00:00Z");
    ASSERT_TRUE(turn.put(key, std::move(begun), stored->revision));
    for (int i = 0; i < 1'500; ++i) {
      const std::string id = "w-" + std::to_string(i);
      const api::Key row(vision.home, workflow::kNodeRows, "default", workflow::row_name("w", id));
      ASSERT_TRUE(turn.put(row,
                           workflow::packed(api::JsonObject{{"id", id}, {"name", id}, {"type", "Pod"}}, "w"),
                           Revision{0}));
    }
  }));
  plane.t.loop.run_until_idle();
  const auto nodes = [](const Recorder& to) {
    const Json shown = to.response.json();
    return api::object_at(shown, {"status", "nodes"}).size();
  };
  std::vector<std::shared_ptr<Recorder>> gets;
  for (const std::string& path : {runs + "/w", runs, runs + "/w", runs + "/w"})
    gets.push_back(plane.open(vision, path));
  EXPECT_EQ(writer.waiting(), 4u);
  EXPECT_EQ(plane.call(vision, "GET", runs + "/w").code, 429);
  EXPECT_EQ(plane.call(vision, "GET", kMaps).code, 200);
  while (writer.step()) plane.t.loop.run_until_idle();
  EXPECT_EQ(nodes(*gets.front()), 1'500u);
  EXPECT_EQ(gets[1]->response.code, 200);

  // What says nothing of nodes does not look at them, and leaves them as they are.
  const auto stopped = plane.send({.method = "PATCH",
                                   .target = runs + "/w",
                                   .content_type = "application/merge-patch+json",
                                   .identity = vision,
                                   .body = R"({"spec":{"shutdown":"Terminate"}})"});
  ASSERT_TRUE(writer.step());
  plane.t.loop.run_until_idle();
  EXPECT_EQ(stopped->response.code, 200);
  EXPECT_EQ(nodes(*stopped), 1'500u);
  const auto one = plane.send({.method = "PATCH",
                               .target = runs + "/w",
                               .content_type = "application/merge-patch+json",
                               .identity = vision,
                               .body = R"({"status":{"nodes":{"w-7":null}}})"});
  ASSERT_TRUE(writer.step());
  plane.t.loop.run_until_idle();
  EXPECT_EQ(nodes(*one), 1'499u) << one->response.body.substr(0, 300);
}

TEST(Server, ListsInPagesOfOneRevision) {
  TestControlPlane plane;
  const Identity vision = plane.tenant("vision");
  for (const char* name : {"a", "b", "c", "d"}) plane.call(vision, "POST", kMaps, named(name));
  const Json first = plane.call(vision, "GET", kMaps + "?limit=2").json();
  plane.call(vision, "DELETE", kMaps + "/d");
  plane.call(vision, "POST", kMaps, named("e"));
  std::string seen, next(api::string_at(first, {"metadata", "continue"}));
  Json page = first;
  for (;;) {
    for (const Json& item : api::array_at(page, {"items"}))
      seen += std::string(api::string_at(item, {"metadata", "name"})) + " ";
    EXPECT_EQ(api::string_at(page, {"metadata", "resourceVersion"}),
              api::string_at(first, {"metadata", "resourceVersion"}));
    if (next.empty()) break;
    page = plane.call(vision, "GET", kMaps + "?limit=2&continue=" + next).json();
    next = api::string_at(page, {"metadata", "continue"});
  }
  EXPECT_EQ(seen, "a b c d kube-root-ca.crt ");
}

TEST(Server, AContinueTokenReachesNoOtherCluster) {
  TestControlPlane plane;
  const Identity vision = plane.tenant("vision"), speech = plane.tenant("speech");
  for (const char* name : {"a", "b", "c"}) plane.call(vision, "POST", kMaps, named(name));
  const Json page = plane.call(vision, "GET", kMaps + "?limit=1").json();
  const std::string token(api::string_at(page, {"metadata", "continue"}));
  ASSERT_FALSE(token.empty());
  const Response other = plane.call(speech, "GET", kMaps + "?continue=" + token);
  EXPECT_EQ(other.code, 200);
  EXPECT_EQ(api::array_at(other.json(), {"items"}).size(), 1u);  // speech's own kube-root-ca.crt
}

TEST(Server, OneTenantCannotStarveAnother) {
  ServerOptions options{.version = "test", .external_url = "https://127.0.0.1:6443"};
  options.mutating_in_flight = 3;
  TestControlPlane plane(options);
  const Identity vision = plane.tenant("vision"), speech = plane.tenant("speech");
  std::vector<std::shared_ptr<Recorder>> sent;
  const auto send = [&](const Identity& who, const std::string& name) {
    sent.push_back(std::make_shared<Recorder>());
    plane.server->submit(
        plane.server->prepare({.method = "POST", .target = kMaps, .identity = who, .body = named(name)}),
        sent.back());
  };
  for (int i = 0; i < 5; ++i) send(vision, "m" + std::to_string(i));
  send(speech, "m");
  plane.t.loop.run_until_idle();
  std::vector<int> codes;
  for (const auto& recorder : sent) codes.push_back(recorder->response.code);
  EXPECT_EQ(codes, (std::vector<int>{201, 201, 201, 429, 429, 201}));
  EXPECT_EQ(sent[3]->response.headers, (std::vector<Header>{{"Retry-After", "1"}}));
  send(vision, "again");
  plane.t.loop.run_until_idle();
  EXPECT_EQ(sent.back()->response.code, 201);
}

TEST(Server, VerifiesATokenOnceAndChecksItsAccountEachTime) {
  TestControlPlane plane;
  const Identity vision = plane.tenant("vision");
  const std::string accounts = "/api/v1/namespaces/default/serviceaccounts";
  plane.call(vision, "POST", accounts, named("robot"));
  const Response issued =
      plane.call(vision, "POST", accounts + "/robot/token", R"({"spec":{"expirationSeconds":600}})");
  const std::string token(api::string_at(issued.json(), {"status", "token"}));
  const auto ask = [&](const std::string& with) {
    return plane.send({.method = "GET", .target = "/api", .authorization = "Bearer " + with})->response.code;
  };
  EXPECT_EQ(ask(token), 200);
  EXPECT_EQ(ask(token), 200);
  EXPECT_EQ(plane.authority.verified, 1);
  EXPECT_EQ(ask(token + "x"), 401);
  EXPECT_EQ(ask("x"), 401);
  plane.call(vision, "DELETE", accounts + "/robot");
  EXPECT_EQ(ask(token), 401);
  plane.call(vision, "POST", accounts, named("robot"));  // another one of that name
  EXPECT_EQ(ask(token), 401);
}

TEST(Server, ATokenEnds) {
  TestControlPlane plane;
  const Identity vision = plane.tenant("vision");
  const Response issued =
      plane.call(vision, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token",
                 R"({"spec":{"expirationSeconds":600}})");
  const std::string token(api::string_at(issued.json(), {"status", "token"}));
  const auto ask = [&] {
    return plane.send({.method = "GET", .target = "/api", .authorization = "Bearer " + token})->response.code;
  };
  plane.t.loop.advance(590s);
  EXPECT_EQ(ask(), 200);
  plane.t.loop.advance(20s);
  EXPECT_EQ(ask(), 401);
}

TEST(Server, CredentialsOfADeletedTenantReachNoNewOneOfItsName) {
  TestControlPlane plane;
  const Identity old = plane.tenant("vision");
  plane.call(TestControlPlane::operator_identity(), "DELETE",
             "/apis/factory.ingot.dev/v1alpha1/tenants/vision");
  plane.t.loop.advance(2s);
  const Identity fresh = plane.tenant("vision");
  EXPECT_NE(old.home, fresh.home);
  EXPECT_EQ(plane.call(old, "GET", kMaps).code, 401);
  EXPECT_EQ(plane.call(old, "GET", "/clusters/vision" + kMaps).code, 401);
  EXPECT_EQ(plane.call(fresh, "GET", "/clusters/vision" + kMaps).code, 200);
}

TEST(Server, NothingIsToldOfAWriteThatWasNotKept) {
  TestControlPlane plane;
  const Identity vision = plane.tenant("vision");
  plane.t.faults.arm("store.commit.fail");
  EXPECT_GE(plane.call(vision, "POST", kMaps, named("lost")).code, 500);
  plane.t.loop.advance(10s);
  EXPECT_EQ(plane.call(vision, "GET", kMaps + "/lost").code, 404);
  EXPECT_EQ(plane.call(vision, "POST", kMaps, named("lost")).code, 201);
}

TEST(Server, OtherRoomsMountRoutesUnderTheSameRights) {
  TestControlPlane plane;
  plane.server->mount({.group = "factory.ingot.dev",
                       .version = "v1alpha1",
                       .resource = "usage",
                       .serve = [](ExtraRequest request, ExchangePtr exchange) {
                         Reply reply;
                         reply.body.push_back(std::make_shared<const std::string>(request.query("tenant")));
                         exchange->reply(std::move(reply));
                       }});
  const std::string path = "/apis/factory.ingot.dev/v1alpha1/usage?tenant=vision";
  const Response given = plane.call(TestControlPlane::operator_identity(), "GET", path);
  EXPECT_EQ(given.code, 200);
  EXPECT_EQ(given.body, "vision");
  EXPECT_EQ(plane.call({.name = "x", .home = kRootCluster}, "GET", path).code, 403);
  EXPECT_EQ(plane
                .call(TestControlPlane::operator_identity(), "GET",
                      "/apis/factory.ingot.dev/v1alpha1/namespaces/default/usage")
                .code,
            404)
      << "it is of the whole cluster, and so is the right to it";
  EXPECT_EQ(
      plane.call(TestControlPlane::operator_identity(), "GET", "/apis/factory.ingot.dev/v1alpha1/usage/x")
          .code,
      404);
  EXPECT_EQ(plane.call(TestControlPlane::operator_identity(), "POST", path).code, 405);
}

TEST(Server, APathMayBeMountedAndIsANonResourceUrl) {
  TestControlPlane plane;
  plane.server->mount({.group = "",
                       .version = "",
                       .resource = "",
                       .path = "/metrics",
                       .serve = [](const ExtraRequest& request, const ExchangePtr& exchange) {
                         Reply reply;
                         reply.body.push_back(std::make_shared<const std::string>(request.tenant));
                         exchange->reply(std::move(reply));
                       }});
  const Identity vision = plane.tenant("vision"), speech = plane.tenant("speech");
  EXPECT_EQ(plane.call(TestControlPlane::operator_identity(), "GET", "/metrics").body, "root");
  EXPECT_EQ(plane.call(vision, "GET", "/metrics").body, "vision") << "a credential's own cluster";
  EXPECT_EQ(plane.call(vision, "GET", "/clusters/vision/metrics").body, "vision");
  EXPECT_EQ(plane.call(vision, "GET", "/clusters/speech/metrics").code, 401);
  EXPECT_EQ(plane.call(vision, "GET", "/clusters/root/metrics").code, 401);
  EXPECT_EQ(plane.call(vision, "GET", "/clusters/*/metrics").code, 403)
      << "what is no path is told to who may ask";
  EXPECT_EQ(plane.call(TestControlPlane::operator_identity(), "GET", "/clusters/*/metrics").code, 404);
  EXPECT_EQ(plane.call(vision, "POST", "/metrics").code, 405);
  EXPECT_EQ(plane.call(vision, "GET", "/metrics/more").code, 404);
  Identity somebody = vision;
  somebody.name = "ada";
  somebody.groups = {"system:authenticated"};
  EXPECT_EQ(plane.call(somebody, "GET", "/metrics").code, 403);
  EXPECT_EQ(
      plane
          .call(
              vision, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles",
              R"({"metadata":{"name":"metrics"},"rules":[{"verbs":["get"],"nonResourceURLs":["/metrics"]}]})")
          .code,
      201);
  EXPECT_EQ(plane
                .call(vision, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                      R"({"metadata":{"name":"metrics"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io",)"
                      R"("kind":"ClusterRole","name":"metrics"},"subjects":[{"kind":"User","name":"ada",)"
                      R"("apiGroup":"rbac.authorization.k8s.io"}]})")
                .code,
            201);
  EXPECT_EQ(plane.call(somebody, "GET", "/metrics").body, "vision");
}

TEST(Server, SpeaksTablesAndMetadata) {
  TestControlPlane plane;
  const Identity vision = plane.tenant("vision");
  const auto get = [&](std::string accept) {
    return plane.send({.method = "GET", .target = kMaps, .accept = std::move(accept), .identity = vision})
        ->response;
  };
  const Json table = get("application/json;as=Table;g=meta.k8s.io;v=v1,application/json").json();
  EXPECT_EQ(api::string_at(table, {"kind"}), "Table");
  EXPECT_EQ(api::array_at(table, {"rows"}).size(), 1u);
  const Json metadata = get("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").json();
  EXPECT_EQ(api::string_at(metadata, {"kind"}), "PartialObjectMetadataList");
  ASSERT_EQ(api::array_at(metadata, {"items"}).size(), 1u);
  EXPECT_EQ(api::find(api::array_at(metadata, {"items"})[0], {"data"}), nullptr);
  EXPECT_EQ(get("application/vnd.kubernetes.protobuf").code, 406);
  EXPECT_EQ(get("application/vnd.kubernetes.protobuf,application/json").code, 200);
}

TEST(Server, ThePlantedLeakIsOffUntilArmed) {
  TestControlPlane plane;
  const Identity vision = plane.tenant("vision"), speech = plane.tenant("speech");
  plane.call(vision, "POST", kMaps, named("a"));
  plane.call(speech, "POST", kMaps, named("b"));
  EXPECT_EQ(plane.call(speech, "GET", kMaps + "/a").code, 404);
  plane.t.faults.arm("apiserver.read.other_cluster");
  EXPECT_EQ(plane.call(speech, "GET", kMaps + "/b").json(), plane.call(vision, "GET", kMaps + "/a").json());
}

}  // namespace
}  // namespace ingot::apiserver
