#include "apiserver/path.h"

#include <gtest/gtest.h>

namespace ingot::apiserver {
namespace {

Route parsed(std::string_view target) {
  Result<Route> route = parse_target(target);
  EXPECT_TRUE(route) << target << ": " << route.error().message;
  return route ? std::move(*route) : Route{};
}

TEST(Path, NamesAnObjectInANamespace) {
  const Route route =
      parsed("/clusters/vision/apis/batch/v1/namespaces/default/jobs/train/status?dryRun=All");
  EXPECT_EQ(route.cluster, "vision");
  EXPECT_EQ(route.group, "batch");
  EXPECT_EQ(route.version, "v1");
  EXPECT_EQ(route.resource, "jobs");
  EXPECT_EQ(route.ns, "default");
  EXPECT_EQ(route.name, "train");
  EXPECT_EQ(route.subresource, "status");
  EXPECT_EQ(route.query.get("dryRun"), "All");
  EXPECT_EQ(route.path, "/apis/batch/v1/namespaces/default/jobs/train/status");
}

TEST(Path, TellsANamespaceFromWhatIsInIt) {
  EXPECT_EQ(parsed("/api/v1/namespaces/a").resource, "namespaces");
  EXPECT_EQ(parsed("/api/v1/namespaces/a").name, "a");
  EXPECT_EQ(parsed("/api/v1/namespaces/a/finalize").subresource, "finalize");
  EXPECT_EQ(parsed("/api/v1/namespaces/a/pods").resource, "pods");
  EXPECT_EQ(parsed("/api/v1/namespaces/a/pods").ns, "a");
}

TEST(Path, KnowsEndpointsThatAreNoResources) {
  EXPECT_EQ(parsed("/readyz").endpoint, Endpoint::Health);
  EXPECT_EQ(parsed("/version").endpoint, Endpoint::Version);
  EXPECT_EQ(parsed("/api").endpoint, Endpoint::Discovery);
  EXPECT_EQ(parsed("/apis/batch/v1/").endpoint, Endpoint::Discovery);
  EXPECT_EQ(parsed("/openapi/v3/api/v1").endpoint, Endpoint::Discovery);
  EXPECT_EQ(parsed("/").endpoint, Endpoint::Unknown);
  EXPECT_TRUE(parsed("/clusters/*/api/v1/pods").every_cluster);
}

TEST(Path, RefusesWhatCouldMeanTwoThings) {
  for (const char* target : {"", "api", "//api", "/api//v1", "/api/./v1", "/api/../v1", "/api/%2e%2e/v1",
                             "/api/a%2fb", "/api/%00", "/api/%", "/api/%g1", "/api/v1?x=%"})
    EXPECT_FALSE(parse_target(target)) << target;
  EXPECT_FALSE(parse_target("/" + std::string(20'000, 'a')));
  std::string many = "/api?";
  for (int i = 0; i < 100; ++i) many += "a=b&";
  EXPECT_FALSE(parse_target(many));
}

TEST(Path, VerbFollowsMethodAndTarget) {
  EXPECT_EQ(verb_of("GET", parsed("/api/v1/pods")), "list");
  EXPECT_EQ(verb_of("GET", parsed("/api/v1/pods?watch=true")), "watch");
  EXPECT_EQ(verb_of("GET", parsed("/api/v1/pods?watch=false")), "list");
  EXPECT_EQ(verb_of("GET", parsed("/api/v1/namespaces/a/pods/p")), "get");
  EXPECT_EQ(verb_of("DELETE", parsed("/api/v1/namespaces/a/pods")), "deletecollection");
  EXPECT_EQ(verb_of("PUT", parsed("/api/v1/namespaces/a/pods")), "");
  EXPECT_EQ(verb_of("BREW", parsed("/api/v1/namespaces/a/pods")), "");
}

TEST(Query, NumbersHaveBounds) {
  const Query query = *Query::parse("limit=10&bad=-1&large=99999999999999999999&word=x");
  EXPECT_EQ(*query.number("limit", 0, 100), 10);
  EXPECT_EQ(*query.number("absent", 7, 100), 7);
  EXPECT_FALSE(query.number("limit", 0, 5));
  EXPECT_FALSE(query.number("bad", 0, 5));
  EXPECT_FALSE(query.number("large", 0, INT64_MAX));
  EXPECT_FALSE(query.number("word", 0, 5));
}

}  // namespace
}  // namespace ingot::apiserver
