#include "host/left_behind.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "host/test_dir.h"

namespace ingot::host {
namespace {

void write(const std::string& path, std::string_view text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

class LeftBehind : public testing::Test {
 protected:
  std::string text_of(const std::string& path) {
    const node::Left left = left_behind({.files = {path}, .mounts = mounts, .most_bytes = 100}, layer);
    const auto& file = left.files.at(path);
    return file ? *file : "error: " + file.error().message;
  }
  TestDir dir;
  std::string layer = dir.path() + "/layer";
  std::vector<node::Mount> mounts;
};

TEST_F(LeftBehind, WhatAContainerWrote) {
  write(layer + "/tmp/a", "pear");
  EXPECT_EQ(text_of("/tmp/a"), "pear");
  EXPECT_EQ(text_of("/tmp/b"), "error: no such file");
}

TEST_F(LeftBehind, OnAVolume) {
  write(dir.path() + "/volume/sub/a", "fig");
  write(layer + "/work-not/a", "plum");
  mounts = {{.host_path = dir.path() + "/volume", .container_path = "/work"}};
  EXPECT_EQ(text_of("/work/sub/a"), "fig");
  EXPECT_EQ(text_of("/work-not/a"), "plum");
}

TEST_F(LeftBehind, NothingOutsideOfWhatItCouldSee) {
  write(dir.path() + "/secret", "secret");
  write(layer + "/etc/passwd", "its own");
  std::filesystem::create_symlink("/etc/passwd", layer + "/absolute");
  std::filesystem::create_symlink("../../../../../../" + dir.path() + "/secret", layer + "/relative");
  std::filesystem::create_symlink("/proc/self/root/etc/passwd", layer + "/magic");
  EXPECT_EQ(text_of("/absolute"), "its own");
  EXPECT_EQ(text_of("/relative"), "error: no such file");
  EXPECT_EQ(text_of("/../secret"), "error: no such file");
  EXPECT_EQ(text_of("/magic"), "error: no such file");
}

TEST_F(LeftBehind, RegularFilesAlone) {
  write(layer + "/large", std::string(101, 'x'));
  ASSERT_EQ(::mkfifo((layer + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(text_of("/pipe"), "error: is no regular file");
  EXPECT_EQ(text_of("/"), "error: is no regular file");
  EXPECT_THAT(text_of("/large"), testing::HasSubstr("use an artifact"));
}

TEST_F(LeftBehind, FilesShareTheRoom) {
  write(layer + "/a", std::string(60, 'x'));
  write(layer + "/b", std::string(60, 'y'));
  const node::Left left = left_behind({.files = {"/a", "/b"}, .most_bytes = 100}, layer);
  EXPECT_TRUE(left.files.at("/a"));
  EXPECT_FALSE(left.files.at("/b"));
}

TEST_F(LeftBehind, StandardOutputWithoutErrors) {
  const std::string log = dir.path() + "/0.log";
  write(log,
        "2026-10-06T00:17:09.669794202Z stdout F one\n2026-10-06T00:17:09.669794203Z stderr F oops\n"
        "2026-10-06T00:17:09.669794204Z stdout P tw\n2026-10-06T00:17:09.669794205Z stdout F o\n");
  EXPECT_EQ(left_behind({.log = log, .most_bytes = 100}, "").out, "one\ntwo\n");
}

}  // namespace
}  // namespace ingot::host
