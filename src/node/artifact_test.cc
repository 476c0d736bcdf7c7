#include "node/artifact.h"

#include "node/agent_fixture.h"
#include "node/step.h"

namespace ingot::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kDigits = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

api::Json of(std::string_view more) {
  return parsed(fmt::format(R"({{"name":"a","path":"/in//x/",{}}})", more));
}

TEST(Artifact, WhereItComesFrom) {
  const PodConfig none;
  const auto own = artifact_in(of(fmt::format(R"("s3":{{"key":"sha256/{}"}})", kDigits)), &none);
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_EQ(own->source.digest->hex(), kDigits);
  EXPECT_EQ(own->path, "/in/x");
  EXPECT_EQ(artifact_in(of(R"("raw":{"data":"words"})"), &none)->source.text, "words");
  const auto http =
      artifact_in(of(R"("http":{"url":"https://x/y","headers":[{"name":"A","value":"b"}]})"), &none);
  EXPECT_THAT(http->source.headers, ElementsAre(std::pair("A", "b")));
}

TEST(Artifact, SecretsAreThePods) {
  PodConfig config;
  config.secrets["keys"] = parsed(R"({"data":{"a":"dXNlcg==","s":"c2VjcmV0"}})");
  const std::string_view s3 =
      R"("s3":{"bucket":"b","endpoint":"e","key":"k","accessKeySecret":{"name":"keys","key":"a"},"secretKeySecret":{"name":"keys","key":"s"}})";
  const auto read = artifact_in(of(s3), &config);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->source.user, "user");
  EXPECT_EQ(read->source.password, "secret");
  config.secrets.clear();
  EXPECT_THAT(artifact_in(of(s3), &config).error().message, HasSubstr("secret \"keys\" not found"));
}

TEST(Artifact, NothingInTheAnnotationIsTakenForGranted) {
  const PodConfig none;
  for (const std::string_view bad :
       {R"({"name":"a","path":"../x","raw":{"data":""}})",
        R"({"name":"a","path":"/x/../y","raw":{"data":""}})", R"({"name":"a","path":"/","raw":{"data":""}})",
        R"({"name":"a","path":"/x"})", R"({"name":"a","path":"/x","raw":{"data":""},"subPath":"../y"})",
        R"({"name":"a","path":"/x","s3":{"key":"sha256/../../other"}})",
        R"({"name":"a","path":"/x","http":{"url":"file:///etc/passwd"}})",
        R"({"name":"a","path":"/x","http":{"url":"http://x","headers":[{"name":"A","value":"b\r\nC: d"}]}})"})
    EXPECT_FALSE(artifact_in(parsed(bad), &none)) << bad;
  EXPECT_FALSE(artifact_out(parsed(R"({"name":"a","path":"x"})")));
}

struct StepTest : AgentTest {
  api::Json step(std::string_view asked) {
    api::Json pod = parsed(fmt::format(
        R"({{"metadata":{{"uid":"u1","name":"p","namespace":"default","annotations":{{"factory.ingot.dev/cluster":"c7"}}}},
            "spec":{{"nodeName":"node-0","restartPolicy":"Never","containers":[{{"name":"main","image":"train","securityContext":{{"runAsUser":7}}}}]}}}})"));
    api::set(pod, {"metadata", "annotations", kTemplateAnnotation}, asked);
    return pod;
  }
  api::Json outputs() { return parsed(at({"metadata", "annotations", kOutputsAnnotation})); }
};

TEST_F(StepTest, ArtifactsAreBroughtBeforeTheContainerIsMade) {
  boot();
  bind(step(R"({"inputs":{"artifacts":[{"name":"a","path":"/in","raw":{"data":"x"}}]}})"));
  EXPECT_THAT(runtime.log, ElementsAre("run u1.0", "bring 1", "create main.0", "start main.0"));
  EXPECT_EQ(runtime.asked_to_bring->cluster, "c7");
  EXPECT_EQ(runtime.asked_to_bring->user, 7);
  const auto& mounts = runtime.specs.begin()->second.mounts;
  const auto own = std::ranges::find(mounts, "/in", &Mount::container_path);
  ASSERT_NE(own, mounts.end());
  EXPECT_EQ(own->host_path, "/pods/u1/artifacts/0/data");
  EXPECT_FALSE(own->read_only);
}

TEST_F(StepTest, OneThatIsOptionalAndNotThereIsNoMount) {
  runtime.brought = Brought{false};
  boot();
  bind(step(R"({"inputs":{"artifacts":[{"name":"a","path":"/in","optional":true,"raw":{"data":"x"}}]}})"));
  const auto& mounts = runtime.specs.begin()->second.mounts;
  EXPECT_EQ(std::ranges::find(mounts, "/in", &Mount::container_path), mounts.end());
}

TEST_F(StepTest, WithoutThemThePodFailsAndSaysWhy) {
  runtime.brought = fail(Reason::NotFound, "artifact a: blob sha256:00 not found");
  boot();
  bind(step(R"({"inputs":{"artifacts":[{"name":"a","path":"/in","raw":{"data":"x"}}]}})"));
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(at({"status", "reason"}), kArtifactsNotReady);
  EXPECT_EQ(at({"status", "message"}), "artifact a: blob sha256:00 not found");
  EXPECT_EQ(runtime.count("create main.0"), 0u);
}

TEST_F(StepTest, WhatItLeavesIsToldByDigest) {
  runtime.left_behind.artifacts.emplace("o", Kept{Digest::parse_hex(kDigits).value(), 12});
  boot();
  bind(step(
      R"({"outputs":{"artifacts":[{"name":"o","path":"/out"},{"name":"p","path":"/p","optional":true}]}})"));
  runtime.exit("main", 0);
  t.loop.run_until_idle();
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_EQ(outputs(),
            parsed(fmt::format(
                R"({{"artifacts":[{{"name":"o","path":"/out","s3":{{"key":"sha256/{}"}},"size":12}}]}})",
                kDigits)));
}

TEST_F(StepTest, WhatIsMissingIsNamedAndTheRestKept) {
  runtime.left_behind.artifacts.emplace("o", Kept{Digest::parse_hex(kDigits).value(), 12});
  runtime.left_behind.artifacts.emplace("p", fail(Reason::InternalError, "the disk is full"));
  boot();
  bind(step(R"({"outputs":{"artifacts":[{"name":"o","path":"/out"},{"name":"p","path":"/p"}]}})"));
  runtime.exit("main", 0);
  t.loop.run_until_idle();
  EXPECT_EQ(api::string_at(outputs(), {"error"}), "cannot save artifact p from /p: the disk is full");
  EXPECT_EQ(api::array_at(outputs(), {"artifacts"}).size(), 1u);
}

}  // namespace
}  // namespace ingot::node
