#include "workflow/artifacts.h"

#include "api/registry.h"
#include "workflow/pod.h"
#include "workflow/testing.h"
#include "workflow/values.h"

namespace ingot::workflow {
namespace {

using testing::HasSubstr;

std::string fault(std::string_view templates) {
  const auto flow = Flow::read(yaml("entrypoint: main\ntemplates:\n" + std::string(templates)), {});
  return flow ? "none" : flow.error();
}
std::string in_fault(std::string_view artifact) {
  return fault("- {name: main, container: {image: i}, inputs: {artifacts: [" + std::string(artifact) + "]}}");
}
std::string out_fault(std::string_view artifact) {
  return fault("- {name: main, container: {image: i}, outputs: {artifacts: [" + std::string(artifact) +
               "]}}");
}

TEST(Artifacts, WhatIsNotThereIsRefusedByName) {
  for (const std::string_view source : {"gcs", "azure", "hdfs", "oss", "artifactory", "plugin"})
    EXPECT_THAT(in_fault("{name: a, path: /a, " + std::string(source) + ": {}}"),
                HasSubstr("inputs.artifacts.a." + std::string(source) + " is not implemented"));
  EXPECT_THAT(in_fault("{name: a, path: /a, http: {url: 'https://x', auth: {oauth2: {}}}}"),
              HasSubstr("http.auth.oauth2 is not implemented"));
  EXPECT_THAT(out_fault("{name: a, path: /a, s3: {key: k}}"),
              HasSubstr("outputs.artifacts.a.s3 is not implemented"));
}

TEST(Artifacts, WhatMakesNoSense) {
  EXPECT_EQ(in_fault("{name: a, path: /a, raw: {data: x}}"), "none");
  EXPECT_THAT(in_fault("{name: a, raw: {data: x}}"), HasSubstr("path is required"));
  for (const std::string_view path : {"a", "/", "/../a", "/a/..", "/a/./b"})
    EXPECT_THAT(in_fault("{name: a, path: '" + std::string(path) + "', raw: {data: x}}"),
                HasSubstr("path must be absolute"));
  EXPECT_THAT(in_fault("{name: a, path: /a, raw: {data: x}}, {name: a, path: /b}"),
              HasSubstr("name is not unique"));
  EXPECT_THAT(in_fault("{name: a, path: /a, raw: {data: x}, http: {url: 'http://x'}}"),
              HasSubstr("comes from more than one place"));
  EXPECT_THAT(in_fault("{name: a, path: /a, http: {url: 'file:///etc/passwd'}}"),
              HasSubstr("must begin with http:// or https://"));
  EXPECT_THAT(in_fault("{name: a, path: /a, s3: {key: sha256/12}}"), HasSubstr("64 digits"));
  EXPECT_THAT(in_fault("{name: a, path: /a, s3: {key: k, bucket: b}}"), HasSubstr("s3.endpoint is required"));
  EXPECT_THAT(out_fault("{name: a, path: /a, archive: {rar: {}}}"), HasSubstr("one of tar, zip and none"));
  EXPECT_THAT(out_fault("{name: a, path: /a, from: x}"), HasSubstr("only of steps and dag"));
}

TEST(Artifacts, WhatIsGivenStandsInForWhatIsDeclared) {
  const Json declared = yaml("{name: a, path: /in, mode: 256, raw: {data: x}}");
  const Json given = yaml("{name: a, s3: {key: sha256/00}, mode: 1, globalName: g, archive: {none: {}}}");
  EXPECT_EQ(given_artifact(declared, given),
            yaml("{name: a, path: /in, mode: 256, s3: {key: sha256/00}, archive: {none: {}}}"));
  EXPECT_EQ(given_artifact(declared, yaml("{name: a}")), declared);
}

constexpr std::string_view kTwo = R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: make}
  - - name: b
      template: use
      arguments: {artifacts: [{name: given, from: "{{steps.a.outputs.artifacts.o}}", optional: OPTIONAL}]}
  outputs: {artifacts: [{name: result, globalName: whole, from: "{{steps.a.outputs.artifacts.o}}", optional: true}]}
- {name: make, container: {image: i}, outputs: {artifacts: [{name: o, path: /out, globalName: g, optional: true}]}}
- name: use
  inputs: {artifacts: [{name: given, path: /in, optional: true}]}
  container: {image: i, command: [ls, "{{inputs.artifacts.given.path}}"]}
)";

std::string two(std::string_view optional) {
  std::string text(kTwo);
  return text.replace(text.find("OPTIONAL"), 8, optional);
}

TEST(Artifacts, FromStepToStepAndOut) {
  Bench bench(two("false"));
  bench.end("wf[0].a", Phase::Succeeded,
            "{artifacts: [{name: o, path: /out, s3: {key: sha256/aa}, size: 3}]}");
  EXPECT_EQ(api::array_at(bench.pods.at("wf[1].b"), {"inputs", "artifacts"}),
            yaml("[{name: given, path: /in, optional: true, s3: {key: sha256/aa}, size: 3}]").as_array());
  EXPECT_EQ(api::string_at(api::array_at(bench.pods.at("wf[1].b"), {"container", "command"})[1], {}), "/in");
  bench.end("wf[1].b");
  EXPECT_EQ(bench.phase("wf"), "Succeeded");
  EXPECT_EQ(*api::find(*bench.node("wf").outputs, {"artifacts"}),
            yaml("[{name: result, s3: {key: sha256/aa}, size: 3}]"));
  EXPECT_EQ(bench.run->global_outputs().at("workflow.outputs.artifacts.g"),
            "{\"name\":\"g\",\"size\":3,\"s3\":{\"key\":\"sha256/aa\"}}");
  EXPECT_TRUE(bench.run->global_outputs().contains("workflow.outputs.artifacts.whole"));
}

TEST(Artifacts, WhatIsOptionalMayBeMissing) {
  Bench bench(two("true"));
  bench.end("wf[0].a");
  EXPECT_EQ(bench.running(), std::vector<std::string>{"wf[1].b"});
  EXPECT_TRUE(api::array_at(bench.pods.at("wf[1].b"), {"inputs", "artifacts"}).empty());
  EXPECT_EQ(api::string_at(api::array_at(bench.pods.at("wf[1].b"), {"container", "command"})[1], {}), "/in");
}

TEST(Artifacts, WhatIsNotMustBeThere) {
  Bench bench(two("false"));
  bench.end("wf[0].a");
  EXPECT_EQ(bench.phase("wf[1].b"), "Error");
}

TEST(Artifacts, TheyAreTheSameAfterACrash) {
  Bench bench(two("false"));
  bench.end("wf[0].a", Phase::Succeeded, "{artifacts: [{name: o, path: /out, s3: {key: sha256/aa}}]}");
  bench.pods.clear();
  bench.started.clear();
  bench.again();
  EXPECT_TRUE(bench.run->global_outputs().contains("workflow.outputs.artifacts.g"));
}

TEST(Artifacts, ThePodSaysWhatItsNodeIsToBringAndKeep) {
  const auto flow = Flow::read(yaml(R"(
entrypoint: main
templates:
- name: main
  inputs:
    artifacts:
    - name: in
      path: /in
      s3: {bucket: b, endpoint: e, key: k, accessKeySecret: {name: keys, key: a}, secretKeySecret: {name: keys, key: s}}
  container: {image: i}
  outputs: {artifacts: [{name: out, path: /out}]}
)"),
                               {});
  ASSERT_TRUE(flow) << flow.error();
  workflow::Run run(*flow, Facts{.name = "wf", .ns = "default"});
  ASSERT_TRUE(run.arguments(JsonObject{}));
  run.go_on(WallTime{std::chrono::seconds(1)});
  const Wanted wanted = run.take();
  ASSERT_EQ(wanted.pods.size(), 1u);
  const auto registry = api::Registry::builtin();
  const auto pod = make_pod(**flow, run.facts(), run.nodes()[0], wanted.pods[0],
                            *registry->find_key("pods")->schema->find("spec")->schema);
  ASSERT_TRUE(pod) << pod.error();
  const auto told = api::parse_json(api::string_at(*pod, {"metadata", "annotations", kTemplateAnnotation}));
  EXPECT_EQ(api::string_at(api::array_at(*told, {"inputs", "artifacts"})[0], {"s3", "bucket"}), "b");
  EXPECT_EQ(api::string_at(api::array_at(*told, {"outputs", "artifacts"})[0], {"path"}), "/out");
  // One volume of the secret that both name, so that the node may read it; nothing mounts it.
  ASSERT_EQ(api::array_at(*pod, {"spec", "volumes"}).size(), 1u);
  EXPECT_EQ(api::string_at(api::array_at(*pod, {"spec", "volumes"})[0], {"secret", "secretName"}), "keys");
}

TEST(Artifacts, AStepThatCouldNotKeepThemIsAnErrorWithTheRestOfThem) {
  const PodReport report = report_of(yaml(R"(
metadata: {annotations: {workflows.argoproj.io/outputs: '{"artifacts":[{"name":"a"}],"error":"cannot save artifact b"}'}}
status: {phase: Succeeded}
)"));
  EXPECT_EQ(report.phase, Phase::Error);
  EXPECT_EQ(report.message, "cannot save artifact b");
  EXPECT_EQ(api::array_at(*report.outputs, {"artifacts"}).size(), 1u);
  const PodReport not_begun =
      report_of(yaml("status: {phase: Failed, reason: ArtifactsNotReady, message: 'artifact x: not found'}"));
  EXPECT_EQ(not_begun.phase, Phase::Error);
  EXPECT_EQ(not_begun.message, "artifact x: not found");
}

}  // namespace
}  // namespace ingot::workflow
