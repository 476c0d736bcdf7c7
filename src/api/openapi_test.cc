#include "api/openapi.h"

#include <gtest/gtest.h>

#include <set>

#include "api/discovery.h"

namespace ingot::api {
namespace {

class OpenApiTest : public testing::Test {
 protected:
  // Every $ref of a document must name a schema of the same document.
  void expect_closed(const Json& value, const JsonObject& schemas, std::string_view prefix) {
    if (const JsonObject* object = value.if_object()) {
      for (const auto& member : *object) {
        if (member.key() == "$ref") {
          const std::string ref(member.value().as_string());
          ASSERT_TRUE(ref.starts_with(prefix)) << ref;
          EXPECT_TRUE(schemas.contains(ref.substr(prefix.size()))) << ref;
        } else {
          expect_closed(member.value(), schemas, prefix);
        }
      }
    } else if (const JsonArray* array = value.if_array()) {
      for (const Json& item : *array) expect_closed(item, schemas, prefix);
    }
  }
  std::shared_ptr<const Registry> registry = Registry::builtin();
};

TEST_F(OpenApiTest, DiscoveryListsWhatIsServed) {
  const Json core = *api_resource_list(*registry, false, "", "v1");
  EXPECT_EQ(string_at(core, {"groupVersion"}), "v1");
  std::set<std::string> names;
  for (const Json& r : array_at(core, {"resources"})) names.emplace(string_at(r, {"name"}));
  for (const char* name :
       {"pods", "pods/log", "pods/binding", "namespaces", "serviceaccounts/token", "nodes/status"})
    EXPECT_TRUE(names.contains(name)) << name;
  EXPECT_EQ(api_resource_list(*registry, true, "apps", "v1"), std::nullopt);
  EXPECT_EQ(string_at(*api_group(*registry, false, "batch"), {"preferredVersion", "groupVersion"}),
            "batch/v1");
}

TEST_F(OpenApiTest, TenantsDoNotSeeTheFactory) {
  auto groups = [&](bool root) {
    std::set<std::string> names;
    for (const Json& g : array_at(api_group_list(*registry, root), {"groups"}))
      names.emplace(string_at(g, {"name"}));
    return names;
  };
  EXPECT_TRUE(groups(true).contains("factory.ingot.dev"));
  EXPECT_TRUE(groups(false).contains("factory.ingot.dev"));  // of what tenants make
  const Json own = *api_resource_list(*registry, false, "factory.ingot.dev", "v1alpha1");
  std::set<std::string> names;
  for (const Json& r : array_at(own, {"resources"})) names.emplace(string_at(r, {"name"}));
  EXPECT_EQ(names,
            (std::set<std::string>{"datasets", "datasetversions", "models", "models/aliases", "models/status",
                                   "modelversions", "modelversions/status", "repositories",
                                   "repositories/status", "webhooks", "webhooks/status"}));
  EXPECT_NE(openapi_v3(*registry, true, "factory.ingot.dev", "v1alpha1"), std::nullopt);
  EXPECT_EQ(to_text(openapi_v2(*registry, false)).find("dev.ingot.factory.v1alpha1.Tenant"),
            std::string::npos);
  EXPECT_EQ(to_text(aggregated_discovery(*registry, false, false)).find("tenants"), std::string::npos);
}

TEST_F(OpenApiTest, AggregatedDiscoveryHasTheLegacyGroupApart) {
  const Json core = aggregated_discovery(*registry, false, true),
             others = aggregated_discovery(*registry, true, false);
  ASSERT_EQ(array_at(core, {"items"}).size(), 1u);
  EXPECT_EQ(string_at(array_at(core, {"items"})[0], {"metadata", "name"}), "");
  const Json& resources = *find(array_at(array_at(core, {"items"})[0], {"versions"})[0], {"resources"});
  for (const Json& r : resources.as_array())
    if (string_at(r, {"resource"}) == "pods") {
      EXPECT_EQ(to_text(*find(r, {"responseKind"})), R"({"group":"","version":"v1","kind":"Pod"})");
      EXPECT_EQ(string_at(r, {"scope"}), "Namespaced");
      EXPECT_EQ(array_at(r, {"subresources"}).size(), 4u);
    }
  std::set<std::string> names;
  for (const Json& g : array_at(others, {"items"}))
    EXPECT_TRUE(names.emplace(string_at(g, {"metadata", "name"})).second);
  EXPECT_TRUE(names.contains("rbac.authorization.k8s.io"));
}

TEST_F(OpenApiTest, V3DocumentsAreClosedAndOfferFieldValidation) {
  for (const GroupVersion& gv : group_versions(*registry, true)) {
    const Json document = *openapi_v3(*registry, true, gv.group, gv.version);
    expect_closed(document, object_at(document, {"components", "schemas"}), "#/components/schemas/");
  }
  const Json core = *openapi_v3(*registry, false, "", "v1");
  const Json* patch = find(core, {"paths", "/api/v1/namespaces/{namespace}/pods/{name}", "patch"});
  ASSERT_NE(patch, nullptr);
  EXPECT_EQ(to_text(*find(*patch, {"x-kubernetes-group-version-kind"})),
            R"({"group":"","kind":"Pod","version":"v1"})");
  std::set<std::string> names;
  for (const Json& p : array_at(*patch, {"parameters"})) names.emplace(string_at(p, {"name"}));
  for (const char* name : {"fieldValidation", "fieldManager", "dryRun"})
    EXPECT_TRUE(names.contains(name)) << name;
  const Json* containers =
      find(core, {"components", "schemas", "io.k8s.api.core.v1.PodSpec", "properties", "containers"});
  ASSERT_NE(containers, nullptr);
  EXPECT_EQ(string_at(*containers, {"x-kubernetes-patch-merge-key"}), "name");
  EXPECT_EQ(string_at(*containers, {"x-kubernetes-patch-strategy"}), "merge");
}

TEST_F(OpenApiTest, TheIndexNamesEachDocumentByContent) {
  const Json index = openapi_v3_index(*registry, false, "/clusters/vision");
  const std::string_view url = string_at(index, {"paths", "apis/batch/v1", "serverRelativeURL"});
  EXPECT_TRUE(url.starts_with("/clusters/vision/openapi/v3/apis/batch/v1?hash=")) << url;
  EXPECT_EQ(url.size(), std::string("/clusters/vision/openapi/v3/apis/batch/v1?hash=").size() + 64);
}

TEST_F(OpenApiTest, V2IsClosedAndHasItsProtobufForm) {
  const Json document = openapi_v2(*registry, true);
  expect_closed(document, object_at(document, {"definitions"}), "#/definitions/");
  const std::string bytes = openapi_v2_protobuf(document);
  EXPECT_TRUE(
      bytes.starts_with(std::string("\x0a\x03"
                                    "2.0"
                                    "\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.0",
                                    28)));
  for (const char* text : {"io.k8s.api.core.v1.PodSpec", "#/definitions/io.k8s.api.core.v1.Container",
                           "x-kubernetes-patch-merge-key", "fieldValidation"})
    EXPECT_NE(bytes.find(text), std::string::npos) << text;
}

}  // namespace
}  // namespace ingot::api
