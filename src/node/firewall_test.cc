#include "node/firewall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ingot::node {
namespace {
using testing::HasSubstr;
using testing::Not;

FirewallState state() {
  return {
      .table = "ingot_3f2a",
      .pod_range = "10.64.16.0/20",
      .interface_group = 0x1a603f2a,
      .api_ip = "10.64.16.1",
      .api_port = 6443,
      .pods = {{"10.64.16.5", "c2", "veth5"}, {"10.64.16.3", "c1", "veth3"}, {"10.64.16.4", "c1", "veth4"}}};
}

TEST(Firewall, ReplacesItsOwnTableInOneTransaction) {
  EXPECT_TRUE(ruleset(state()).starts_with(
      "add table inet ingot_3f2a\ndelete table inet ingot_3f2a\ntable inet ingot_3f2a {"));
  EXPECT_EQ(remove_ruleset("ingot_3f2a"), "add table inet ingot_3f2a\ndelete table inet ingot_3f2a\n");
}

TEST(Firewall, PodsOfOneClusterShareANumberAndNoOtherDoes) {
  const std::string text = ruleset(state());
  EXPECT_THAT(text, HasSubstr("elements = { 10.64.16.3 : 1, 10.64.16.4 : 1, 10.64.16.5 : 2 }"));
  EXPECT_THAT(text, HasSubstr("elements = { 10.64.16.3 . 1, 10.64.16.4 . 1, 10.64.16.5 . 2 }"));
}

TEST(Firewall, AnAddressBelongsToItsInterface) {
  EXPECT_THAT(ruleset(state()), HasSubstr("\"veth3\" . 10.64.16.3"));
}

TEST(Firewall, TheSameStateGivesTheSameTextInAnyOrder) {
  FirewallState other = state();
  std::swap(other.pods[0], other.pods[2]);
  EXPECT_EQ(ruleset(other), ruleset(state()));
}

TEST(Firewall, OfTwoClaimsToOneAddressNeitherIsBelieved) {
  FirewallState twice = state();
  twice.pods.push_back({"10.64.16.3", "c9", "veth9"});
  EXPECT_THAT(ruleset(twice), Not(HasSubstr("10.64.16.3")));
}

TEST(Firewall, NothingFromOutsideWritesRules) {
  FirewallState bad = state();
  bad.pods.push_back({"10.64.16.9 } accept #", "c1", "veth9"});
  bad.pods.push_back({"10.64.16.8", "c1", "veth8\"; accept"});
  const std::string text = ruleset(bad);
  EXPECT_THAT(text, Not(HasSubstr("#")));
  EXPECT_THAT(text, Not(HasSubstr("10.64.16.8")));
}

TEST(Firewall, WithoutPodsEverythingFromThemIsDropped) {
  FirewallState none = state();
  none.pods.clear();
  const std::string text = ruleset(none);
  EXPECT_THAT(text, Not(HasSubstr("elements")));
  EXPECT_THAT(text, HasSubstr("iifgroup 442515242 drop"));
  EXPECT_THAT(text, HasSubstr("oifgroup 442515242 drop"));
}

}  // namespace
}  // namespace ingot::node
