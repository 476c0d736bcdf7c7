#include "controllers/blob_keeper.h"

#include <gmock/gmock.h>

#include "data/manifest.h"
#include "env/testing_blobs.h"
#include "store/testing.h"

namespace ingot::controllers {
namespace {

using namespace std::chrono_literals;
using api::Json;
using api::JsonObject;
using api::Key;

const ClusterId kVision("vision1");

class BlobKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    tenant(JsonObject{});
    std::vector<std::unique_ptr<BlobRoots>> roots;
    roots.push_back(dataset_roots());
    roots.push_back(artifact_roots());
    keeper_ = std::make_unique<BlobKeeper>(f_.t.env, *f_.shard, blobs_, f_.t.worker, std::move(roots));
    f_.t.loop.run_until_idle();
  }
  void write(std::function<void(store::Turn&)> body) {
    ASSERT_TRUE(f_.input(std::move(body)));
    f_.t.loop.run_until_idle();
  }
  void tenant(Json storage) {
    write([&](store::Turn& turn) {
      (void)turn.put(Key(kRootCluster, "tenants.factory.ingot.dev", "", "vision"),
                     JsonObject{{"spec", JsonObject{{"storage", storage}}},
                                {"status", JsonObject{{"cluster", kVision.value}}}});
    });
  }
  Key version(std::string_view name) const {
    return Key(kVision, "datasetversions.factory.ingot.dev", "default", name);
  }
  void add_version(std::string_view name, const Digest& manifest) {
    write([&](store::Turn& turn) {
      (void)turn.put(version(name), JsonObject{{"spec", JsonObject{{"manifest", manifest.text()}}}});
    });
  }
  Digest put(std::string_view bytes) { return env::put_blob(blobs_, kVision, bytes).value().digest; }
  bool has(const Digest& digest) { return blobs_.stat(kVision, digest).has_value(); }

  store::Fixture f_;
  env::MemoryBlobs blobs_{f_.t.clock};
  std::unique_ptr<BlobKeeper> keeper_;
};

TEST_F(BlobKeeperTest, WhatNobodyNamesGoesAfterTheGrace) {
  const Digest named = put("named"), loose = put("loose");
  const auto manifest = data::make_manifest({{"a", named, 5}}).value();
  const Digest list = put(data::to_text(manifest));
  add_version("d-v1", list);
  f_.t.loop.advance(55min);
  EXPECT_TRUE(has(loose));
  const Digest young = put("young");
  f_.t.loop.advance(20min);
  EXPECT_FALSE(has(loose));
  EXPECT_TRUE(has(named) && has(list) && has(young));
  EXPECT_EQ(keeper_->stats().blobs_removed, 1u);
  write([&](store::Turn& turn) { (void)turn.erase(version("d-v1")); });
  f_.t.loop.advance(10min);
  EXPECT_FALSE(has(named) || has(list));
}

TEST_F(BlobKeeperTest, AnArtifactStaysAsLongAsItsRun) {
  const Digest left = put("left by a step"), given = put("given to one"), theirs = put("of another cluster");
  const Key node(kVision, "workflownodes", "default", "wf:wf-1"), pod(kVision, "pods", "default", "wf");
  const auto location = [](const Digest& d) {
    return JsonObject{{"s3", JsonObject{{"key", "sha256/" + d.hex()}}}};
  };
  write([&](store::Turn& turn) {
    (void)turn.put(node, JsonObject{{"outputs", JsonObject{{"artifacts", api::JsonArray{location(left)}}}}});
    // JSON in JSON, as an annotation has it.
    (void)turn.put(
        pod, JsonObject{{"metadata",
                         JsonObject{{"annotations", JsonObject{{"a", api::to_text(location(given))}}}}}});
    (void)turn.put(Key(ClusterId("other1"), "workflownodes", "default", "wf:wf-1"), location(theirs));
  });
  f_.t.loop.advance(90min);
  EXPECT_TRUE(has(left) && has(given));
  EXPECT_FALSE(has(theirs));
  write([&](store::Turn& turn) { (void)turn.erase(node); });
  f_.t.loop.advance(20min);
  EXPECT_FALSE(has(left));
  EXPECT_TRUE(has(given));
}

TEST_F(BlobKeeperTest, WhoAsksForABlobHasTimeToNameIt) {
  const Digest loose = put("loose");
  f_.t.loop.advance(59min);
  ASSERT_TRUE(blobs_.renew(kVision, loose));
  f_.t.loop.advance(50min);
  EXPECT_TRUE(has(loose));
  f_.t.loop.advance(30min);
  EXPECT_FALSE(has(loose));
}

TEST_F(BlobKeeperTest, AVersionThatNamesNothingOfUseHoldsNothingElse) {
  const Digest odd = put("no manifest");
  add_version("d-v1", odd);
  add_version("d-v2", Digest::of("not there"));
  f_.t.loop.advance(90min);
  EXPECT_TRUE(has(odd));
}

TEST_F(BlobKeeperTest, LimitsFollowTheTenant) {
  EXPECT_EQ(blobs_.usage(kVision)->limit, std::nullopt);
  tenant(JsonObject{{"limit", "1Ki"}});
  EXPECT_EQ(blobs_.usage(kVision)->limit, 1024);
  tenant(JsonObject{});
  EXPECT_EQ(blobs_.usage(kVision)->limit, std::nullopt);
}

TEST_F(BlobKeeperTest, ADeletedTenantsBlobsGo) {
  put("some");
  write([&](store::Turn& turn) {
    (void)turn.erase(Key(kRootCluster, "tenants.factory.ingot.dev", "", "vision"));
  });
  f_.t.loop.advance(15min);
  EXPECT_FALSE(blobs_.clusters().empty());  // it is told of twice before it goes
  f_.t.loop.advance(10min);
  EXPECT_TRUE(blobs_.clusters().empty());
  EXPECT_EQ(keeper_->stats().clusters_removed, 1u);
}

TEST_F(BlobKeeperTest, UploadsLeftAloneGoAfterADay) {
  {
    auto left = blobs_.begin(kVision, 0).value();
  }
  f_.t.loop.advance(23h);
  EXPECT_EQ(keeper_->stats().uploads_expired, 0u);
  f_.t.loop.advance(2h);
  EXPECT_EQ(keeper_->stats().uploads_expired, 1u);
}

TEST_F(BlobKeeperTest, ADeletionThatDidNotHappenKeepsItsBlobs) {
  const Digest named = put("named");
  add_version("d-v1", named);
  f_.t.loop.advance(85min);
  f_.t.faults.arm("store.commit.fail", 1'000);
  (void)f_.shard->submit([&](store::Turn& turn) { (void)turn.erase(version("d-v1")); });
  f_.t.loop.advance(10min);
  f_.t.faults.arm("store.commit.fail", 0);
  f_.t.loop.advance(30min);
  EXPECT_TRUE(has(named));
}

}  // namespace
}  // namespace ingot::controllers
