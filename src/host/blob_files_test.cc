#include "host/blob_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "host/beneath.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

using env::BlobInfo;
using testing::HasSubstr;

const ClusterId kVision("vision1"), kSpeech("speech1");

WallTime soon() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()) +
         std::chrono::seconds(5);
}

class BlobFilesTest : public testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void reopen() {
    blobs_ = nullptr;
    blobs_ = std::move(open_blob_files(root()).value());
  }
  std::string root() const { return dir_.path() + "/blobs"; }
  std::string file_of(const ClusterId& cluster, const Digest& digest) const {
    return root() + "/" + cluster.value + "/sha256/" + digest.hex().substr(0, 2) + "/" + digest.hex();
  }
  int64_t used(const ClusterId& cluster) { return blobs_->usage(cluster).value().bytes; }
  int files_below(const std::string& path) const {
    int count = 0;
    if (std::filesystem::exists(path))
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
        count += entry.is_regular_file();
    return count;
  }
  Digest put(std::string_view bytes, const ClusterId& cluster = kVision) {
    return env::put_blob(*blobs_, cluster, bytes).value().digest;
  }

  TestDir dir_;
  std::unique_ptr<env::Blobs> blobs_;
};

TEST_F(BlobFilesTest, WhatIsPutIsFoundByItsDigest) {
  const Digest digest = put("hello");
  EXPECT_EQ(digest.text(), "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_EQ(env::get_blob(*blobs_, kVision, digest, 100).value(), "hello");
  EXPECT_EQ(blobs_->stat(kVision, digest).value().bytes, 5);
  struct stat about{};
  ASSERT_EQ(::stat(file_of(kVision, digest).c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  auto reader = blobs_->open(kVision, digest).value();
  EXPECT_EQ(reader->read(1, 3).value(), "ell");
  EXPECT_EQ(reader->read(5, 3).value(), "");
  EXPECT_EQ(reader->read(99, 3).value(), "");
}

TEST_F(BlobFilesTest, OneClustersDigestFindsNothingOfAnothers) {
  const Digest digest = put("secret");
  EXPECT_EQ(blobs_->stat(kSpeech, digest).error().reason, Reason::NotFound);
  EXPECT_EQ(blobs_->open(kSpeech, digest).error().reason, Reason::NotFound);
  EXPECT_EQ(used(kSpeech), 0);
}

TEST_F(BlobFilesTest, TheSameBytesAreKeptOnce) {
  const Digest first = put("twice");
  const BlobInfo again = env::put_blob(*blobs_, kVision, "twice").value();
  EXPECT_EQ(again.digest, first);
  EXPECT_EQ(used(kVision), 5);
  EXPECT_EQ(files_below(root()), 1);
}

TEST_F(BlobFilesTest, AnEmptyBlobIsABlob) {
  const Digest digest = put("");
  EXPECT_EQ(env::get_blob(*blobs_, kVision, digest, 0).value(), "");
}

TEST_F(BlobFilesTest, AnUploadIsResumedByItsIdAlsoAfterARestart) {
  std::string id;
  {
    auto upload = blobs_->begin(kVision).value();
    id = upload->id();
    ASSERT_TRUE(upload->append("one "));
  }
  EXPECT_EQ(blobs_->upload_size(kVision, id).value(), 4);
  {
    auto upload = blobs_->resume(kVision, id).value();
    EXPECT_EQ(upload->size(), 4);
    ASSERT_TRUE(upload->append("two "));
  }
  reopen();
  EXPECT_EQ(used(kVision), 8);
  auto upload = blobs_->resume(kVision, id).value();
  EXPECT_EQ(upload->size(), 8);
  ASSERT_TRUE(upload->append("three"));
  ASSERT_TRUE(upload->commit(Digest::of("one two three")));
  EXPECT_EQ(blobs_->resume(kVision, id).error().reason, Reason::NotFound);
  EXPECT_EQ(used(kVision), 13);
}

TEST_F(BlobFilesTest, AnUploadHasOneWriterAtATime) {
  auto upload = blobs_->begin(kVision).value();
  EXPECT_EQ(blobs_->resume(kVision, upload->id()).error().reason, Reason::Conflict);
  EXPECT_EQ(blobs_->resume(kSpeech, upload->id()).error().reason, Reason::NotFound);
}

TEST_F(BlobFilesTest, WrongBytesAreNotKept) {
  auto upload = blobs_->begin(kVision).value();
  ASSERT_TRUE(upload->append("bad"));
  const auto kept = upload->commit(Digest::of("good"));
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().reason, Reason::Invalid);
  EXPECT_THAT(kept.error().message, HasSubstr(Digest::of("bad").text()));
  EXPECT_EQ(files_below(root()), 0);
  EXPECT_EQ(used(kVision), 0);
  EXPECT_FALSE(upload->append("more"));
}

TEST_F(BlobFilesTest, AnAbortedUploadLeavesNothing) {
  auto upload = blobs_->begin(kVision).value();
  ASSERT_TRUE(upload->append("some"));
  upload->abort();
  EXPECT_EQ(files_below(root()), 0);
  EXPECT_EQ(used(kVision), 0);
}

TEST_F(BlobFilesTest, TheLimitHoldsAndNamesItsField) {
  blobs_->limit(kVision, 10);
  put("12345678");
  const auto refused = env::put_blob(*blobs_, kVision, "abc");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::Forbidden);
  EXPECT_THAT(refused.error().message, HasSubstr("spec.storage.limit: limit of 10 reached: 8 is used"));
  ASSERT_EQ(refused.error().causes.size(), 1u);
  EXPECT_EQ(refused.error().causes[0].field, "spec.storage.limit");
  auto upload = blobs_->begin(kVision).value();  // of unknown size
  EXPECT_TRUE(upload->append("a"));
  EXPECT_FALSE(upload->append("bcd"));
  EXPECT_EQ(used(kVision), 8);
  EXPECT_TRUE(env::put_blob(*blobs_, kVision, "ab"));
  EXPECT_TRUE(env::put_blob(*blobs_, kSpeech, "another tenant's"));
  blobs_->limit(kVision, std::nullopt);
  EXPECT_TRUE(env::put_blob(*blobs_, kVision, "as much as it likes"));
}

TEST_F(BlobFilesTest, WhatIsUsedIsCountedFromTheDisk) {
  put("12345678");
  reopen();
  blobs_->limit(kVision, 10);
  EXPECT_EQ(used(kVision), 8);
  EXPECT_FALSE(env::put_blob(*blobs_, kVision, "abc"));
}

TEST_F(BlobFilesTest, ABlobThatWasRenewedIsNotRemoved) {
  const Digest digest = put("kept");
  const WallTime renewed = blobs_->renew(kVision, digest).value().renewed;
  EXPECT_EQ(blobs_->remove(kVision, digest, renewed).error().reason, Reason::Conflict);
  EXPECT_TRUE(blobs_->remove(kVision, digest, soon()));
  EXPECT_EQ(blobs_->stat(kVision, digest).error().reason, Reason::NotFound);
  EXPECT_EQ(used(kVision), 0);
}

TEST_F(BlobFilesTest, ListsBlobsAndClusters) {
  put("a"), put("b"), put("c", kSpeech);
  std::vector<std::string> found;
  ASSERT_TRUE(
      blobs_->list(kVision, [&](const BlobInfo& info) { return found.push_back(info.digest.text()), true; }));
  EXPECT_THAT(found, testing::UnorderedElementsAre(Digest::of("a").text(), Digest::of("b").text()));
  EXPECT_THAT(blobs_->clusters(), testing::ElementsAre(kSpeech, kVision));
  EXPECT_TRUE(blobs_->remove_cluster(kVision));
  EXPECT_THAT(blobs_->clusters(), testing::ElementsAre(kSpeech));
  EXPECT_EQ(used(kVision), 0);
}

TEST_F(BlobFilesTest, UploadsLeftAloneExpire) {
  std::string left;
  {
    auto upload = blobs_->begin(kVision).value();
    left = upload->id();
    ASSERT_TRUE(upload->append("left"));
  }
  auto held = blobs_->begin(kVision).value();
  EXPECT_EQ(blobs_->expire_uploads(kVision, WallTime{}), 0);
  EXPECT_EQ(blobs_->expire_uploads(kVision, soon()), 1);
  EXPECT_FALSE(blobs_->resume(kVision, left));
  EXPECT_EQ(used(kVision), 0);
  EXPECT_TRUE(held->append("still here"));
}

TEST_F(BlobFilesTest, FilesGoInAndComeOut) {
  const std::string bytes(3'000'001, 'f'), path = dir_.path() + "/file";
  std::ofstream(path) << bytes;
  const Fd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
      out(::open((path + "2").c_str(), O_RDWR | O_CREAT, 0600));
  const BlobInfo put = put_file(*blobs_, kVision, in.get()).value();
  EXPECT_EQ(put.digest, Digest::of(bytes));
  ASSERT_TRUE(get_file(*blobs_, kVision, put.digest, out.get()));
  EXPECT_EQ(read_file(path + "2").value(), bytes);
  std::ofstream(file_of(kVision, put.digest)) << "damaged";
  EXPECT_THAT(get_file(*blobs_, kVision, put.digest, out.get()).error().message, HasSubstr("is damaged"));
}

TEST_F(BlobFilesTest, ManyMayWriteTheSameBytesAtOnce) {
  const std::string bytes(3 << 20, 'x');
  std::vector<std::thread> writers;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i)
    writers.emplace_back([&] { good += env::put_blob(*blobs_, kVision, bytes).has_value(); });
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(used(kVision), int64_t(bytes.size()));
  EXPECT_EQ(files_below(root()), 1);
}

TEST_F(BlobFilesTest, NamesLeadNowhereElse) {
  std::ofstream(dir_.path() + "/outside") << "secret";
  for (const char* id : {"../../outside", "..", "", "0123456789ABCDEF0123456789ABCDEF"})
    EXPECT_EQ(blobs_->resume(kVision, id).error().reason, Reason::NotFound) << id;
  for (const char* cluster : {"..", "", "a/b", "Vision", "."})
    EXPECT_EQ(blobs_->begin(ClusterId(cluster)).error().reason, Reason::Invalid) << cluster;
  const Digest digest = put("linked");
  std::filesystem::remove(file_of(kVision, digest));
  std::filesystem::create_symlink(dir_.path() + "/outside", file_of(kVision, digest));
  EXPECT_FALSE(blobs_->open(kVision, digest));
  EXPECT_FALSE(blobs_->stat(kVision, digest));
}

TEST(DigestTest, IsReadStrictly) {
  const std::string hex(64, 'a');
  EXPECT_EQ(Digest::parse("sha256:" + hex).value().hex(), hex);
  for (const std::string& bad :
       {hex, "sha256:" + hex.substr(1), "sha256:" + hex + "a", "sha512:" + hex,
        "sha256:" + std::string(64, 'A'), "sha256:../" + hex.substr(3), std::string()})
    EXPECT_EQ(Digest::parse(bad).error().reason, Reason::Invalid) << bad;
}

}  // namespace
}  // namespace ingot::host
