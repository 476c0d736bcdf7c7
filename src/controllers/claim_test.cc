#include <gmock/gmock.h>

#include "controllers/claims.h"
#include "controllers/index.h"
#include "controllers/testing.h"

namespace ingot::controllers {
namespace {

using testing::StartsWith;

Json claim_template(std::string_view name) {
  return parse(R"({"apiVersion":"resource.k8s.io/v1","kind":"ResourceClaimTemplate",
    "metadata":{"name":")" +
               std::string(name) + R"(","namespace":"default"},
    "spec":{"metadata":{"labels":{"team":"a"}},"spec":{"devices":{"requests":[
      {"name":"gpu","exactly":{"deviceClassName":"gpu.nvidia.com","allocationMode":"ExactCount","count":1}}]}}}})");
}
Json pod(std::string_view name, std::string_view claims) {
  return parse(
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + std::string(name) +
      R"(","namespace":"default"},"spec":{"containers":[{"name":"c","image":"i"}],"resourceClaims":)" +
      std::string(claims) + R"(},"status":{"phase":"Pending"}})");
}
constexpr std::string_view kFromTemplate = R"([{"name":"gpu","resourceClaimTemplateName":"one"}])";

std::string made_for(World& w, std::string_view pod) {
  const Json object = w.get("pods", "default", pod);
  const JsonArray& statuses = api::array_at(object, {"status", "resourceClaimStatuses"});
  return statuses.empty() ? "" : std::string(api::string_at(statuses[0], {"resourceClaimName"}));
}
// As placement does.
void hold(World& w, std::string_view claim, std::string_view pod) {
  const std::string uid(api::string_at(w.get("pods", "default", pod), {"metadata", "uid"}));
  w.change(kClaims, "default", claim, [&](Json& c) {
    api::add_finalizer(c, kClaimFinalizer);
    api::set(c, {"status", "allocation"}, parse(R"({"devices":{"results":[]}})"));
    api::set(c, {"status", "reservedFor"},
             JsonArray{JsonObject{{"resource", "pods"}, {"name", pod}, {"uid", uid}}});
  });
}

TEST(Claim, IsMadeFromItsTemplate) {
  World w;
  w.put(kClaimTemplates, claim_template("one"));
  const Json owner = w.put("pods", pod("p", kFromTemplate));
  const std::string name = made_for(w, "p");
  EXPECT_THAT(name, StartsWith("p-gpu-"));
  EXPECT_EQ(name.size(), std::string("p-gpu-xxxxx").size());
  const Json claim = w.get(kClaims, "default", name);
  EXPECT_EQ(api::string_at(claim, {"metadata", "labels", "team"}), "a");
  EXPECT_EQ(api::string_at(claim, {"metadata", "annotations", kPodClaimName}), "gpu");
  EXPECT_EQ(api::array_at(claim, {"spec", "devices", "requests"}).size(), 1u);
  const auto owners = owners_of(claim);
  ASSERT_EQ(owners.size(), 1u);
  EXPECT_EQ(owners[0].uid, api::string_at(owner, {"metadata", "uid"}));
  EXPECT_TRUE(owners[0].controller && owners[0].block_owner_deletion);
  w.restart();
  EXPECT_EQ(w.list(kClaims).size(), 1u) << "looked at again, nothing more is made";
}

TEST(Claim, WaitsForItsTemplate) {
  World w;
  w.put("pods", pod("p", kFromTemplate));
  EXPECT_EQ(w.list(kClaims).size(), 0u);
  w.put(kClaimTemplates, claim_template("one"));
  EXPECT_THAT(made_for(w, "p"), StartsWith("p-gpu-"));
}

TEST(Claim, GoesWithItsPod) {
  World w;
  w.put(kClaimTemplates, claim_template("one"));
  w.put("pods", pod("p", kFromTemplate));
  hold(w, made_for(w, "p"), "p");
  w.bind("p");
  w.finish("p", "Succeeded");
  EXPECT_EQ(w.list(kClaims).size(), 0u) << "it has ended, though it is still there";
  w.put("pods", pod("q", kFromTemplate));
  hold(w, made_for(w, "q"), "q");
  w.remove("pods", "default", "q");
  EXPECT_EQ(w.list(kClaims).size(), 0u);
}

TEST(Claim, OfItsOwnIsGivenBackAndUsedAgain) {
  World w;
  Json claim = claim_template("mine");
  claim = JsonObject{{"apiVersion", "resource.k8s.io/v1"},
                     {"kind", "ResourceClaim"},
                     {"metadata", JsonObject{{"name", "mine"}, {"namespace", "default"}}},
                     {"spec", *api::find(claim, {"spec", "spec"})}};
  w.put(kClaims, claim);
  w.put("pods", pod("p", R"([{"name":"gpu","resourceClaimName":"mine"}])"));
  hold(w, "mine", "p");
  w.bind("p");
  EXPECT_EQ(api::array_at(w.get(kClaims, "default", "mine"), {"status", "reservedFor"}).size(), 1u);
  w.remove(kClaims, "default", "mine");
  EXPECT_TRUE(api::is_deleting(w.get(kClaims, "default", "mine"))) << "in use, it stays";
  w.finish("p", "Failed");
  EXPECT_FALSE(w.exists(kClaims, "default", "mine"));

  w.put(kClaims, claim);
  w.put("pods", pod("q", R"([{"name":"gpu","resourceClaimName":"mine"}])"));
  hold(w, "mine", "q");
  w.bind("q");
  w.finish("q", "Succeeded");
  const Json free = w.get(kClaims, "default", "mine");
  EXPECT_FALSE(api::find(free, {"status", "allocation"}));
  EXPECT_FALSE(api::has_finalizer(free, kClaimFinalizer));
}

TEST(Claim, ReservedForAPodThatIsGoneIsFree) {
  World w;
  w.put(kClaims, parse(R"({"apiVersion":"resource.k8s.io/v1","kind":"ResourceClaim",
    "metadata":{"name":"mine","namespace":"default","finalizers":["resource.kubernetes.io/delete-protection"]},
    "spec":{"devices":{}},"status":{"allocation":{"devices":{}},
    "reservedFor":[{"resource":"pods","name":"gone","uid":"u"}]}})"));
  EXPECT_FALSE(api::find(w.get(kClaims, "default", "mine"), {"status", "reservedFor"}));
}

}  // namespace
}  // namespace ingot::controllers
