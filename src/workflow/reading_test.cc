#include "workflow/reading.h"

#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

Json workflow(std::string spec) { return yaml("spec: " + spec); }

const Lookup kOne = [](bool cluster, std::string_view name) -> std::optional<Json> {
  if (cluster || name != "one") return std::nullopt;
  return yaml("spec: {templates: [{name: a, container: {image: i}}]}");
};

TEST(Reading, WhatNeedsNobodyElseIsCheckedAlone) {
  const Json good = workflow("{entrypoint: a, templates: [{name: a, container: {image: i}}]}");
  EXPECT_TRUE(check_alone("Workflow", good));
  EXPECT_TRUE(stands_alone(good));
  const Json bad =
      workflow("{entrypoint: a, templates: [{name: a, steps: [[{name: x, template: nowhere}]]}]}");
  EXPECT_EQ(check_alone("Workflow", bad).error(),
            "templates.a.steps[0].x: template name 'nowhere' undefined");
  EXPECT_EQ(check_alone("Workflow", bad), check("Workflow", bad, kOne));
}

TEST(Reading, WhatRefersToOthersIsCheckedWithoutThemFirst) {
  const auto refers = [](std::string name, std::string of, std::string more = "") {
    return workflow("{entrypoint: m, templates: [{name: m, steps: [[{name: x, templateRef: {name: " + name +
                    ", template: " + of + "}}" + more + "]]}]}");
  };
  const Json good = refers("one", "a");
  EXPECT_TRUE(check_alone("Workflow", good));
  EXPECT_FALSE(stands_alone(good));
  EXPECT_TRUE(check_references(good, kOne));
  EXPECT_EQ(check_references(refers("one", "b"), kOne).error(),
            "template \"b\" of workflowtemplate \"one\" not found");
  EXPECT_EQ(check_references(refers("two", "a"), kOne).error(), "workflowtemplate \"two\" not found");
  EXPECT_EQ(check_alone("Workflow", refers("one", "a", ", {name: y, template: z}")).error(),
            "templates.m.steps[0].y: template name 'z' undefined");
  const Json whole = workflow("{workflowTemplateRef: {name: two}}");
  EXPECT_FALSE(stands_alone(whole));
  EXPECT_EQ(check_references(whole, kOne).error(), "workflowtemplate \"two\" not found");
}

}  // namespace
}  // namespace ingot::workflow
