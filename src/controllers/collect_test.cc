// Namespaces, owners and stale pods, on a real shard.
#include "controllers/index_set.h"
#include "controllers/queue.h"
#include "controllers/testing.h"

namespace ingot::controllers {
namespace {

using namespace std::chrono_literals;

Json config_map(std::string_view name, std::string_view owners = "", std::string_view ns = "default") {
  Json map = parse(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"ownerReferences":[)" +
                   std::string(owners) + "]}}");
  api::set(map, {"metadata", "name"}, name);
  api::set(map, {"metadata", "namespace"}, ns);
  return map;
}
std::string owned_by(const Json& owner, bool block = false) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","name":")" + name_of(owner) + R"(","uid":")" +
         std::string(api::string_at(owner, {"metadata", "uid"})) + R"(","blockOwnerDeletion":)" +
         (block ? "true}" : "false}");
}

TEST(Namespaces, GetTheirAccountAndCaAndGetThemBack) {
  World world;
  EXPECT_TRUE(world.exists("serviceaccounts", "default", "default"));
  EXPECT_EQ(api::string_at(world.get("configmaps", "default", "kube-root-ca.crt"), {"data", "ca.crt"}),
            "-----CA-----\n");
  world.remove("serviceaccounts", "default", "default");
  EXPECT_TRUE(world.exists("serviceaccounts", "default", "default"));
  world.change("configmaps", "default", "kube-root-ca.crt",
               [](Json& m) { api::set(m, {"data", "ca.crt"}, "forged"); });
  EXPECT_EQ(api::string_at(world.get("configmaps", "default", "kube-root-ca.crt"), {"data", "ca.crt"}),
            "-----CA-----\n");
}

TEST(Namespaces, EndWithPodsFirstAndEverythingThen) {
  World world;
  world.make_namespace("other");
  world.put("configmaps", config_map("kept", "", "other"));
  world.put("configmaps", config_map("m"));
  world.put("pods",
            parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"}})"));
  world.bind("p");
  world.remove("namespaces", "", "default");
  EXPECT_TRUE(api::is_deleting(world.get("pods", "default", "p")));
  EXPECT_TRUE(world.exists("configmaps", "default", "m"));
  world.restart();
  world.remove("pods", "default", "p", {.grace_s = 0});
  EXPECT_FALSE(world.exists("namespaces", "", "default"));
  EXPECT_FALSE(world.exists("configmaps", "default", "m"));
  EXPECT_FALSE(world.exists("serviceaccounts", "default", "default"));
  EXPECT_TRUE(world.exists("configmaps", "other", "kept"));
}

TEST(Namespaces, SayWhatHoldsThem) {
  World world;
  Json held = config_map("held");
  api::set(held, {"metadata", "finalizers"}, JsonArray{"example.com/hold"});
  world.put("configmaps", held);
  world.remove("namespaces", "", "default");
  const Json ns = world.get("namespaces", "", "default");
  std::string message;
  for (const Json& c : api::array_at(ns, {"status", "conditions"}))
    if (api::string_at(c, {"type"}) == "NamespaceFinalizersRemaining")
      message = api::string_at(c, {"message"});
  EXPECT_EQ(
      message,
      "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances");
  world.change("configmaps", "default", "held",
               [](Json& m) { api::remove_finalizer(m, "example.com/hold"); });
  EXPECT_FALSE(world.exists("namespaces", "", "default"));
}

TEST(Garbage, GoesWithItsLastOwner) {
  World world;
  const Json a = world.put("configmaps", config_map("a")), b = world.put("configmaps", config_map("b"));
  world.put("configmaps", config_map("child", owned_by(a) + "," + owned_by(b)));
  world.remove("configmaps", "default", "a");
  ASSERT_TRUE(world.exists("configmaps", "default", "child"));
  EXPECT_EQ(
      api::array_at(world.get("configmaps", "default", "child"), {"metadata", "ownerReferences"}).size(), 1u);
  world.remove("configmaps", "default", "b");
  EXPECT_FALSE(world.exists("configmaps", "default", "child"));
}

TEST(Garbage, ForegroundWaitsForWhatBlocks) {
  World world;
  const Json owner = world.put("configmaps", config_map("owner"));
  Json child = config_map("child", owned_by(owner, true));
  api::set(child, {"metadata", "finalizers"}, JsonArray{"example.com/hold"});
  world.put("configmaps", child);
  world.remove("configmaps", "default", "owner", {.propagation = api::Propagation::Foreground});
  EXPECT_TRUE(api::is_deleting(world.get("configmaps", "default", "child")));
  EXPECT_TRUE(world.exists("configmaps", "default", "owner"));
  world.change("configmaps", "default", "child",
               [](Json& m) { api::remove_finalizer(m, "example.com/hold"); });
  EXPECT_FALSE(world.exists("configmaps", "default", "owner"));
}

TEST(Garbage, OrphansStay) {
  World world;
  const Json owner = world.put("configmaps", config_map("owner"));
  world.put("configmaps", config_map("child", owned_by(owner)));
  world.remove("configmaps", "default", "owner", {.propagation = api::Propagation::Orphan});
  EXPECT_FALSE(world.exists("configmaps", "default", "owner"));
  ASSERT_TRUE(world.exists("configmaps", "default", "child"));
  EXPECT_TRUE(
      api::array_at(world.get("configmaps", "default", "child"), {"metadata", "ownerReferences"}).empty());
}

TEST(Garbage, AnotherTenantsUidOwnsNothing) {
  World world;
  world.make_namespace("default", "c2");
  const Json owner = world.put("configmaps", config_map("owner"));
  world.put("configmaps", config_map("owner"), "c2");
  world.put("configmaps", config_map("mine", owned_by(owner)));
  world.remove("configmaps", "default", "owner", {}, "c2");
  EXPECT_TRUE(world.exists("configmaps", "default", "mine"));
}

TEST(PodGarbage, EndsPodsOfNodesThatAreGone) {
  World world;
  world.put("pods",
            parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"}})"));
  world.bind("p");
  world.remove("nodes", "", "n1", {}, "root");
  EXPECT_FALSE(world.exists("pods", "default", "p"));
}

TEST(IndexSet, MergesAndPrints) {
  IndexSet set = IndexSet::parse("0,2-3,x,7-9", 9);
  EXPECT_EQ(set.text(), "0,2,3,7,8");
  set.add(1);
  EXPECT_EQ(set.text(), "0-3,7,8");
  EXPECT_EQ(set.size(), 6);
  EXPECT_EQ(set.gap(0), 4);
  EXPECT_EQ(IndexSet::parse("0-999999999999", 5).size(), 5);
}

TEST(WorkQueue, TakesClustersInTurnAndEachKeyOnce) {
  WorkQueue queue;
  auto item = [](std::string cluster, std::string name) {
    return Item{0, Key(ClusterId{std::move(cluster)}, "pods", "default", name)};
  };
  for (const char* name : {"1", "2", "1", "3"}) queue.add(item("a", name));
  queue.add(item("b", "1"));
  std::string order;
  for (const Item& i : queue.take(10, Instant{}))
    order += std::string(i.key.cluster()) + std::string(i.key.name()) + " ";
  EXPECT_EQ(order, "a1 b1 a2 a3 ");
}

}  // namespace
}  // namespace ingot::controllers
