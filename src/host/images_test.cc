#include "host/images.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/encoding.h"
#include "host/images_tar.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

std::string normal(const std::string& reference) {
  auto result = normalize_reference(reference);
  return result ? *result : "refused";
}

TEST(ImageReference, IsWrittenInFullAsDockerDoes) {
  EXPECT_EQ(normal("train"), "docker.io/library/train:latest");
  EXPECT_EQ(normal("team/train:2"), "docker.io/team/train:2");
  EXPECT_EQ(normal("localhost/x"), "localhost/x:latest");
  EXPECT_EQ(normal("host.example:5000/a/b:v1"), "host.example:5000/a/b:v1");
  EXPECT_EQ(normal("index.docker.io/library/train:1"), "docker.io/library/train:1");
}

TEST(ImageReference, RefusesWhatIsNone) {
  for (const char* bad : {"", "Train", "a:", "a b", "../x", "a@sha256:12", "-x", "ingot.local/pause:1"})
    EXPECT_EQ(normal(bad), "refused") << bad;
}

class Archives : public ::testing::Test {
 protected:
  Result<ArchivedImage> inspect(const std::string& bytes) {
    const std::string path = directory_.path() + "/image.tar";
    std::ofstream(path, std::ios::binary) << bytes;
    return inspect_archive(path);
  }
  TestDir directory_;
};

TEST_F(Archives, OurOwnPauseImageIsWhole) {
  const PauseImage image = make_pause_image();
  EXPECT_EQ(make_pause_image().archive, image.archive) << "the same bytes each time";
  // Its name is one of ours, which nobody else's archive may carry.
  auto refused = inspect(image.archive);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("keeps for itself"), std::string::npos);
}

TEST_F(Archives, ADamagedBlobIsFound) {
  std::string archive = make_pause_image().archive;
  const size_t at = archive.find("\"schemaVersion\":2,\"mediaType\"");  // in the manifest
  ASSERT_NE(at, std::string::npos);
  archive[at + 1] = 'S';
  auto refused = inspect(archive);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("does not have the contents"), std::string::npos)
      << refused.error().message;
}

// Naming another's layer by its digest must not be enough to get it.
TEST_F(Archives, ALayerThatIsNotInTheArchiveIsRefused) {
  const std::string config = R"({"architecture":"amd64","os":"linux"})";
  const std::string manifest = R"({"config":{"digest":"sha256:)" + hex(sha256(config)) +
                               R"("},"layers":[{"digest":"sha256:)" + std::string(64, 'a') + R"("}]})";
  std::string archive;
  tar_append(archive, "oci-layout", "{}", 0644);
  tar_append(archive, "index.json", R"({"manifests":[{"digest":"sha256:)" + hex(sha256(manifest)) + R"("}]})",
             0644);
  tar_append(archive, "blobs/sha256/" + hex(sha256(config)), config, 0644);
  tar_append(archive, "blobs/sha256/" + hex(sha256(manifest)), manifest, 0644);
  tar_finish(archive);
  auto refused = inspect(archive);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::Invalid);
  EXPECT_NE(refused.error().message.find("is missing from it"), std::string::npos) << refused.error().message;
}

TEST_F(Archives, WhatIsNoArchiveIsRefused) {
  std::string outside;
  tar_append(outside, "../etc/passwd", "x", 0644);
  tar_finish(outside);
  std::string twice;
  tar_append(twice, "index.json", "{}", 0644);
  tar_append(twice, "index.json", "{}", 0644);
  tar_finish(twice);
  for (const std::string& bytes :
       {std::string(), std::string(4096, 'x'), std::string(100, '\0'), outside, twice})
    EXPECT_EQ(inspect(bytes).error().reason, Reason::Invalid);
  EXPECT_EQ(inspect_archive("/nonexistent").error().reason, Reason::NotFound);
  EXPECT_EQ(inspect_archive("/dev/zero").error().reason, Reason::BadRequest);
}

}  // namespace
}  // namespace ingot::host
