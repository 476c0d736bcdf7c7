// Data sets as volumes of pods, through the whole agent.
#include "node/agent_fixture.h"

namespace ingot::node {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kDigits = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

struct DatasetTest : AgentTest {
  static std::string version_path(const std::string& name = "digits-v3") {
    return "/clusters/vision/apis/factory.ingot.dev/v1alpha1/namespaces/default/datasetversions/" + name;
  }
  void add_version() {
    api.objects[version_path()] = parsed(
        fmt::format(R"({{"spec":{{"dataset":"digits","version":3,"manifest":"sha256:{}"}}}})", kDigits));
  }
  api::Json pod(std::string_view attributes, std::string_view driver = "datasets.ingot.dev") {
    api::Json made = make_pod(
        "Always", fmt::format(R"(,"volumes":[{{"name":"d","csi":{{"driver":"{}","volumeAttributes":{}}}}}])",
                              driver, attributes));
    api::JsonArray mounts{api::JsonObject{{"name", "d"}, {"mountPath", "/data"}}};
    made.at("spec").at("containers").as_array()[0].as_object()["volumeMounts"] = std::move(mounts);
    return made;
  }
  std::string waiting() { return std::string(api::string_at(container(), {"state", "waiting", "message"})); }
};

TEST_F(DatasetTest, ItsFilesAreMountedReadOnly) {
  add_version();
  boot();
  bind(pod(R"({"dataset":"digits","version":"3"})"));
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(runtime.asked_for_datasets->cluster, "c7");
  EXPECT_EQ(runtime.asked_for_datasets->marks, "/pods/u1/datasets");
  const auto& mounts = runtime.specs.begin()->second.mounts;
  const auto own = std::ranges::find(mounts, "/data", &Mount::container_path);
  ASSERT_NE(own, mounts.end());
  EXPECT_EQ(own->host_path, fmt::format("/datasets/{}", kDigits));
  EXPECT_TRUE(own->read_only);
}

TEST_F(DatasetTest, WhatIsNotThereIsSaidAsKubernetesSaysIt) {
  boot();
  bind(pod(R"({"dataset":"digits","version":"3"})"));
  EXPECT_EQ(phase(), "Pending");
  EXPECT_EQ(waiting(),
            "MountVolume.SetUp failed for volume \"d\" : data set \"digits\" has no version 3 in namespace "
            "\"default\"");
  EXPECT_THAT(api.event_reasons(), Contains("FailedMount"));
  add_version();  // it comes, and the pod starts
  t.loop.advance(5s);
  EXPECT_EQ(phase(), "Running");
}

TEST_F(DatasetTest, EveryOtherFaultToo) {
  boot();
  bind(pod(R"({"dataset":"digits"})"));
  EXPECT_THAT(waiting(), HasSubstr("data set \"digits\" has no version in namespace"));
  api.put(pod_path(), pod(R"({"dataset":"digits","version":"../x"})"));
  for (const auto& [attributes, why] :
       {std::pair{R"({"version":"3"})", "csi.volumeAttributes.dataset is required"},
        std::pair{R"({"dataset":"digits","version":"../x"})", "is no number"},
        std::pair{R"({"dataset":"digits","version":"03"})", "is no number"}}) {
    const auto read = parse_pod(pod(attributes));
    const auto content = content_of(**read, api::array_at((*read)->object, {"spec", "volumes"})[0], {}, {});
    EXPECT_THAT(content.error().message, HasSubstr(why));
  }
  const auto read = parse_pod(pod("{}", "nfs.csi.k8s.io"));
  const auto content = content_of(**read, api::array_at((*read)->object, {"spec", "volumes"})[0], {}, {});
  EXPECT_THAT(content.error().message,
              HasSubstr("nfs.csi.k8s.io not found in the list of registered CSI drivers"));
}

TEST_F(DatasetTest, FilesThatCannotBeMadeAreTriedAgain) {
  add_version();
  runtime.datasets_made = fail(Reason::NotFound, "blob sha256:00 not found");
  boot();
  bind(pod(R"({"dataset":"digits","version":"3"})"));
  EXPECT_THAT(waiting(), HasSubstr("blob sha256:00 not found"));
  runtime.datasets_made = {};
  t.loop.advance(5s);
  EXPECT_EQ(phase(), "Running");
}

}  // namespace
}  // namespace ingot::node
