#include "registry/lineage.h"

#include <gmock/gmock.h>

#include "registry/lineage_index.h"
#include "registry/witness.h"
#include "store/testing.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonObject;
using api::Key;
using api::string_at;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const ClusterId kVision("vision1"), kSpeech("speech1");
const std::string kManifest = "sha256:" + std::string(64, 'd'), kImage = "sha256:" + std::string(64, 'c');
const std::string kCommit = "9a1c2e7" + std::string(33, '0');

TEST(LineageIndexTest, FindsTheNewestRowsOfAName) {
  LineageIndex index(1'000'000);
  for (uint64_t row = 1; row <= 5'000; ++row) {
    index.add("a", "all", row);
    index.add("a", "n" + std::to_string(row % 1'000), row);
  }
  EXPECT_THAT(index.find("a", "n7", 10), ElementsAre(4'007, 3'007, 2'007, 1'007, 7));
  EXPECT_THAT(index.find("a", "n7", 2), ElementsAre(4'007, 3'007, 2'007));
  EXPECT_EQ(index.find("a", "all", 100).size(), 101u);
  EXPECT_EQ(index.find("a", "all", 100).front(), 5'000u);
  EXPECT_THAT(index.find("b", "n7", 10), IsEmpty());
  EXPECT_EQ(index.from(), 0u);
}

TEST(LineageIndexTest, ForgetsTheOldestBeyondItsSizeAndSaysSo) {
  LineageIndex index(2'000);
  for (uint64_t row = 1; row <= 10'000; ++row) index.add("a", "all", row);
  EXPECT_LE(index.size(), 2'600u);
  EXPECT_GT(index.from(), 7'000u);
  const auto found = index.find("a", "all", 10'000);
  EXPECT_EQ(found.front(), 10'000u);
  EXPECT_GE(found.back(), index.from());
}

struct LineageTest : testing::Test {
  LineageTest() : worker(f.t.loop) { start(); }

  void start() {
    witness = nullptr;
    lineage = nullptr;
    witness = std::make_unique<Witness>(f.t.env, *f.shard);
    lineage = std::make_unique<Lineage>(f.t.env, *f.shard, worker);
    f.t.loop.advance(std::chrono::seconds(1));
  }
  void reopen() {
    witness = nullptr;
    lineage = nullptr;
    f.reopen();
    start();
  }
  static Key key(std::string_view resource, std::string_view name, const ClusterId& cluster = kVision) {
    return {cluster, resource, resource == "modelversions.factory.ingot.dev" ? "" : "default", name};
  }
  void put(const Key& at, std::string_view text) {
    Json object = *api::parse_json(text);
    api::set(object, {"metadata", "name"}, std::string(at.name()));
    if (!at.ns().empty()) api::set(object, {"metadata", "namespace"}, std::string(at.ns()));
    ASSERT_TRUE(f.input([&](store::Turn& turn) { (void)turn.put(at, std::move(object)); }));
    f.t.loop.run_until_idle();
  }
  void erase(const Key& at) {
    ASSERT_TRUE(f.input([&](store::Turn& turn) { ASSERT_TRUE(turn.erase(at)); }));
    f.t.loop.run_until_idle();
  }
  void row(std::string stream, std::string_view data, const ClusterId& cluster = kVision) {
    ASSERT_TRUE(f.input([&](store::Turn& turn) {
      turn.append({.stream = std::move(stream),
                   .cluster = cluster.value,
                   .at = f.t.clock.wall(),
                   .data = std::string(data)});
    }));
  }

  void data(const ClusterId& cluster = kVision, std::string_view source = "") {
    put(key("datasets.factory.ingot.dev", "digits", cluster),
        R"({"spec":{"classification":"internal","region":"eu"}})");
    put(key("datasetversions.factory.ingot.dev", "digits-v1", cluster),
        R"({"metadata":{"uid":"d1","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"dataset":"digits","version":1,"files":3,"bytes":9,)"
        R"("source":")" +
            std::string(source) + R"(","manifest":")" + kManifest + "\"}}");
  }
  static std::string pod(std::string_view uid, std::string_view phase, bool owned = true,
                         bool with_data = true) {
    return R"({"metadata":{"uid":")" + std::string(uid) +
           R"(","annotations":{"workflows.argoproj.io/node-name":"train.fit")" +
           (owned ? R"(,"factory.ingot.dev/run-node":"w1/n1"})" : "}") +
           (owned ? R"(,"ownerReferences":[{"kind":"Workflow","name":"train","uid":"w1","controller":true}])"
                  : "") +
           R"(},"spec":{"nodeName":"node-0")" +
           (with_data
                ? R"(,"volumes":[{"csi":{"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"digits","version":"1"}}}])"
                : "") +
           R"(},"status":{"phase":")" + std::string(phase) +
           R"(","containerStatuses":[{"name":"main","image":"train:1","imageID":")" + kImage +
           R"(","state":{"terminated":{"finishedAt":"2026-01-02T03:00:09Z"}}}]}})";
  }
  static std::string workflow(bool over, bool commit = true) {
    return R"({"metadata":{"uid":"w1","labels":{"workflows.argoproj.io/completed":")" +
           std::string(over ? "true" : "false") + "\"" +
           (commit
                ? R"(,"factory.ingot.dev/repository":"digits","factory.ingot.dev/commit":")" + kCommit + "\""
                : "") +
           R"(}},"spec":{"arguments":{"parameters":[{"name":"epochs","value":3}]}},"status":{"phase":")" +
           (over ? "Succeeded" : "Running") + R"(","finishedAt":"2026-01-02T03:00:10Z"}})";
  }
  // A pipeline that reads data, and registers a model before it ends.
  void pipeline() {
    data();
    put(key("workflows.argoproj.io", "train"), workflow(false));
    put(key("pods", "train-fit"), pod("p1", "Running"));
    registered();
    put(key("pods", "train-fit"), pod("p1", "Succeeded"));
    put(key("workflows.argoproj.io", "train"), workflow(true));
    row("ledger",
        R"({"podUID":"p1","pod":"train-fit","device":"GPU-1","model":"H100","simulated":true,"node":"node-0","currency":"USD","cost":"0.010000","microseconds":41000000})");
    row("ledger",
        R"({"podUID":"p1","pod":"train-fit","device":"cpu","node":"node-0","currency":"USD","cost":"0.002500","microseconds":41000000})");
  }
  void registered(const ClusterId& cluster = kVision) {
    put({cluster, "modelversions.factory.ingot.dev", "", "digits-v1"},
        R"({"metadata":{"uid":"v1"},"spec":{"provenanceOf":{"namespace":"default","workflow":"train","workflowUid":"w1"}}})");
    row("lineage",
        R"({"type":"version.registered","model":"digits","version":1,"uid":"v1","origin":"run","manifest":"sha256:m","runId":"r1","by":"ada",)"
        R"("provenanceOf":{"namespace":"default","pod":"train-fit","podUid":"p1","workflow":"train","workflowUid":"w1","commit":")" +
            kCommit + R"(","parameters":{"hidden":"64"},"metrics":{"accuracy":"0.978"}}})",
        cluster);
    row("lineage",
        R"({"type":"version.ready","model":"digits","version":1,"uid":"v1","keyId":"k1","signature":"sha256:s"})",
        cluster);
    row("lineage", R"({"type":"alias.moved","model":"digits","alias":"production","to":1,"by":"grace"})",
        cluster);
  }

  Result<Json> ask(std::string of, LineageQuery::Way way = LineageQuery::Way::Both,
                   const ClusterId& cluster = kVision, size_t nodes = 500) {
    std::optional<Result<std::string>> told;
    lineage->ask({.cluster = cluster, .of = std::move(of), .way = way, .nodes = nodes},
                 [&](Result<std::string> text) { told = std::move(text); });
    f.t.loop.run_until_idle();
    if (!told) return fail(Reason::Timeout, "no answer");
    if (!*told) return fail(told->error());
    return api::parse_json(**told);
  }
  std::vector<std::string> ids(const Result<Json>& answer) {
    std::vector<std::string> all;
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().message);
    if (answer)
      for (const Json& node : api::array_at(*answer, {"nodes"})) all.emplace_back(string_at(node, {"id"}));
    return all;
  }
  static Json node(const Result<Json>& answer, std::string_view id) {
    if (answer)
      for (const Json& node : api::array_at(*answer, {"nodes"}))
        if (string_at(node, {"id"}) == id) return node;
    return {};
  }
  size_t rows() { return f.rows({.stream = "lineage"}).size(); }

  store::Fixture f;
  env::InlineWorker worker;
  std::unique_ptr<Witness> witness;
  std::unique_ptr<Lineage> lineage;
};

TEST_F(LineageTest, AModelTellsWhatMadeIt) {
  pipeline();
  const auto answer = ask("model/digits@1", LineageQuery::Way::Up);
  EXPECT_THAT(ids(answer), ElementsAre("commit/" + kCommit, "data/" + kManifest, "image/" + kImage, "run/w1",
                                       "version/digits@1"));
  const Json version = node(answer, "version/digits@1"), run = node(answer, "run/w1");
  EXPECT_EQ(string_at(version, {"by"}), "ada");
  EXPECT_EQ(string_at(version, {"metrics", "accuracy"}), "0.978");
  EXPECT_EQ(string_at(version, {"phase"}), "Ready");
  EXPECT_EQ(string_at(api::array_at(version, {"aliases"})[0], {"by"}), "grace");
  EXPECT_EQ(string_at(run, {"phase"}), "Succeeded");
  EXPECT_EQ(string_at(run, {"cost"}), "0.012500");
  EXPECT_EQ(string_at(run, {"parameters", "epochs"}), "3");
  const Json pod = api::array_at(run, {"pods"})[0];
  EXPECT_EQ(string_at(pod, {"node"}), "node-0");
  EXPECT_EQ(string_at(pod, {"step"}), "train.fit");
  EXPECT_EQ(api::to_text(api::array_at(pod, {"gpus"})[0]),
            R"({"uuid":"GPU-1","model":"H100","simulated":true})");
  const Json data = node(answer, "data/" + kManifest);
  EXPECT_EQ(string_at(data, {"classification"}), "internal");
  EXPECT_EQ(api::array_at(data, {"names"})[0], Json("default/digits-v1"));
  EXPECT_EQ(api::array_at(*answer, {"edges"}).size(), 4u);
}

TEST_F(LineageTest, DataACommitAndAnImageTellWhatCameOfThem) {
  pipeline();
  for (const std::string& of : {"data/" + kManifest, std::string("data/default/digits-v1"),
                                "commit/" + kCommit, std::string("commit/9a1c2e7"), "image/" + kImage})
    EXPECT_THAT(ids(ask(of, LineageQuery::Way::Down)), testing::IsSupersetOf({"run/w1", "version/digits@1"}))
        << of;
  EXPECT_THAT(ids(ask("run/default/train")), testing::SizeIs(5));
  EXPECT_THAT(ids(ask("model/digits")), testing::SizeIs(5));
}

TEST_F(LineageTest, WhoLetItThroughIsToldOfRunsAndVersions) {
  pipeline();
  row("verdicts",
      R"({"kind":"Pod","name":"train-fit","uid":"p1","workflowUid":"w1","result":"FAILED","gates":["scans"],"text":"no scan",)"
      R"("statement":{"predicate":{"ingot_findings":[{"gate":"scans","rule":"fresh"}]}}})");
  row("verdicts",
      R"({"kind":"ModelVersion","name":"digits-v1","uid":"v1","workflowUid":"w1","result":"PASSED","gates":["accuracy"]})");
  row("verdicts", R"({"kind":"Pod","name":"other","uid":"px","result":"PASSED","gates":["scans"]})");
  const auto answer = ask("model/digits@1");
  const api::JsonArray run = api::array_at(node(answer, "run/w1"), {"verdicts"}),
                       version = api::array_at(node(answer, "version/digits@1"), {"verdicts"});
  ASSERT_EQ(run.size(), 1u);
  EXPECT_EQ(string_at(run[0], {"text"}), "no scan");
  EXPECT_EQ(string_at(api::array_at(run[0], {"findings"})[0], {"rule"}), "fresh");
  ASSERT_EQ(version.size(), 1u);
  EXPECT_EQ(string_at(version[0], {"result"}), "PASSED");
}

TEST_F(LineageTest, ItAnswersWhenAllIsDeleted) {
  pipeline();
  erase(key("pods", "train-fit"));
  erase(key("workflows.argoproj.io", "train"));
  erase(key("datasetversions.factory.ingot.dev", "digits-v1"));
  erase({kVision, "modelversions.factory.ingot.dev", "", "digits-v1"});
  row("lineage",
      R"({"type":"version.deleted","model":"digits","version":1,"uid":"v1","spec":{"origin":"run"}})");
  reopen();
  const auto answer = ask("model/digits@1");
  EXPECT_THAT(ids(answer), testing::SizeIs(5));
  EXPECT_TRUE(api::bool_at(node(answer, "version/digits@1"), {"gone"}));
  EXPECT_THAT(std::string(string_at(node(answer, "version/digits@1"), {"deleted"})), HasSubstr("2026-"));
  EXPECT_TRUE(api::bool_at(node(answer, "run/w1"), {"gone"}));
  const Json data = node(answer, "data/" + kManifest);
  EXPECT_TRUE(api::bool_at(data, {"gone"}));
  EXPECT_EQ(string_at(api::array_at(data, {"deleted"})[0], {"name"}), "default/digits-v1");
  EXPECT_THAT(ids(ask("data/default/digits-v1", LineageQuery::Way::Down)),
              testing::Contains("version/digits@1"));
}

TEST_F(LineageTest, ATenantSeesItsOwnAlone) {
  pipeline();
  data(kSpeech);
  EXPECT_EQ(ask("model/digits@1", LineageQuery::Way::Both, kSpeech).error().reason, Reason::NotFound);
  EXPECT_EQ(ask("commit/9a1c2e7", LineageQuery::Way::Both, kSpeech).error().reason, Reason::NotFound);
  EXPECT_THAT(ids(ask("data/" + kManifest, LineageQuery::Way::Both, kSpeech)),
              ElementsAre("data/" + kManifest));
}

TEST_F(LineageTest, APodThatIsDeletedBeforeItEndsHasSeenTheData) {
  data();
  put(key("pods", "peek"), pod("p9", "Running", false));
  erase(key("pods", "peek"));
  const auto answer = ask("data/default/digits-v1");
  EXPECT_EQ(string_at(node(answer, "run/p9"), {"phase"}), "Deleted");
  EXPECT_TRUE(api::bool_at(node(answer, "run/p9"), {"gone"}));
}

TEST_F(LineageTest, APodIsOfNoRunThatItOnlyNames) {
  data();
  put(key("workflows.argoproj.io", "train"), workflow(false));
  std::string forged = pod("p8", "Succeeded");
  constexpr std::string_view kMark = R"(,"factory.ingot.dev/run-node":"w1/n1")";
  forged.erase(forged.find(kMark), kMark.size());
  put(key("pods", "forged"), forged);
  EXPECT_THAT(ids(ask("data/default/digits-v1", LineageQuery::Way::Down)),
              ElementsAre("data/" + kManifest, "run/p8"));
}

TEST_F(LineageTest, APodOfARunThatIsGoneIsOfThatRun) {
  data();
  put(key("workflows.argoproj.io", "train"), workflow(false));
  put(key("pods", "train-fit"), pod("p1", "Running"));
  erase(key("workflows.argoproj.io", "train"));
  erase(key("pods", "train-fit"));
  const auto answer = ask("commit/9a1c2e7");
  EXPECT_EQ(string_at(node(answer, "run/w1"), {"phase"}), "Deleted");
  EXPECT_EQ(api::array_at(node(answer, "run/w1"), {"pods"}).size(), 1u);
  EXPECT_THAT(ids(ask("data/default/digits-v1", LineageQuery::Way::Down)), testing::Contains("run/w1"));
}

TEST_F(LineageTest, AJobsPodIsARunThatIsCalledAfterIt) {
  data();
  put(key("jobs.batch", "fit"), R"({"metadata":{"uid":"j1"}})");
  std::string owned = pod("p5", "Succeeded", false);
  owned.insert(owned.find(R"(,"annotations")"),
               R"(,"ownerReferences":[{"kind":"Job","name":"fit","uid":"j1","controller":true}])");
  put(key("pods", "fit-x1"), owned);
  row("lineage",
      R"({"type":"version.registered","model":"digits","version":2,"uid":"v2","origin":"run","provenanceOf":{"namespace":"default","pod":"fit-x1","podUid":"p5"}})");
  const auto answer = ask("run/default/fit");
  EXPECT_EQ(string_at(node(answer, "run/p5"), {"job"}), "fit");
  EXPECT_THAT(ids(answer), testing::IsSupersetOf({"data/" + kManifest, std::string("version/digits@2")}));
  // Of a Job that was not there the pod says nothing.
  const size_t uid = owned.find(R"("uid":"j1")");
  owned.replace(uid, 10, R"("uid":"jx")");
  owned.replace(owned.find("p5"), 2, "p6");
  put(key("pods", "fit-x2"), owned);
  EXPECT_EQ(string_at(node(ask("run/p6"), "run/p6"), {"job"}), "");
}

TEST_F(LineageTest, WhatUsedNothingLeavesNoRow) {
  put(key("workflows.argoproj.io", "plain"), workflow(true, false));
  put(key("pods", "plain-1"), pod("p7", "Succeeded", false, false));
  put(key("pods", "waits"),
      R"({"metadata":{"uid":"p6"},"spec":{"volumes":[{"csi":{"driver":"datasets.ingot.dev"}}]},"status":{"phase":"Failed"}})");
  EXPECT_EQ(rows(), 0u);
}

TEST_F(LineageTest, RowsAreWrittenOnceWhateverFails) {
  data();
  put(key("workflows.argoproj.io", "train"), workflow(false));
  put(key("pods", "train-fit"), pod("p1", "Running"));
  bool armed = false;
  // The commit after the one that shows the pod's end is that of the row.
  ASSERT_TRUE(f.shard->submit([&](store::Turn& turn) {
    (void)turn.put(key("pods", "train-fit"), *api::parse_json(pod("p1", "Succeeded")));
    turn.then(turn.revision(), [&](const Result<void>&) {
      f.t.faults.arm("store.commit.unsure", 1);
      armed = true;
    });
  }));
  f.t.loop.advance(std::chrono::seconds(5));
  ASSERT_TRUE(armed);
  put(key("workflows.argoproj.io", "train"), workflow(true));
  f.t.loop.advance(std::chrono::seconds(5));
  EXPECT_EQ(rows(), 3u);  // the data, the pod, the workflow
  reopen();
  EXPECT_EQ(rows(), 3u);
  const Json run = node(ask("commit/9a1c2e7"), "run/w1");
  EXPECT_EQ(api::array_at(run, {"pods"}).size(), 1u);
}

TEST_F(LineageTest, ARunIsCaredForUntilItsRowIsDurable) {
  data();
  put(key("workflows.argoproj.io", "train"), workflow(false, false));
  put(key("pods", "train-fit"), pod("p1", "Succeeded"));
  EXPECT_EQ(rows(), 2u);
  ASSERT_TRUE(f.shard->submit([&](store::Turn& turn) {
    (void)turn.put(key("workflows.argoproj.io", "train"), *api::parse_json(workflow(true, false)));
    turn.then(turn.revision(), [&](const Result<void>&) { f.t.faults.arm("store.commit.fail", 1); });
  }));
  f.t.loop.advance(std::chrono::seconds(5));
  EXPECT_EQ(rows(), 3u);
}

TEST_F(LineageTest, WhatEndedWhileNobodyLookedIsWrittenDownAfterwards) {
  data();
  witness = nullptr;
  put(key("pods", "peek"), pod("p9", "Running", false));
  erase(key("pods", "peek"));
  reopen();
  EXPECT_THAT(ids(ask("data/default/digits-v1")), testing::Contains("run/p9"));
}

TEST_F(LineageTest, DataThatARunLeftLeadsToItsModels) {
  pipeline();
  const std::string made = "sha256:" + std::string(64, 'e');
  put(key("datasetversions.factory.ingot.dev", "features-v1"),
      R"({"metadata":{"uid":"d2"},"spec":{"dataset":"features","version":1,"source":"run:train/fit:out","manifest":")" +
          made + "\"}}");
  const auto up = ask("data/" + made, LineageQuery::Way::Up);
  EXPECT_THAT(ids(up),
              testing::IsSupersetOf({"commit/" + kCommit, "data/" + kManifest, std::string("run/w1")}));
  EXPECT_THAT(ids(ask("data/" + kManifest, LineageQuery::Way::Down)), testing::Contains("data/" + made));
  for (const Json& edge : api::array_at(*up, {"edges"}))
    EXPECT_EQ(api::bool_at(edge, {"said"}), string_at(edge, {"to"}) == "data/" + made) << api::to_text(edge);
}

TEST_F(LineageTest, AnswersAreCutAndSaySo) {
  data();
  for (int i = 0; i < 20; ++i)
    put(key("pods", "p" + std::to_string(i)), pod("u" + std::to_string(i), "Succeeded", false));
  const auto answer = ask("data/default/digits-v1", LineageQuery::Way::Down, kVision, 10);
  EXPECT_EQ(ids(answer).size(), 10u);
  EXPECT_THAT(api::to_text(*answer), HasSubstr(R"("cut":["more than 10 nodes"])"));
  EXPECT_EQ(ids(ask("data/default/digits-v1", LineageQuery::Way::Down)).size(), 21u);
}

TEST_F(LineageTest, WhatMeansNothingIsRefused) {
  for (const char* of : {"", "model", "model/", "model/a/b", "data/sha256:12", "data/a/", "data/a/b/c",
                         "commit/12345", "commit/zzzzzzzz", "image/x", "pod/a", "run/"})
    EXPECT_EQ(ask(of).error().reason, Reason::BadRequest) << of;
  for (const char* of : {"model/none", "model/none@7", "model/none@production", "data/default/none-v1",
                         "commit/1234567", "run/default/none", "run/none"})
    EXPECT_EQ(ask(of).error().reason, Reason::NotFound) << of;
}

TEST_F(LineageTest, SoManyQuestionsAtOnce) {
  pipeline();
  std::vector<Result<std::string>> told;
  for (size_t i = 0; i < Lineage::kMostOfCluster + 1; ++i)
    lineage->ask({.cluster = kVision, .of = "model/digits@1"},
                 [&](Result<std::string> text) { told.push_back(std::move(text)); });
  f.t.loop.run_until_idle();
  ASSERT_EQ(told.size(), Lineage::kMostOfCluster + 1);
  EXPECT_EQ(std::ranges::count_if(told, [](const auto& one) { return !one; }), 1);
  EXPECT_TRUE(ask("model/digits@1"));
}

}  // namespace
}  // namespace ingot::registry
