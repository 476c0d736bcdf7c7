#include "git/start.h"

#include <gtest/gtest.h>

#include "api/reserved.h"

namespace ingot::git {
namespace {

using api::Json;

const Push kPush{.repository = "digits",
                 .uid = "u-1",
                 .url = "https://git.example/digits",
                 .branch = "main",
                 .commit = "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
                 .before = "",
                 .paths = {"a.py", "b \"c\""},
                 .service_account = "default"};

Json pipeline(std::string_view spec) {
  return api::JsonObject{{"apiVersion", "argoproj.io/v1alpha1"},
                         {"kind", "Workflow"},
                         {"metadata", {{"generateName", "x-"}, {"labels", {{"team", "vision"}}}}},
                         {"spec", *api::parse_json(spec)}};
}
std::string parameter(const Json& workflow, std::string_view name) {
  for (const Json& one : api::array_at(workflow, {"spec", "arguments", "parameters"}))
    if (api::string_at(one, {"name"}) == name) return std::string(api::string_at(one, {"value"}));
  return "absent";
}

TEST(Start, TheNameFollowsFromWhatWasPushed) {
  Push other = kPush;
  EXPECT_EQ(run_name(other), run_name(kPush));
  EXPECT_TRUE(run_name(kPush).starts_with("digits-6113728f27ae-"));
  EXPECT_LE(run_name(kPush).size(), 63u);
  other.branch = "dev";
  EXPECT_NE(run_name(other), run_name(kPush));
  other = kPush;
  other.uid = "u-2";
  EXPECT_NE(run_name(other), run_name(kPush));
}

TEST(Start, ARunIsToldWhatItRunsOn) {
  const auto run = make_run(pipeline(R"({"entrypoint":"m","templates":[]})"), kPush, nullptr);
  ASSERT_TRUE(run);
  EXPECT_EQ(api::string_at(*run, {"metadata", "name"}), run_name(kPush));
  EXPECT_EQ(api::find(*run, {"metadata", "generateName"}), nullptr);
  EXPECT_EQ(api::string_at(*run, {"metadata", "labels", "team"}), "vision");
  EXPECT_EQ(api::string_at(*run, {"metadata", "labels", api::kRepositoryLabel}), "digits");
  EXPECT_EQ(api::string_at(*run, {"spec", "serviceAccountName"}), "default");
  EXPECT_EQ(parameter(*run, "commit"), kPush.commit);
  EXPECT_EQ(parameter(*run, "ref"), "refs/heads/main");
  EXPECT_EQ(parameter(*run, "changed-paths"), R"(["a.py","b \"c\""])");
}

TEST(Start, DeclaredParametersGetTheirValues) {
  const auto run = make_run(
      pipeline(
          R"({"entrypoint":"m","arguments":{"parameters":[{"name":"commit","value":"none"},{"name":"epochs","value":"3"}]}})"),
      kPush, nullptr);
  ASSERT_TRUE(run);
  EXPECT_EQ(parameter(*run, "commit"), kPush.commit);
  EXPECT_EQ(parameter(*run, "epochs"), "3");
}

TEST(Start, AnotherAccountIsRefusedByField) {
  for (const auto& [spec, field] :
       {std::pair{R"({"serviceAccountName":"admin"})", "spec.serviceAccountName"},
        {R"({"templates":[{"serviceAccountName":"admin"}]})", "spec.templates[0].serviceAccountName"},
        {R"({"podSpecPatch":"{\"serviceAccount\\u004eame\": \"admin\"}"})",
         "spec.podSpecPatch.serviceAccountName"},
        {R"({"templates":[{"podSpecPatch":"{{=x}}"}]})", "spec.templates[0].podSpecPatch"}}) {
    const auto run = make_run(pipeline(spec), kPush, nullptr);
    ASSERT_FALSE(run) << spec;
    EXPECT_EQ(run.error().causes.front().field, field);
  }
  EXPECT_TRUE(make_run(pipeline(R"({"serviceAccountName":"default"})"), kPush, nullptr));
  EXPECT_TRUE(make_run(pipeline(R"({"podSpecPatch":"hostname: x"})"), kPush, nullptr));
}

TEST(Start, TheSourceIsABlobOfTheTenant) {
  const Digest digest = Digest::of("x");
  const Json declared = pipeline(
      R"({"entrypoint":"m","templates":[{"name":"m","inputs":{"artifacts":[{"name":"source","path":"/src"}]}}]})");
  EXPECT_TRUE(wants_source(declared));
  EXPECT_TRUE(wants_source(pipeline(R"({"arguments":{"artifacts":[{"name":"source"}]}})")));
  EXPECT_FALSE(wants_source(pipeline(R"({"entrypoint":"m","templates":[{"name":"m"}]})")));
  const auto run = make_run(declared, kPush, &digest);
  ASSERT_TRUE(run);
  const auto& artifacts = api::array_at(*run, {"spec", "arguments", "artifacts"});
  ASSERT_EQ(artifacts.size(), 1u);
  EXPECT_EQ(api::string_at(artifacts[0], {"s3", "key"}), "sha256/" + digest.hex());
}

}  // namespace
}  // namespace ingot::git
