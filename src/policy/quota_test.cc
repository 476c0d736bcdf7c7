#include "policy/quota.h"

#include <gmock/gmock.h>

namespace ingot::policy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class QuotaTest : public testing::Test {
 protected:
  static QuotaNode queue(std::string name, std::string parent, QuotaAmounts guarantee = {},
                         QuotaAmounts limit = {}) {
    return {.name = std::move(name),
            .parent = std::move(parent),
            .guarantee = std::move(guarantee),
            .limit = std::move(limit)};
  }
  static QuotaNode tenant(std::string name, std::string parent, int64_t gpus) {
    return {
        .name = std::move(name), .parent = std::move(parent), .tenant = true, .guarantee = {{"gpus", gpus}}};
  }
  // "field: message" of all that is wrong with it among the others.
  std::vector<std::string> wrong(const QuotaNode& changed) const {
    api::FieldErrors errors;
    check_quota(changed, others, errors);
    std::vector<std::string> out;
    if (const auto result = errors.finish("g", "K", "n"); !result)
      for (const Cause& c : result.error().causes) out.push_back(c.field + ": " + c.message);
    return out;
  }
  std::vector<QuotaNode> others;
};

TEST_F(QuotaTest, AQueueHangsBelowOneThatExistsAndNotBelowItself) {
  EXPECT_THAT(wrong(queue("a", "")), IsEmpty());
  EXPECT_THAT(
      wrong(queue("a", "lab")),
      ElementsAre("spec.parent: Invalid value: \"lab\": there is no queue of that name: create it first, or "
                  "leave the field out to hang below the root"));
  others = {queue("b", "a"), queue("c", "b")};
  EXPECT_THAT(wrong(queue("a", "c")),
              ElementsAre("spec.parent: Invalid value: \"c\": hangs below this queue itself: a → c → b → a"));
  EXPECT_THAT(wrong(queue("a", "")), IsEmpty());
  EXPECT_THAT(wrong(tenant("t", "none", 0)), testing::SizeIs(1));
}

TEST_F(QuotaTest, ATenantMayBeCalledAsAQueueIs) {
  others = {queue("vision", "")};
  EXPECT_THAT(wrong(tenant("vision", "vision", 1)), IsEmpty());
}

// No such tree comes through admission, but nothing may hang on one that is there.
TEST_F(QuotaTest, RingsOfOthersAreNoPlaceToHang) {
  others = {queue("a", "b"), queue("b", "a")};
  EXPECT_THAT(wrong(queue("c", "a")),
              ElementsAre("spec.parent: Invalid value: \"a\": queues may be nested 16 deep"));
  EXPECT_THAT(wrong(queue("d", "")), IsEmpty());
  EXPECT_THAT(quota_warnings(queue("d", ""), others, {}), IsEmpty());
}

TEST_F(QuotaTest, TheTreeIsBoundedInDepth) {
  std::string parent;
  for (char c = 'a'; c < 'a' + 15; ++c) {
    others.push_back(queue(std::string(1, c), parent));
    parent = c;
  }
  EXPECT_THAT(wrong(queue("x", parent)), IsEmpty());
  others.push_back(queue("x", parent));
  EXPECT_THAT(wrong(queue("y", "x")), testing::SizeIs(1));
}

TEST_F(QuotaTest, AGuaranteeIsHeldByWhatStandsAbove) {
  others = {queue("lab", "", {{"gpus", 8}}, {{"cpu", 64'000}}), tenant("vision", "lab", 5)};
  EXPECT_THAT(wrong(queue("night", "lab", {{"gpus", 3}})), IsEmpty());
  EXPECT_THAT(
      wrong(queue("night", "lab", {{"gpus", 4}})),
      ElementsAre("spec.guarantee.gpus: Invalid value: 4: queue lab guarantees 8 GPUs, and with this 9 GPUs "
                  "would be guaranteed below it: lower this, or raise spec.guarantee.gpus of that queue "
                  "first"));
  EXPECT_THAT(
      wrong(queue("night", "lab", {{"gpuModels[A100]", 4}})),
      ElementsAre(testing::StartsWith("spec.guarantee.gpus: Invalid value: 4: queue lab guarantees 8 GPUs")));
  EXPECT_THAT(wrong(queue("night", "lab", {{"cpu", 65'000}})),
              ElementsAre(testing::HasSubstr("queue lab is limited to 64 CPUs, and with this 65 CPUs")));
  EXPECT_THAT(
      wrong(tenant("speech", "lab", 4)),
      ElementsAre(testing::StartsWith("spec.gpus.guarantee: Invalid value: 4: queue lab guarantees 8 GPUs")));
}

TEST_F(QuotaTest, WhatIsGuaranteedFurtherDownCountsAllTheWayUp) {
  others = {queue("top", "", {{"gpus", 4}}), queue("mid", "top"), tenant("vision", "mid", 3)};
  EXPECT_THAT(wrong(tenant("speech", "mid", 2)),
              ElementsAre(testing::HasSubstr("queue top guarantees 4 GPUs")));
  EXPECT_THAT(wrong(tenant("speech", "mid", 1)), IsEmpty());
}

TEST_F(QuotaTest, AQueueIsNotTakenBelowWhatItHolds) {
  others = {tenant("vision", "lab", 5), queue("night", "lab", {{"gpus", 2}})};
  EXPECT_THAT(wrong(queue("lab", "", {{"gpus", 7}})), IsEmpty());
  EXPECT_THAT(wrong(queue("lab", "")), IsEmpty()) << "it guarantees what hangs below it";
  EXPECT_THAT(
      wrong(queue("lab", "", {{"gpus", 6}}, {{"gpus", 6}})),
      ElementsAre("spec.guarantee.gpus: Invalid value: 6: queue night and tenant vision below it guarantee 7 "
                  "GPUs together",
                  "spec.limit.gpus: Invalid value: 6: queue night and tenant vision below it guarantee 7 "
                  "GPUs together"));
}

TEST_F(QuotaTest, WhatTheFactoryHasNotIsAWarning) {
  const QuotaAmounts capacity{{"gpus", 8}, {"gpuModels[H100]", 8}};
  others = {tenant("vision", "", 6)};
  EXPECT_THAT(quota_warnings(queue("lab", "", {{"gpus", 2}}), others, capacity), IsEmpty());
  EXPECT_THAT(quota_warnings(queue("lab", ""), {tenant("vision", "", 60)}, capacity), IsEmpty())
      << "it adds nothing to what was so before";
  EXPECT_THAT(
      quota_warnings(queue("lab", "", {{"gpuModels[H100]", 3}}, {{"gpuModels[A100]", 1}}), others, capacity),
      ElementsAre("spec.limit.gpuModels[A100]: no node has a GPU of that model today; there are: H100",
                  "spec.guarantee.gpus: 9 GPUs are guaranteed in all, and the factory has 8 GPUs today"));
  EXPECT_THAT(
      quota_warnings(tenant("speech", "", 3), others, capacity),
      ElementsAre("spec.gpus.guarantee: 9 GPUs are guaranteed in all, and the factory has 8 GPUs today"));
}

TEST_F(QuotaTest, DependentsAreNamedUpToAFew) {
  others = {queue("b", "lab"), tenant("x", "lab", 0), queue("other", "")};
  EXPECT_EQ(dependents("lab", others), "queue b and tenant x");
  EXPECT_EQ(dependents("b", others), "");
  for (const char* name : {"c", "d", "e"}) others.push_back(queue(name, "lab"));
  EXPECT_EQ(dependents("lab", others), "queue b, queue c, queue d and 2 more");
}

TEST_F(QuotaTest, ObjectsAreReadInOneUnit) {
  const QuotaNode q = quota_of_queue(*api::parse_json(R"({"metadata":{"name":"q"},"spec":{"parent":"p",
      "guarantee":{"gpus":2,"gpuModels":{"A":1},"cpu":"1500m","memory":"1Ki"},"limit":{"gpus":-3}}})"));
  EXPECT_EQ(q.guarantee, (QuotaAmounts{{"gpus", 2}, {"gpuModels[A]", 1}, {"cpu", 1500}, {"memory", 1024}}));
  EXPECT_EQ(q.limit, (QuotaAmounts{{"gpus", 0}}));
  const QuotaNode t = quota_of_tenant(
      *api::parse_json(R"({"metadata":{"name":"t"},"spec":{"queue":"q","gpus":{"guarantee":3,"limit":4}}})"));
  EXPECT_EQ(t.parent, "q");
  EXPECT_EQ(t.guarantee, (QuotaAmounts{{"gpus", 3}}));
  EXPECT_EQ(t.limit, (QuotaAmounts{{"gpus", 4}}));
}

}  // namespace
}  // namespace ingot::policy
