#include "host/pod_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "api/json.h"
#include "host/containerd_config.h"
#include "host/disk_file.h"
#include "host/network.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

TEST(PodRange, AvoidsWhatTheMachineRoutes) {
  auto first = choose_pod_range("3f2a", {});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->prefix, 20);
  EXPECT_TRUE(first->overlaps(*parse_ipv4_range("10.64.0.0/10")));
  auto second = choose_pod_range("3f2a", {{.address = first->address + 77, .prefix = 32}});
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->overlaps(*first));
  EXPECT_EQ(choose_pod_range("3f2a", {*parse_ipv4_range("10.0.0.0/8")}).error().reason,
            Reason::ServiceUnavailable);
}

TEST(PodRange, IsParsedStrictly) {
  EXPECT_EQ(to_string(*parse_ipv4_range("10.64.16.0/20")), "10.64.16.0/20");
  for (const char* bad : {"", "10.64.16.0", "10.64.16.1/20", "10.64.16.0/33", "10.64.16.0/2x", "a/8"})
    EXPECT_FALSE(parse_ipv4_range(bad)) << bad;
}

TEST(CniConfig, RoutesAndNeverMasquerades) {
  auto config = api::parse_json(cni_config({.data = "/d"}, {.id = "3f2a"}, "10.64.16.0/20", 1400));
  ASSERT_TRUE(config);
  const auto& plugin = api::array_at(*config, {"plugins"})[0];
  EXPECT_EQ(api::string_at(plugin, {"type"}), "ptp");
  EXPECT_FALSE(api::bool_at(plugin, {"ipMasq"}, true));
  EXPECT_EQ(api::string_at(api::array_at(plugin, {"ipam", "ranges"})[0].as_array()[0], {"subnet"}),
            "10.64.16.0/20");
}

class Volumes : public ::testing::Test {
 protected:
  std::string read(const std::string& path) { return read_file(path).value_or("absent"); }
  TestDir directory_;
  std::unique_ptr<node::Files> files_ = std::move(*make_pod_files({.data = directory_.path()}, "node-0"));
};

TEST_F(Volumes, ShowTheOldContentsOrTheNew) {
  auto path = files_->write_volume("uid", "config", {{"a", {"1", 0644}}, {"d/b", {"2", 0400}}}, false);
  ASSERT_TRUE(path);
  EXPECT_EQ(read(*path + "/a"), "1");
  EXPECT_EQ(read(*path + "/d/b"), "2");
  struct stat about{};
  ASSERT_EQ(stat((*path + "/d/b").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0400u);
  ASSERT_TRUE(files_->write_volume("uid", "config", {{"a", {"3", 0644}}}, false));
  EXPECT_EQ(read(*path + "/a"), "3");
  EXPECT_EQ(read(*path + "/d/b"), "absent");
}

TEST_F(Volumes, RefusePathsThatLeaveThem) {
  for (const char* bad : {"", "/a", "a/../b", "..", "..data", "a//b", "./a"})
    EXPECT_FALSE(files_->write_volume("uid", "v", {{bad, {"x", 0644}}}, false)) << bad;
  EXPECT_FALSE(files_->empty_volume("../uid", "v", false, 0));
  EXPECT_FALSE(files_->empty_volume("uid", "../v", false, 0));
}

// A container that may write into its volume can put links where our names are.
TEST_F(Volumes, NeverFollowALinkInside) {
  const std::string outside = directory_.path() + "/outside";
  ASSERT_TRUE(make_directory(outside, 0755));
  std::ofstream(outside + "/kept") << "safe";
  auto path = files_->write_volume("uid", "v", {{"a", {"1", 0644}}}, false);
  ASSERT_TRUE(path);
  for (const char* name : {"..data", "a"}) {
    unlink((*path + "/" + name).c_str());
    ASSERT_EQ(symlink(outside.c_str(), (*path + "/" + name).c_str()), 0);
  }
  ASSERT_TRUE(files_->write_volume("uid", "v", {{"a", {"2", 0644}}, {"kept", {"evil", 0644}}}, false));
  EXPECT_EQ(read(outside + "/kept"), "safe");
  EXPECT_EQ(read(*path + "/a"), "2");
  ASSERT_EQ(symlink(outside.c_str(), (*path + "/trap").c_str()), 0);
  files_->remove_pod("uid");
  files_.reset();
  EXPECT_EQ(read(outside + "/kept"), "safe");
}

TEST(RemoveTree, HoldsFewDirectoriesOpenHoweverDeepItGoes) {
  TestDir directory;
  Fd top(open(directory.path().c_str(), O_RDONLY | O_DIRECTORY));
  Fd at(dup(top.get()));
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(mkdirat(at.get(), "d", 0755), 0);
    at = Fd(openat(at.get(), "d", O_RDONLY | O_DIRECTORY));
    ASSERT_TRUE(at);
  }
  EXPECT_TRUE(remove_tree(top.get(), "d"));
  EXPECT_NE(faccessat(top.get(), "d", F_OK, 0), 0);
}

}  // namespace
}  // namespace ingot::host
