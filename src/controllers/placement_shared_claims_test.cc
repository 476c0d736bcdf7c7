// Pods that have one claim together.
#include "controllers/placement_claims_testing.h"

namespace ingot::controllers {
namespace {

class SharedClaimTest : public ClaimPlacementTest {};
INSTANTIATE_TEST_SUITE_P(Reopened, SharedClaimTest, testing::Bool());

TEST_P(SharedClaimTest, PodsShareAClaim) {
  claim("one", {request("gpus", "gpu.nvidia.com", 2)});
  claiming("b", {"one"});
  settle();
  claiming("a", {"one"});
  claiming("c", {"one"}, 1);
  settle();
  EXPECT_EQ(node_of("a"), "big") << reason("a");
  EXPECT_EQ(node_of("c"), "big") << reason("c");
  EXPECT_EQ(devices("a"), devices("b"));
  EXPECT_EQ(devices("c").size(), 3u);
  std::string users;
  const Json shared = get(claim_key("one"));
  for (const Json& user : api::array_at(shared, {"status", "reservedFor"}))
    users += std::string(api::string_at(user, {"name"})) + " ";
  EXPECT_EQ(users, "b a c ");
  const Json follower = get(root("allocations.factory.ingot.dev", "c1-uid-a"));
  EXPECT_EQ(api::string_at(follower, {"spec", "why"}), "where the claim is that it shares");
  EXPECT_EQ(gpus_used(), 3) << "the claim's two once, and one of its own";
  EXPECT_EQ(charged("b"), 2);
  EXPECT_EQ(charged("a"), 0);
  EXPECT_EQ(charged("c"), 1);
}

// Who was charged ends first: no moment between in which its devices could be given to others.
TEST_P(SharedClaimTest, ThoseWhoAreLeftAreCharged) {
  claim("one", {request("gpus", "gpu.nvidia.com", 4)});
  claiming("b", {"one"});
  settle();
  claiming("a", {"one"});
  settle();
  claiming("c", {"one"});
  claiming("greedy", {}, 4);
  settle();
  ASSERT_EQ(charged("b"), 4);
  EXPECT_EQ(node_of("greedy"), "old");
  claiming("greedier", {}, 4);
  leave("b", "one");
  settle();
  EXPECT_EQ(charged("a"), 4) << "it has them longest";
  EXPECT_EQ(charged("c"), 0);
  EXPECT_EQ(node_of("greedier"), "");
  const Json heir = get(root("allocations.factory.ingot.dev", "c1-uid-a"));
  EXPECT_NE(api::string_at(api::array_at(heir, {"spec", "devices"})[0], {"from"}), "");
  leave("c", "one");
  settle();
  EXPECT_EQ(charged("a"), 4);
  leave("a", "one");
  settle();
  EXPECT_NE(node_of("greedier"), "") << reason("greedier");
}

TEST_P(SharedClaimTest, WhoSharesAClaimFollowsIt) {
  claim("one", {request("gpu", "gpu.nvidia.com")});
  claim("two", {request("gpu", "gpu.nvidia.com", 1,
                        selector("device.attributes['gpu.nvidia.com'].model == 'V100-16GB'"))});
  claiming("b", {"one"});
  claiming("c", {"two"});
  settle();
  ASSERT_EQ(node_of("b"), "big");
  ASSERT_EQ(node_of("c"), "old");
  claiming("both", {"one", "two"});
  settle();
  EXPECT_EQ(reason("both"), "its claims are held on different nodes, big and old");
  Json elsewhere = pod_object("d", 0);
  api::set(elsewhere, {"spec", "resourceClaims"}, json(R"([{"name":"one","resourceClaimName":"one"}])"));
  api::set(elsewhere, {"metadata", "annotations", "factory.ingot.dev/proposed-node"}, "old");
  put(pod_key("d"), elsewhere);
  settle();
  EXPECT_EQ(reason("d"), "its claims are held on node big, and node old is proposed for it");
}

// Pods that share go together: evicting one of them alone would make no GPU free.
TEST_P(SharedClaimTest, WhoSharesGivesWayTogether) {
  claim("one", {request("gpus", "gpu.nvidia.com", 4,
                        selector("device.attributes['gpu.nvidia.com'].model == 'H100-80GB'"))});
  claiming("b", {"one"});
  settle();
  claiming("a", {"one"});
  settle();
  ASSERT_EQ(node_of("a"), "big");
  claim("more", {request("gpus", "gpu.nvidia.com", 1,
                         selector("device.attributes['gpu.nvidia.com'].model == 'H100-80GB'"))});
  Json first = pod_object("first", 0);
  api::set(first, {"spec", "priority"}, 10);
  api::set(first, {"spec", "resourceClaims"}, json(R"([{"name":"more","resourceClaimName":"more"}])"));
  put(pod_key("first"), first);
  settle();
  for (const char* name : {"a", "b"}) EXPECT_TRUE(api::is_deleting(get(pod_key(name)))) << name;
}

TEST_P(SharedClaimTest, TheFirstOfThoseThatWaitTogether) {
  claim("one", {request("gpu", "gpu.nvidia.com", 5)});
  claiming("b", {"one"});
  claiming("a", {"one"});
  claiming("c", {"one"});
  settle();
  EXPECT_EQ(reason("c"), "resourceclaim \"one\" goes to pod a first, and then to this one on the same node");
  board("large", "H100-80GB", "81559Mi", 8);
  settle();
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(node_of(name), "large") << reason(name);
  EXPECT_EQ(gpus_used(), 5);
}

}  // namespace
}  // namespace ingot::controllers
