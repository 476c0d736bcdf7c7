#include "api/reserved.h"

#include <gtest/gtest.h>

#include "api/json_text.h"

namespace ingot::api {
namespace {

Json json(std::string_view text) { return *parse_json(text); }
const Json kOfACommit =
    json(R"({"metadata":{"labels":{"team":"vision","factory.ingot.dev/commit":"9a1c"}}})");

TEST(Reserved, ANewObjectHasNone) {
  Json forged = kOfACommit;
  const auto refused = keep_reserved("workflows.argoproj.io", nullptr, forged);
  EXPECT_EQ(refused, std::vector<std::string>{"metadata.labels[factory.ingot.dev/commit]"});
  EXPECT_EQ(to_text(forged), R"({"metadata":{"labels":{"team":"vision"}}})");
}

TEST(Reserved, AnUpdateKeepsWhatWasThere) {
  Json changed = json(R"({"metadata":{"labels":{"factory.ingot.dev/commit":"ffff"}}})");
  EXPECT_EQ(keep_reserved("workflows.argoproj.io", &kOfACommit, changed).size(), 1U);
  EXPECT_EQ(string_at(changed, {"metadata", "labels", kCommitLabel}), "9a1c");

  Json without = json(R"({"metadata":{}})");
  EXPECT_EQ(keep_reserved("workflows.argoproj.io", &kOfACommit, without).size(), 1U);
  EXPECT_EQ(string_at(without, {"metadata", "labels", kCommitLabel}), "9a1c");

  Json same = kOfACommit;
  EXPECT_TRUE(keep_reserved("workflows.argoproj.io", &kOfACommit, same).empty());
}

TEST(Reserved, OtherKindsMaySayWhatTheyLike) {
  Json job = kOfACommit;
  EXPECT_TRUE(keep_reserved("jobs.batch", nullptr, job).empty());
  EXPECT_EQ(job, kOfACommit);
}

TEST(Reserved, APodSaysNothingOfTheRunItIsOf) {
  Json pod = json(R"({"metadata":{"annotations":{"factory.ingot.dev/run-node":"u/n"}}})");
  EXPECT_EQ(keep_reserved("pods", nullptr, pod).size(), 1U);
  EXPECT_EQ(string_at(pod, {"metadata", "annotations", kRunNodeAnnotation}), "");
}

}  // namespace
}  // namespace ingot::api
