#include "registry/registrar.h"

#include <gmock/gmock.h>

#include "api/deletion.h"
#include "api/model_names.h"
#include "env/testing_blobs.h"
#include "registry/bundle.h"
#include "registry/statement.h"
#include "store/testing.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

const ClusterId kVision("vision1");

// Signs by writing down what was signed.
struct TestSigner final : env::Signer {
  Result<env::Signature> sign(std::string_view message) override {
    signed_.emplace_back(message);
    return env::Signature{"key-1", "signature"};
  }
  std::vector<env::SigningKey> keys() const override { return {}; }
  Result<env::SigningKey> rotate() override { return fail(Reason::InternalError, "no"); }
  std::vector<std::string> signed_;
};

struct RegistrarTest : testing::Test {
  RegistrarTest() : blobs(f.t.clock), worker(f.t.loop) {}

  void start() {
    registrar = nullptr;
    registrar = std::make_unique<Registrar>(f.t.env, *f.shard, blobs, signer, worker,
                                            RegistrarOptions{.factory = "https://ingot.dev/factories/ab12"});
    f.t.loop.run_until_idle();
  }
  static api::Key key(std::string_view resource, std::string_view name, std::string_view ns = "") {
    return {kVision, resource, ns, name};
  }
  void put(const api::Key& at, Json object) {
    api::set(object, {"metadata", "name"}, std::string(at.name()));
    if (!at.ns().empty()) api::set(object, {"metadata", "namespace"}, std::string(at.ns()));
    ASSERT_TRUE(f.input([&](store::Turn& turn) { (void)turn.put(at, std::move(object)); }));
    f.t.loop.run_until_idle();
  }
  Json get(const api::Key& at) {
    Json found;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      if (const auto o = turn.get(at)) found = o->parse();
    }));
    return found;
  }
  Json version(int n) { return get(key(api::kModelVersions, "digits-v" + std::to_string(n))); }

  Digest files(std::vector<std::pair<std::string, std::string>> all) {
    std::vector<data::ManifestFile> list;
    for (auto& [name, bytes] : all) {
      EXPECT_TRUE(env::put_blob(blobs, kVision, bytes));
      list.push_back({name, Digest::of(bytes), int64_t(bytes.size())});
    }
    count = int64_t(list.size());
    const data::Manifest manifest = *data::make_manifest(std::move(list));
    bytes = manifest.bytes();
    return env::put_blob(blobs, kVision, data::to_text(manifest))->digest;
  }
  Json pending(int n, const Digest& manifest, std::string_view origin, Json made = nullptr) {
    JsonObject spec{{"model", "digits"}, {"version", n},   {"manifest", manifest.text()},
                    {"origin", origin},  {"files", count}, {"bytes", bytes},
                    {"runId", "0a1b"}};
    if (!made.is_null()) spec["provenanceOf"] = std::move(made);
    return JsonObject{{"metadata", JsonObject{{"uid", "uid-" + std::to_string(n)},
                                              {"creationTimestamp", "2026-07-01T00:00:00Z"},
                                              {"finalizers", JsonArray{api::kLineageFinalizer}}}},
                      {"spec", std::move(spec)},
                      {"status", JsonObject{{"phase", "PendingRegistration"}, {"by", "ada"}}}};
  }
  void add(int n, const Digest& manifest, std::string_view origin = "run", Json made = nullptr) {
    put(key(api::kModelVersions, "digits-v" + std::to_string(n)),
        pending(n, manifest, origin, std::move(made)));
  }
  std::vector<Json> history() {
    std::vector<Json> all;
    f.shard->rows({.stream = "lineage"}, [&](Result<std::vector<store::StoredRow>> rows) {
      for (const auto& row : *rows) all.push_back(*api::parse_json(row.row.data));
    });
    f.t.loop.run_until_idle();
    return all;
  }
  Json payload(std::string_view digest) {
    const auto text = env::get_blob(blobs, kVision, *Digest::parse(digest), kLargestBundle);
    EXPECT_TRUE(text);
    return *api::parse_json(parse_bundle(*text)->payload);
  }

  store::Fixture f;
  env::MemoryBlobs blobs;
  env::InlineWorker worker;
  TestSigner signer;
  int64_t count = 0, bytes = 0;
  std::unique_ptr<Registrar> registrar;
};

TEST_F(RegistrarTest, SignsTheFilesAndWhatMadeThem) {
  put(key("pods", "train-1", "default"), *api::parse_json(R"({"metadata":{"uid":"p1"},
      "spec":{"nodeName":"node-0","volumes":[{"csi":{"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"d","version":"2"}}}]},
      "status":{"containerStatuses":[{"name":"main","image":"train:1","imageID":"sha256:)" +
                                                          std::string(64, 'c') + R"("}]}})"));
  put(key("datasetversions.factory.ingot.dev", "d-v2", "default"),
      *api::parse_json(R"({"spec":{"manifest":"sha256:)" + std::string(64, 'd') + R"("}})"));
  put(key("workflows.argoproj.io", "train", "default"), *api::parse_json(R"({"metadata":{"uid":"w1",
      "annotations":{"factory.ingot.dev/repository-url":"https://git.example/digits"}},
      "spec":{"arguments":{"parameters":[{"name":"epochs","value":"3"}]}}})"));
  ASSERT_TRUE(f.input([&](store::Turn& turn) {
    (void)turn.put({kRootCluster, "allocations.factory.ingot.dev", "", "p1"},
                   *api::parse_json(R"({"metadata":{"name":"p1","labels":{"ingot.dev/simulated":"true"}},
                       "spec":{"cluster":"vision1","node":"node-0","devices":[{"uuid":"GPU-1","model":"H100"}]}})"));
  }));
  const Digest manifest = files({{"MLmodel", "m"}, {"weights", "w"}});
  start();
  add(1, manifest, "run",
      *api::parse_json(R"({"namespace":"default","pod":"train-1","podUid":"p1","workflow":"train",
      "workflowUid":"w1","commit":"9a1c2e7","parameters":{"hidden":"64"},"started":"2026-07-01T00:00:00.000000Z"})"));
  const Json made = version(1);
  EXPECT_EQ(string_at(made, {"status", "phase"}), "Ready") << string_at(made, {"status", "message"});
  EXPECT_EQ(string_at(made, {"status", "keyId"}), "key-1");
  EXPECT_EQ(string_at(made, {"status", "by"}), "ada");
  ASSERT_EQ(signer.signed_.size(), 2u);
  EXPECT_THAT(signer.signed_[0], testing::StartsWith("DSSEv1 28 application/vnd.in-toto+json "));
  const Json statement = payload(string_at(made, {"status", "signature"}));
  EXPECT_EQ(api::array_at(statement, {"predicate", "resources"}).size(), 2u);
  const Json provenance = payload(string_at(made, {"status", "provenance"}));
  EXPECT_EQ(string_at(provenance, {"predicateType"}), "https://slsa.dev/provenance/v1");
  EXPECT_EQ(string_at(provenance, {"predicate", "runDetails", "builder", "id"}),
            "https://ingot.dev/factories/ab12");
  const std::string text = api::to_text(provenance);
  for (const std::string_view part :
       {R"("gitCommit":"9a1c2e7")", "https://git.example/digits", R"("uuid":"GPU-1")", R"("simulated":true)",
        "node-0", R"("epochs":"3")", R"("hidden":"64")", "data set version d-v2", "train:1",
        R"("run":"0a1b")"})
    EXPECT_THAT(text, testing::HasSubstr(part));
  // The manifest is among the subjects: provenance is of these files.
  EXPECT_THAT(subjects(text), testing::Contains(manifest));
  const auto rows = history();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(string_at(rows[0], {"type"}), "version.ready");
  EXPECT_EQ(string_at(rows[0], {"build", "internalParameters", "node"}), "node-0");
}

TEST_F(RegistrarTest, FinishesAfterARestartWhatWasPending) {
  add(1, files({{"a", "1"}}));
  EXPECT_EQ(string_at(version(1), {"status", "phase"}), "PendingRegistration");
  f.reopen();
  start();
  EXPECT_EQ(string_at(version(1), {"status", "phase"}), "Ready");
  const std::string signature(string_at(version(1), {"status", "signature"}));
  // Nothing is done twice.
  start();
  EXPECT_EQ(string_at(version(1), {"status", "signature"}), signature);
  EXPECT_EQ(history().size(), 1u);
}

TEST_F(RegistrarTest, AFailedCommitLeavesItPendingAndItIsTriedAgain) {
  const Digest manifest = files({{"a", "1"}});
  start();
  f.t.faults.arm("store.commit.fail", 1);
  (void)f.input([&](store::Turn& turn) {
    Json object = pending(1, manifest, "run");
    api::set(object, {"metadata", "name"}, "digits-v1");
    (void)turn.put(key(api::kModelVersions, "digits-v1"), std::move(object));
  });
  f.t.loop.advance(std::chrono::seconds(30));
  if (version(1).is_null()) add(1, manifest);
  f.t.loop.advance(std::chrono::seconds(30));
  EXPECT_EQ(string_at(version(1), {"status", "phase"}), "Ready");
  EXPECT_EQ(history().size(), 1u);
}

TEST_F(RegistrarTest, SaysWhyAVersionCannotBe) {
  start();
  add(1, Digest::of("nothing"));
  EXPECT_THAT(std::string(string_at(version(1), {"status", "message"})),
              testing::HasSubstr("upload it first"));
  EXPECT_EQ(string_at(version(1), {"status", "phase"}), "Failed");
  add(2, files({{"a:b", "1"}}));
  EXPECT_THAT(std::string(string_at(version(2), {"status", "message"})), testing::HasSubstr("\":\""));
  const Digest manifest = files({{"a", "1"}});
  bytes = 7;
  add(3, manifest);
  EXPECT_THAT(std::string(string_at(version(3), {"status", "message"})), testing::HasSubstr("spec.bytes"));
  EXPECT_TRUE(signer.signed_.empty());
}

TEST_F(RegistrarTest, SignsNothingThatItDidNotSeeBeingMade) {
  start();
  add(1, files({{"a", "1"}}), "import");
  EXPECT_EQ(string_at(version(1), {"status", "phase"}), "Ready");
  EXPECT_EQ(string_at(version(1), {"status", "signature"}), "");
  EXPECT_TRUE(signer.signed_.empty());
}

TEST_F(RegistrarTest, LeavesATombstoneAndNoAliasBehind) {
  start();
  add(1, files({{"a", "1"}}));
  put(key(api::kModels, "digits"),
      *api::parse_json(
          R"({"metadata":{"uid":"m"},"spec":{"aliases":{"production":1,"other":2}},"status":{"aliases":{"production":{"version":1}}}})"));
  Json gone = version(1);
  api::begin_deletion(gone, {}, f.t.clock.wall());
  put(key(api::kModelVersions, "digits-v1"), std::move(gone));
  EXPECT_TRUE(version(1).is_null());
  const Json model = get(key(api::kModels, "digits"));
  EXPECT_EQ(api::to_text(api::object_at(model, {"spec", "aliases"})), R"({"other":2})");
  const auto rows = history();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(string_at(rows[1], {"type"}), "version.deleted");
  EXPECT_EQ(string_at(rows[1], {"model"}), "digits");
}

TEST_F(RegistrarTest, FreesWhatADeletedModelWasCalled) {
  start();
  const auto naming = [](std::string_view name) {
    return key(api::kModelNamings, api::model_naming_key(name));
  };
  put(naming("faces"), JsonObject{{"model", "digits"}});
  put(naming("others"), JsonObject{{"model", "others-1"}});
  for (const auto& [object, called] : {std::pair{"digits", "faces"}, std::pair{"others", "others"}}) {
    Json model = JsonObject{
        {"metadata", JsonObject{{"uid", object}, {"finalizers", JsonArray{api::kLineageFinalizer}}}},
        {"spec", JsonObject{{"name", called}}}};
    api::begin_deletion(model, {}, f.t.clock.wall());
    put(key(api::kModels, object), std::move(model));
  }
  EXPECT_TRUE(get(key(api::kModels, "digits")).is_null());
  EXPECT_TRUE(get(naming("faces")).is_null());
  EXPECT_FALSE(get(naming("others")).is_null());
}

}  // namespace
}  // namespace ingot::registry
