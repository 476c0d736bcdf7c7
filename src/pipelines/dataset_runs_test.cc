#include "pipelines/dataset_runs.h"

#include <gmock/gmock.h>

#include "store/testing.h"
#include "workflow/rows.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using testing::ElementsAre;

const ClusterId kVision("vision1");

struct DatasetRunsTest : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(f.input([&](store::Turn& turn) {
      (void)turn.put({kVision, "namespaces", "", "default"},
                     JsonObject{{"metadata", JsonObject{{"name", "default"}}}});
    }));
  }
  void start() {
    runs.reset();
    runs = std::make_unique<DatasetRuns>(f.t.env, *f.shard, *registry);
    f.t.loop.run_until_idle();
  }
  api::Key key(std::string_view resource, std::string_view name) const {
    return {kVision, resource, "default", name};
  }
  void put(std::string_view resource, std::string_view name, std::string_view spec) {
    ASSERT_TRUE(f.input([&](store::Turn& turn) {
      (void)turn.put(key(resource, name),
                     JsonObject{{"metadata", JsonObject{{"name", name}}}, {"spec", *api::parse_json(spec)}});
    }));
    f.t.loop.run_until_idle();
  }
  void version(int n) {
    put("datasetversions.factory.ingot.dev", "digits-v" + std::to_string(n),
        R"({"dataset":"digits","manifest":"sha256:aa","version":)" + std::to_string(n) + "}");
  }
  void dataset(std::string_view pipelines) {
    put("datasets.factory.ingot.dev", "digits", R"({"pipelines":)" + std::string(pipelines) + "}");
  }
  std::vector<std::string> started() {
    std::vector<std::string> names;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      turn.range(api::type_prefix(kVision, workflow::kWorkflows), "", [&](const api::ObjectPtr& o) {
        names.emplace_back(o->key.name());
        return true;
      });
    }));
    return names;
  }
  Json run(std::string_view name) {
    Json found;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      if (const auto o = turn.get(key(workflow::kWorkflows, name))) found = o->parse();
    }));
    return found;
  }
  void erase(std::string_view name) {
    ASSERT_TRUE(f.input([&](store::Turn& turn) { (void)turn.erase(key(workflow::kWorkflows, name)); }));
    f.t.loop.run_until_idle();
  }

  store::Fixture f;
  const std::shared_ptr<const api::Registry> registry = api::Registry::builtin();
  std::unique_ptr<DatasetRuns> runs;
};

constexpr std::string_view kTrain =
    R"([{"name":"train","workflowTemplateRef":{"name":"digits"},"arguments":{"parameters":[{"name":"epochs","value":"3"},{"name":"version","value":"9"}]}}])";

TEST_F(DatasetRunsTest, ANewVersionStartsItsPipelines) {
  start();
  dataset(kTrain);
  version(3);
  ASSERT_THAT(started(), ElementsAre("digits-v3-train"));
  const Json made = run("digits-v3-train");
  EXPECT_EQ(api::string_at(made, {"spec", "workflowTemplateRef", "name"}), "digits");
  EXPECT_EQ(*api::find(made, {"spec", "arguments", "parameters"}),
            *api::parse_json(R"([{"name":"epochs","value":"3"},{"name":"dataset","value":"digits"},
                                 {"name":"version","value":"3"},{"name":"digest","value":"sha256:aa"}])"));
}

TEST_F(DatasetRunsTest, OnceWhateverCrashesAndWhateverBecomesOfThem) {
  start();
  dataset(kTrain);
  version(3);
  erase("digits-v3-train");
  start();  // everything comes again
  EXPECT_THAT(started(), ElementsAre());
  version(4);
  EXPECT_THAT(started(), ElementsAre("digits-v4-train"));
}

TEST_F(DatasetRunsTest, PipelinesOfLaterRunForLaterVersions) {
  start();
  dataset("[]");
  version(1);
  dataset(kTrain);
  start();
  EXPECT_THAT(started(), ElementsAre());
  version(2);
  EXPECT_THAT(started(), ElementsAre("digits-v2-train"));
}

TEST_F(DatasetRunsTest, ItsRunIsAWorkflowAsAnybodysIs) {
  start();
  dataset(kTrain);  // of a template that is not there: the run is, and says so
  version(3);
  const Json made = run("digits-v3-train");
  EXPECT_EQ(api::string_at(made, {"metadata", "namespace"}), "default");
  EXPECT_EQ(api::int_at(made, {"metadata", "generation"}), 1);
  EXPECT_FALSE(api::string_at(made, {"metadata", "uid"}).empty());
}

TEST_F(DatasetRunsTest, InANamespaceThatIsGoingNothingStarts) {
  ASSERT_TRUE(f.input([&](store::Turn& turn) { (void)turn.erase({kVision, "namespaces", "", "default"}); }));
  start();
  dataset(kTrain);
  version(3);
  EXPECT_THAT(started(), ElementsAre());
}

TEST_F(DatasetRunsTest, WithoutADatasetNothingStarts) {
  start();
  version(1);
  EXPECT_THAT(started(), ElementsAre());
}

TEST(DatasetRunName, IsALabelsValueAtMost) {
  EXPECT_EQ(dataset_run_name("digits-v3", "train"), "digits-v3-train");
  const std::string a = dataset_run_name(std::string(60, 'a') + "-v1", "train"),
                    b = dataset_run_name(std::string(60, 'a') + "-v2", "train");
  EXPECT_EQ(a.size(), 63u);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace ingot::pipelines
