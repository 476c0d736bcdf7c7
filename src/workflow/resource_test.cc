#include "workflow/resource.h"

#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::HasSubstr;

Json filled(std::string resource, std::string outputs = "[]") {
  return yaml("resource: " + resource + "\noutputs: {parameters: " + outputs + "}");
}
const Facts kFacts{.name = "wf", .ns = "default", .uid = "u1"};

TEST(Resource, WhatIsToBeMade) {
  const Node node{.id = "wf-123"};
  const auto plan = plan_resource(
      filled(
          R"({action: create, setOwnerReference: true, manifest: "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: m-}}"})"),
      kFacts, node);
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_EQ(plan->name, "m-123") << "a name that is the same when it is done again";
  EXPECT_EQ(plan->ns, "default");
  EXPECT_EQ(api::to_text(plan->manifest.at("metadata").at("ownerReferences")),
            R"([{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","name":"wf","uid":"u1"}])");
  EXPECT_TRUE(made_by(plan->manifest, kFacts, node));
  EXPECT_FALSE(made_by(plan->manifest, kFacts, Node{.id = "wf-124"}));
}

TEST(Resource, NamesStayNames) {
  const auto fault = [](std::string metadata) {
    return plan_resource(
               filled("{action: get, manifest: '{apiVersion: v1, kind: Pod, metadata: " + metadata + "}'}"),
               kFacts, Node{.id = "wf-1"})
        .error();
  };
  EXPECT_EQ(fault("{name: ../secrets/x}"), "resource.manifest: metadata.name is no name");
  EXPECT_EQ(fault("{name: x, namespace: a/b}"), "resource.manifest: metadata.namespace is no name");
  EXPECT_EQ(fault("{name: x%2fy}"), "resource.manifest: metadata.name is no name");
  EXPECT_EQ(fault("{}"), "resource.manifest: apiVersion, kind and metadata.name are required");
}

TEST(Resource, FlagsNameWhatAPatchChanges) {
  const auto plan = plan_resource(
      filled("{action: patch, mergeStrategy: json, flags: [deploy/web, -n, prod, --subresource=scale, "
             "'--validate=false'], manifest: '[{op: replace, path: /spec/replicas, value: 3}]'}"),
      kFacts, Node{.id = "wf-1"});
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_EQ(plan->type + " " + plan->name + " " + plan->ns + " " + plan->subresource,
            "deploy web prod scale");
  EXPECT_EQ(plan->query, "&fieldValidation=Ignore");
  EXPECT_EQ(plan->patch_type, "application/json-patch+json");
  EXPECT_EQ(api::to_text(plan->manifest), R"([{"op":"replace","path":"/spec/replicas","value":3}])");
  const auto fault = [](std::string flags) {
    return plan_resource(filled("{action: get, flags: " + flags + "}"), kFacts, Node{.id = "wf-1"}).error();
  };
  EXPECT_THAT(fault("[pod, ../x]"), HasSubstr("is no name"));
  EXPECT_THAT(fault("[pod, x, '--namespace=a/b']"), HasSubstr("is no name"));
  EXPECT_THAT(fault("[pod]"), HasSubstr("TYPE NAME or TYPE/NAME"));
}

TEST(Resource, ConditionsAreOfPaths) {
  const Json object = yaml(R"(
status: {phase: Ready, succeeded: 3, conditions: [{type: Complete, status: "True"}], done: true}
)");
  EXPECT_TRUE(*condition_holds("status.phase=Ready, status.succeeded > 2", object));
  EXPECT_TRUE(*condition_holds("status.phase in (Ready,Done),status.done==true", object));
  EXPECT_TRUE(*condition_holds("status.conditions.0.status=True", object));
  EXPECT_FALSE(*condition_holds("status.succeeded > 3", object));
  EXPECT_FALSE(*condition_holds("status.other!=x", object)) << "what is not there does not hold yet";
  EXPECT_FALSE(condition_holds("status.phase ~ x", object));
}

TEST(Resource, FailuresGoFirst) {
  ResourcePlan plan{.success = "status.n > 0", .failure = "status.n > 1"};
  EXPECT_EQ(*judge(plan, yaml("status: {n: 0}")), std::nullopt);
  EXPECT_EQ(*judge(plan, yaml("status: {n: 1}")), std::optional(true));
  EXPECT_EQ(*judge(plan, yaml("status: {n: 2}")), std::optional(false));
  EXPECT_EQ(*judge({}, yaml("{}")), std::optional(true));
}

TEST(Resource, WhatItGives) {
  const Json body = filled("{}",
                           "[{name: n, valueFrom: {jsonPath: '{.metadata.name}'}},"
                           " {name: o, valueFrom: {jsonPath: '{.x}', default: none}}]");
  EXPECT_EQ(api::to_text(**resource_outputs(body, yaml("metadata: {name: m}"))),
            R"({"parameters":[{"name":"n","value":"m"},{"name":"o","value":"none"}]})");
  EXPECT_THAT(
      resource_outputs(filled("{}", "[{name: n, valueFrom: {jsonPath: '{.x}'}}]"), yaml("{}")).error(),
      HasSubstr("outputs.parameters.n: "));
}

TEST(Resource, WhatIsNotThereIsSaid) {
  const auto fault = [](std::string resource, std::string outputs = "[]") {
    return check_resource(filled(resource, outputs)).error();
  };
  EXPECT_EQ(fault("{action: create, flags: [--x], manifest: x}"), "resource.flags: --x is not implemented");
  EXPECT_EQ(fault("{action: create, flags: [cm, m], manifest: x}"),
            "resource.flags: of create the manifest names the object");
  EXPECT_EQ(fault("{action: get, flags: ['--dry-run=client'], manifest: x}"),
            "resource.flags: --dry-run=client is not implemented");
  EXPECT_EQ(fault("{action: get, manifestFrom: {}}"), "resource.manifestFrom is not implemented");
  EXPECT_THAT(fault("{action: patch, mergeStrategy: json, manifest: '[]'}"),
              HasSubstr("flags name what it changes"));
  EXPECT_EQ(fault("{action: move, manifest: x}"),
            "resource.action 'move' is none of get, create, apply, patch, replace, delete");
  EXPECT_EQ(fault("{action: get}"), "resource.manifest is required");
  EXPECT_THAT(fault("{action: get, manifest: x, successCondition: 'a ~ b'}"),
              HasSubstr("resource.successCondition: "));
  EXPECT_EQ(fault("{action: get, manifest: x}", "[{name: n, valueFrom: {jqFilter: .x}}]"),
            "outputs.parameters.n.valueFrom.jqFilter is not implemented: jsonPath is");
}

}  // namespace
}  // namespace ingot::workflow
