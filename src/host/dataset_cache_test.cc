#include "host/dataset_cache.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "data/manifest.h"
#include "env/testing.h"
#include "host/blob_files.h"
#include "host/real_env.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

const ClusterId kVision("vision1");

class DatasetCacheTest : public testing::Test {
 protected:
  DatasetCacheTest() { open({}); }
  ~DatasetCacheTest() override { close(); }
  void open(DatasetCacheOptions options) {
    close();
    cache = std::make_unique<DatasetCache>(clock, loop, fakes.log, *blobs, dir.path(), options);
  }
  void close() {
    if (cache) loop.call([&] { cache->stop(); });
    cache.reset();
  }
  Digest put(std::string_view bytes) { return env::put_blob(*blobs, kVision, bytes)->digest; }
  Digest version(const std::map<std::string, std::string>& files) {
    std::vector<data::ManifestFile> entries;
    for (const auto& [name, bytes] : files) entries.push_back({name, put(bytes), int64_t(bytes.size())});
    return put(data::to_text(*data::make_manifest(std::move(entries))));
  }
  Result<std::string> prepare(const Digest& manifest, const std::string& pod = "p1",
                              const std::string& cluster = kVision.value) {
    std::promise<Result<std::vector<std::string>>> answer;
    loop.post([&] {
      cache->prepare({.cluster = cluster, .marks = marks(pod), .manifests = {manifest}},
                     [&](Result<std::vector<std::string>> r) { answer.set_value(std::move(r)); });
    });
    auto paths = answer.get_future().get();
    if (!paths) return fail(paths.error());
    return paths->front();
  }
  std::string marks(const std::string& pod) const {
    return dir.path() + "/nodes/n/pods/" + pod + "/datasets";
  }
  static std::string read(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  TestDir dir;
  env::TestEnv fakes;
  RealClock clock;
  ThreadLoop loop{clock, "test"};
  std::unique_ptr<env::Blobs> blobs = *open_blob_files(dir.path() + "/blobs");
  std::unique_ptr<DatasetCache> cache;
};

TEST_F(DatasetCacheTest, AVersionIsItsFiles) {
  const auto path = prepare(version({{"a", "pear"}, {"sub/deep/b", "fig"}, {"sub/c", ""}}));
  ASSERT_TRUE(path) << path.error().message;
  EXPECT_EQ(read(*path + "/a"), "pear");
  EXPECT_EQ(read(*path + "/sub/deep/b"), "fig");
  EXPECT_TRUE(fs::exists(*path + "/sub/c"));
  EXPECT_EQ(fs::status(*path + "/a").permissions(), fs::perms(0444));
  EXPECT_EQ(fs::status(*path + "/sub").permissions(), fs::perms(0555));
}

TEST_F(DatasetCacheTest, WhatVersionsShareIsThereOnce) {
  const auto one = prepare(version({{"a", "same"}, {"b", "1"}})), two = prepare(version({{"x", "same"}}));
  ASSERT_TRUE(one && two);
  EXPECT_TRUE(fs::equivalent(*one + "/a", *two + "/x"));
}

TEST_F(DatasetCacheTest, WhatIsUsedStaysAndTheRestGoes) {
  open({.unused = 0s, .room = 0});
  const auto used = prepare(version({{"a", "1"}}), "p1"), other = prepare(version({{"b", "2"}}), "p2");
  ASSERT_TRUE(used && other);
  EXPECT_EQ(cache->sweep(), 0);
  fs::remove_all(dir.path() + "/nodes/n/pods/p2");
  EXPECT_EQ(cache->sweep(), 1);
  EXPECT_TRUE(fs::exists(*used));
  EXPECT_FALSE(fs::exists(*other));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path() + "/datasets/vision1/files"), {}), 1);
}

TEST_F(DatasetCacheTest, WhatIsUnusedStaysForAWhile) {
  const auto path = prepare(version({{"a", "1"}}));
  fs::remove_all(dir.path() + "/nodes");
  EXPECT_EQ(cache->sweep(), 0);
  EXPECT_TRUE(fs::exists(*path));
  ASSERT_TRUE(blobs->remove_cluster(kVision));  // its tenant is deleted
  EXPECT_EQ(cache->sweep(), 1);
  EXPECT_FALSE(fs::exists(dir.path() + "/datasets/vision1"));
}

TEST_F(DatasetCacheTest, AnotherClustersVersionIsNotThere) {
  const auto none = prepare(version({{"a", "1"}}), "p1", "other1");
  EXPECT_EQ(none.error().reason, Reason::NotFound);
  EXPECT_EQ(prepare(version({{"a", "1"}}), "p1", "../vision1").error().reason, Reason::Invalid);
}

TEST_F(DatasetCacheTest, DamagedBytesAreNeverMounted) {
  const Digest manifest = version({{"a", "pear"}});
  for (const auto& entry : fs::recursive_directory_iterator(dir.path() + "/blobs"))
    if (entry.is_regular_file() && entry.path().filename() == Digest::of("pear").hex())
      std::ofstream(entry.path()) << "bear";
  EXPECT_THAT(prepare(manifest).error().message, HasSubstr("a: blob"));
  EXPECT_FALSE(fs::exists(dir.path() + "/datasets/vision1/versions/" + manifest.hex()));
}

TEST_F(DatasetCacheTest, AfterACrashHalfAVersionIsMadeAnew) {
  const Digest manifest = version({{"a", "pear"}});
  close();
  fs::create_directories(dir.path() + "/datasets/vision1/versions/.fresh-1/sub");
  open({});
  EXPECT_FALSE(fs::exists(dir.path() + "/datasets/vision1/versions/.fresh-1"));
  EXPECT_EQ(read(*prepare(manifest) + "/a"), "pear");
}

}  // namespace
}  // namespace ingot::host
