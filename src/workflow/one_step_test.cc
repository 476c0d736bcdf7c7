#include "workflow/one_step.h"

#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

OneStep step() {
  return {.source = std::string(64, 'a'), .image = "trainer", .command = {"python3", "train.py"}};
}

std::string refused(const OneStep& s) {
  const auto made = one_step(s);
  return made ? "made" : made.error();
}

TEST(OneStep, IsAWorkflowOfOneContainer) {
  OneStep s = step();
  s.gpus = 2;
  s.memory = "4Gi";
  s.queue = "night";
  s.env = {{"LR", "0.1"}};
  s.data = {{"digits", "3"}};
  EXPECT_EQ(*one_step(s), yaml(R"(
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  annotations: {factory.ingot.dev/command: python3 train.py}
  generateName: train-
  labels: {kueue.x-k8s.io/queue-name: night}
spec:
  entrypoint: run
  templates:
  - name: run
    inputs: {artifacts: [{name: source, path: /work, s3: {key: sha256/)" +
                               std::string(64, 'a') + R"(}}]}
    outputs: {artifacts: [{name: outputs, path: /work/outputs, optional: true}]}
    container:
      image: trainer
      command: [python3, train.py]
      workingDir: /work
      env: [{name: LR, value: "0.1"}]
      resources: {limits: {nvidia.com/gpu: 2, memory: 4Gi}, requests: {memory: 4Gi}}
      volumeMounts: [{name: data-0, mountPath: /data/digits, readOnly: true}]
  volumes: [{name: data-0, csi: {driver: datasets.ingot.dev, readOnly: true, volumeAttributes: {dataset: digits, version: "3"}}}]
)"));
}

TEST(OneStep, AShellsTextReachesTheShell) {
  OneStep s = step();
  s.command = {"sh", "-c", "echo $(date) $HOME $$(x)"};
  const Json made = *one_step(s);
  const Json& container = api::array_at(made, {"spec", "templates"})[0].at("container");
  EXPECT_EQ(api::string_at(api::array_at(container, {"command"})[2], {}), "echo $$(date) $HOME $$$(x)");
}

TEST(OneStep, WhatAWorkflowWouldFillInIsRefused) {
  OneStep s = step();
  s.command = {"echo", "{{x}}"};
  EXPECT_THAT(refused(s), testing::HasSubstr("{{"));
  s = step();
  s.env = {{"A", "{{=1}}"}};
  EXPECT_THAT(refused(s), testing::StartsWith("--env A holds {{"));
  s.env = {{"", "x"}};
  EXPECT_THAT(refused(s), testing::StartsWith("--env needs NAME=VALUE"));
  s = step();
  s.data = {{"a", "1"}, {"b", "1"}, {"a", "2"}};
  EXPECT_EQ(refused(s), "--data names a twice");
  s = step();
  s.command = {};
  EXPECT_THAT(refused(s), testing::StartsWith("there is no command"));
}

TEST(OneStep, IsCalledAfterItsScript) {
  EXPECT_EQ(called({"python3", "-u", "src/Train_Big.py", "--lr", "3"}), "train-big");
  EXPECT_EQ(called({"./run.sh"}), "run");
  EXPECT_EQ(called({"sh", "-c", "echo a; echo b"}), "sh");
  EXPECT_EQ(called({"nvidia-smi"}), "nvidia-smi");
  EXPECT_EQ(called({"/bin/sleep", "0.5"}), "sleep");
  EXPECT_EQ(called({"python3.11", "train.py"}), "train");
  EXPECT_EQ(called({"python3", "-m", "tool", "conf.d/a.yaml"}), "a");
  EXPECT_EQ(called({"/…/"}), "run");
  EXPECT_EQ(called({}), "run");
  EXPECT_LE(called({std::string(300, 'a')}).size(), 40u);
}

TEST(OneStep, IsShownAsItWouldBeTyped) {
  EXPECT_EQ(typed({"python3", "a b", "it's", "", "--x=1"}), "python3 'a b' 'it'\\''s' '' --x=1");
}

}  // namespace
}  // namespace ingot::workflow
