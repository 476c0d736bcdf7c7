#include "apiserver/rbac.h"

#include <gtest/gtest.h>

#include "apiserver/testing.h"

namespace ingot::apiserver {
namespace {

PolicyRule rule(std::vector<std::string> verbs, std::vector<std::string> groups,
                std::vector<std::string> resources, std::vector<std::string> names = {}) {
  return {.verbs = std::move(verbs),
          .groups = std::move(groups),
          .resources = std::move(resources),
          .names = std::move(names)};
}

TEST(PolicyRule, MatchesVerbGroupResourceAndName) {
  const PolicyRule reads = rule({"get", "list"}, {""}, {"pods", "pods/log"}, {"a"});
  EXPECT_TRUE(reads.allows({.verb = "get", .resource = "pods", .name = "a"}));
  EXPECT_TRUE(reads.allows({.verb = "get", .resource = "pods", .subresource = "log", .name = "a"}));
  EXPECT_FALSE(reads.allows({.verb = "get", .resource = "pods", .name = "b"}));
  EXPECT_FALSE(reads.allows({.verb = "list", .resource = "pods"}));
  EXPECT_FALSE(reads.allows({.verb = "delete", .resource = "pods", .name = "a"}));
  EXPECT_FALSE(reads.allows({.verb = "get", .group = "batch", .resource = "pods", .name = "a"}));
  EXPECT_FALSE(reads.allows({.verb = "get", .resource = "pods", .subresource = "status", .name = "a"}));
  EXPECT_FALSE(reads.allows({.verb = "get", .resource = "podslog", .name = "a"}));
}

TEST(PolicyRule, AsterisksStandForAll) {
  EXPECT_TRUE(
      rule({"*"}, {"*"}, {"*"}).allows({.verb = "x", .group = "g", .resource = "r", .subresource = "s"}));
  EXPECT_TRUE(
      rule({"get"}, {"*"}, {"*/scale"}).allows({.verb = "get", .resource = "jobs", .subresource = "scale"}));
  EXPECT_FALSE(rule({"get"}, {"*"}, {"*/scale"}).allows({.verb = "get", .resource = "jobs"}));
  const PolicyRule urls{.verbs = {"get"}, .urls = {"/api/*", "/version"}};
  EXPECT_TRUE(urls.allows({.verb = "get", .path = "/api/v1"}));
  EXPECT_TRUE(urls.allows({.verb = "get", .path = "/version"}));
  EXPECT_FALSE(urls.allows({.verb = "get", .path = "/versions"}));
  EXPECT_FALSE(urls.allows({.verb = "get", .resource = "pods"}));
}

struct Roles : testing::Test {
  TestControlPlane plane;
  Identity vision = plane.tenant("vision");
  const std::string api = "/apis/rbac.authorization.k8s.io/v1";

  void give(const std::string& binding, const std::string& role, const std::string& subject) {
    EXPECT_EQ(
        plane
            .call(
                vision, "POST", api + "/clusterrolebindings",
                R"({"metadata":{"name":")" + binding +
                    R"("},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":")" +
                    role + R"("},"subjects":[)" + subject + "]}")
            .code,
        201);
  }
  int get_pods(const Identity& who) { return plane.call(who, "GET", "/api/v1/namespaces/default/pods").code; }
};

TEST_F(Roles, ReachUsersGroupsAndServiceAccounts) {
  const Identity user{.name = "ann", .home = vision.home};
  const Identity member{.name = "bob", .groups = {"team"}, .home = vision.home};
  const Identity account{.name = "system:serviceaccount:default:robot", .home = vision.home};
  for (const Identity& who : {user, member, account}) EXPECT_EQ(get_pods(who), 403);
  give("u", "view", R"({"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"ann"})");
  give("g", "view", R"({"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"team"})");
  give("s", "view", R"({"kind":"ServiceAccount","namespace":"default","name":"robot"})");
  for (const Identity& who : {user, member, account}) EXPECT_EQ(get_pods(who), 200);
  // The same name in another tenant's cluster is another person.
  EXPECT_EQ(get_pods({.name = "ann", .home = plane.tenant("speech").home}), 403);
}

TEST_F(Roles, BuiltInOnesGrowByAggregation) {
  const Identity ann{.name = "ann", .home = vision.home};
  give("u", "view", R"({"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"ann"})");
  const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
  EXPECT_EQ(plane.call(ann, "GET", leases).code, 403);
  plane.call(vision, "POST", api + "/clusterroles",
             R"({"metadata":{"name":"more","labels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}},)"
             R"("rules":[{"verbs":["list"],"apiGroups":["coordination.k8s.io"],"resources":["leases"]}]})");
  EXPECT_EQ(plane.call(ann, "GET", leases).code, 200);
}

TEST_F(Roles, GroupsOfTheFactoryMeanNothingInATenant) {
  const Identity pretender{
      .name = "system:node:node-0", .groups = {"ingot:operators", "system:nodes"}, .home = vision.home};
  EXPECT_EQ(get_pods(pretender), 403);
  EXPECT_EQ(plane.call(pretender, "GET", "/clusters/root/api/v1/nodes").code, 401);
  EXPECT_EQ(plane.call(pretender, "GET", "/clusters/*/api/v1/pods").code, 403);
}

TEST_F(Roles, AreReadAnewAfterARestart) {
  const Identity ann{.name = "ann", .home = vision.home};
  give("u", "view", R"({"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"ann"})");
  plane.restart();
  EXPECT_EQ(get_pods(ann), 200);
}

}  // namespace
}  // namespace ingot::apiserver
