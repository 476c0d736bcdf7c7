#include "policy/work_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/gates_testing.h"

namespace ingot::policy {
namespace {
using testing::ElementsAre;

std::vector<std::string> images(const Facts& facts) {
  std::vector<std::string> out;
  for (const ImageUse& use : facts.images) out.push_back(use.where + ": " + use.reference);
  return out;
}

Facts workflow_facts(std::string_view spec, std::string_view stored = "{}") {
  static const Images kImages;
  Facts facts;
  facts.kind = WorkKind::Workflow;
  add_workflow(facts, gates_json(spec), gates_json(stored).get_object(),
               {kImages, [](std::string_view name) {
                  return name == "faces" ? std::optional(DatasetFact{Clearance::Restricted, "eu"})
                                         : std::nullopt;
                }});
  return facts;
}

TEST(WorkFacts, APodsImagesAndDataSets) {
  GatesWork work("train:1", R"(,"initContainers":[{"name":"i","image":"b@sha256:bad"}],"volumes":[
    {"csi":{"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"faces","version":"3"}}},
    {"csi":{"driver":"nfs.csi.k8s.io","volumeAttributes":{"dataset":"other"}}}])");
  EXPECT_THAT(images(work.facts), ElementsAre("init container i: b@sha256:bad", "container main: train:1"));
  EXPECT_EQ(work.facts.images[0].name, "") << "what cannot be read has no name";
  EXPECT_EQ(work.facts.images[1].digest, kRun);
  ASSERT_EQ(work.facts.datasets.size(), 1u);
  EXPECT_EQ(work.facts.datasets[0].name, "faces");
  EXPECT_FALSE(work.facts.datasets[0].known);
}

TEST(WorkFacts, AWorkflowIsAllOfItsTemplates) {
  const Facts facts =
      workflow_facts(R"({"volumes":[
      {"csi":{"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"faces","version":"1"}}},
      {"csi":{"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"{{inputs.parameters.d}}"}}}],
    "templateDefaults":{"container":{"image":"default:1"},"sidecars":[{"name":"s","image":"side:1"}]},
    "templates":[
      {"name":"a","container":{"image":"a:1"},"initContainers":[{"image":"init:1"}]},
      {"name":"b","script":{"image":"{{inputs.parameters.image}}"}},
      {"name":"c","container":{"command":["true"]}},
      {"name":"set","containerSet":{"containers":[{"image":"set:1"},{"image":"set:2"}]}},
      {"name":"s","steps":[[{"name":"x","inline":{"container":{"image":"inline:1"}}}],{"name":"y","inline":{"steps":[[
         {"name":"z","inline":{"script":{"image":"deep:1"}}}]]}}]},
      {"name":"d","dag":{"tasks":[{"name":"t","inline":{"container":{"image":"dag:1"}}}]}}]})",
                     R"({"namespaced/other/t":{"name":"t","container":{"image":"stored:1"}}})");
  EXPECT_THAT(
      images(facts),
      ElementsAre("template a: a:1", "template a: init:1", "template a: side:1", "template c: default:1",
                  "template set: set:1", "template set: set:2", "template s.x: inline:1",
                  "template s.y.z: deep:1", "template d.t: dag:1", "template namespaced/other/t: stored:1"));
  ASSERT_EQ(facts.datasets.size(), 1u);
  EXPECT_EQ(facts.datasets[0].known->region, "eu");
  EXPECT_TRUE(facts.complete);
}

TEST(WorkFacts, AreBounded) {
  std::string templates;
  for (size_t i = 0; i < kMostShapes + 10; ++i)
    templates += fmt::format(R"({}{{"name":"t{}","container":{{"image":"i:{}"}}}})", i ? "," : "", i, i);
  const Facts facts = workflow_facts(fmt::format(R"({{"templates":[{}]}})", templates));
  EXPECT_EQ(facts.images.size(), kMostImages);
  EXPECT_EQ(facts.shapes.size(), kMostShapes);
  EXPECT_FALSE(facts.complete);
}

}  // namespace
}  // namespace ingot::policy
