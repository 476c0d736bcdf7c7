#include "policy/images.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ingot::policy {
namespace {

TEST(Images, NamesAreReadAsDockerDoes) {
  EXPECT_EQ(normalize_reference("nginx"), "docker.io/library/nginx:latest");
  EXPECT_EQ(normalize_reference("team/app:1.2"), "docker.io/team/app:1.2");
  EXPECT_EQ(normalize_reference("localhost/app"), "localhost/app:latest");
  EXPECT_EQ(normalize_reference("registry.example:5000/a/b:x"), "registry.example:5000/a/b:x");
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(normalize_reference("a:1@" + digest), "docker.io/library/a@" + digest);
  for (const char* bad : {"", "UPPER", "a b", "a:", "/a", "a//b", "a@sha256:12", "a:\n"})
    EXPECT_FALSE(normalize_reference(bad)) << bad;
}

TEST(Images, ATenantsOwnComesBeforeASharedOneAndNobodySeesAnothers) {
  const auto image = [](std::string_view tenant, char fill) {
    return *api::parse_json(
        fmt::format(R"({{"spec":{{"tenant":"{}","reference":"train","digest":"sha256:{}"}}}})", tenant,
                    std::string(64, fill)));
  };
  Images images;
  images.put(image("", 'a'));
  images.put(image("vision", 'b'));
  EXPECT_EQ(*images.find("vision", "train:latest"), "sha256:" + std::string(64, 'b'));
  EXPECT_EQ(*images.find("speech", "docker.io/library/train"), "sha256:" + std::string(64, 'a'));
  images.erase(image("", 'a'));
  EXPECT_EQ(images.find("speech", "train").error().reason, Reason::NotFound);
}

TEST(Images, ANameWithTheDigestOfWhatWasLoadedUnderItIsThatImage) {
  const std::string digest = "sha256:" + std::string(64, 'a'), other = "sha256:" + std::string(64, 'b');
  const auto image = [](std::string_view reference, std::string_view of) {
    return *api::parse_json(
        fmt::format(R"({{"spec":{{"tenant":"vision","reference":"{}","digest":"{}"}}}})", reference, of));
  };
  Images images;
  images.put(image("train:1", digest));
  images.put(image("train:2", digest));
  EXPECT_EQ(*images.find("vision", "train@" + digest), digest);
  EXPECT_FALSE(images.find("speech", "train@" + digest));
  EXPECT_FALSE(images.find("vision", "other@" + digest));
  images.put(image("train:1", other));  // the tag moved
  EXPECT_EQ(*images.find("vision", "train@" + digest), digest);
  images.erase(image("train:2", digest));
  EXPECT_FALSE(images.find("vision", "train@" + digest));
  EXPECT_EQ(*images.find("vision", "train@" + other), other);
}

}  // namespace
}  // namespace ingot::policy
