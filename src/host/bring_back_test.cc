#include "host/bring_back.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "host/test_dir.h"
#include "host/unpack.h"

namespace ingot::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
namespace fs = std::filesystem;

struct Here {
  TestDir dir;
  std::string outputs = dir.path() + "/outputs", made = dir.path() + "/made";

  Here() { fs::create_directories(made + "/outputs"); }
  static void file(const std::string& path, std::string_view text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }
  std::string text(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(outputs + "/" + name).rdbuf();
    return out.str();
  }
  // An archive of made/outputs, as tar writes it.
  Fd archive(const std::string& what = "outputs") const {
    const std::string path = dir.path() + "/a.tar.gz";
    EXPECT_EQ(std::system(("cd " + made + " && tar -czPf " + path + " " + what).c_str()), 0);
    return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  Result<Brought> bring(const Fd& from) const {
    return bring_back(from, outputs, [](const Fd& a, const Fd& to) { return unpack(a.get(), to.get(), {}); });
  }
  std::string refused(const Fd& from) const {
    const auto brought = bring(from);
    return brought ? "brought" : brought.error().message;
  }
  // What lies in the test's directory beside what was made.
  std::vector<std::string> beside() const {
    std::vector<std::string> names;
    for (const auto& e : fs::directory_iterator(dir.path())) names.push_back(e.path().filename());
    return names;
  }
};

TEST(BringBack, PutsWhatWasLeftIntoTheDirectory) {
  Here h;
  h.file(h.made + "/outputs/model.bin", "weights");
  h.file(h.made + "/outputs/logs/a.txt", "log");
  fs::permissions(h.made + "/outputs/model.bin", fs::perms(06777));
  const auto brought = h.bring(h.archive());
  ASSERT_TRUE(brought) << brought.error().message;
  EXPECT_EQ(h.text("model.bin"), "weights");
  EXPECT_EQ(h.text("logs/a.txt"), "log");
  EXPECT_EQ(brought->files, 2u);
  EXPECT_EQ(brought->bytes, 10);
  EXPECT_EQ(brought->replaced, 0u);
  struct stat about{};
  ASSERT_EQ(::stat((h.outputs + "/model.bin").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 06000, 0u);
  EXPECT_EQ(about.st_uid, ::geteuid());
  EXPECT_THAT(h.beside(), UnorderedElementsAre("made", "outputs", "a.tar.gz"));
}

TEST(BringBack, WhatIsThereStaysUnlessItIsNew) {
  Here h;
  h.file(h.outputs + "/own", "mine");
  h.file(h.outputs + "/same", "same");
  h.file(h.outputs + "/old", "old");
  h.file(h.made + "/outputs/same", "same");
  h.file(h.made + "/outputs/old", "new");
  const auto brought = h.bring(h.archive());
  ASSERT_TRUE(brought) << brought.error().message;
  EXPECT_EQ(h.text("own"), "mine");
  EXPECT_EQ(h.text("old"), "new");
  EXPECT_EQ(brought->files, 2u);
  EXPECT_EQ(brought->replaced, 1u);
}

TEST(BringBack, NothingIsWrittenThroughALink) {
  Here h;
  h.file(h.dir.path() + "/secret", "secret");
  fs::create_directories(h.dir.path() + "/elsewhere");
  fs::create_directories(h.outputs);
  fs::create_symlink(h.dir.path() + "/secret", h.outputs + "/a");
  fs::create_symlink(h.dir.path() + "/elsewhere", h.outputs + "/d");
  h.file(h.made + "/outputs/a", "new");
  ASSERT_TRUE(h.bring(h.archive()));
  EXPECT_EQ(h.text("a"), "new");
  std::ifstream secret(h.dir.path() + "/secret");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(secret), {}), "secret");
  h.file(h.made + "/outputs/d/x", "x");
  EXPECT_THAT(h.refused(h.archive()), HasSubstr("/outputs/d is none here, and one in what the run left"));
  EXPECT_TRUE(fs::is_empty(h.dir.path() + "/elsewhere"));
}

TEST(BringBack, TheDirectoryItselfMayBeNoLink) {
  Here h;
  fs::create_directories(h.dir.path() + "/elsewhere");
  fs::create_symlink(h.dir.path() + "/elsewhere", h.outputs);
  h.file(h.made + "/outputs/a", "new");
  EXPECT_THAT(h.refused(h.archive()), HasSubstr("is no directory but a link"));
  EXPECT_TRUE(fs::is_empty(h.dir.path() + "/elsewhere"));
}

TEST(BringBack, LinksComeIfTheyStay) {
  Here h;
  h.file(h.made + "/outputs/a/b", "x");
  fs::create_symlink("a/b", h.made + "/outputs/newest");
  fs::create_symlink("../../made", h.made + "/outputs/a/out");
  fs::create_symlink("../outputs/a", h.made + "/outputs/around");
  const auto brought = h.bring(h.archive());
  if (brought) {
    EXPECT_THAT(brought->left_out, ElementsAre("a/out", "around"));
    EXPECT_EQ(fs::read_symlink(h.outputs + "/newest"), "a/b");
  } else {
    EXPECT_THAT(brought.error().message, HasSubstr("leads out"));  // of the archive itself
  }
}

TEST(BringBack, HostileArchivesAreRefusedWhole) {
  Here h;
  h.file(h.made + "/outputs/good", "good");
  h.file(h.dir.path() + "/x", "x");
  for (const char* what : {"outputs ../x", "outputs /etc/hostname"}) {
    EXPECT_THAT(h.refused(h.archive(what)), HasSubstr("the archive holds")) << what;
    EXPECT_TRUE(fs::is_empty(h.outputs)) << what;
  }
  ASSERT_EQ(::mkfifo((h.made + "/outputs/pipe").c_str(), 0600), 0);
  EXPECT_THAT(h.refused(h.archive()), HasSubstr("a fifo"));
  EXPECT_THAT(h.beside(), UnorderedElementsAre("made", "outputs", "a.tar.gz", "x"));
}

TEST(BringBack, AFileIsNoDirectory) {
  Here h;
  h.file(h.outputs + "/a/b", "mine");
  h.file(h.made + "/outputs/a", "new");
  EXPECT_THAT(h.refused(h.archive()), HasSubstr("/outputs/a is a directory here"));
  EXPECT_EQ(h.text("a/b"), "mine");
}

TEST(BringBack, WhatIsNoArchiveIsSaid) {
  Here h;
  h.file(h.dir.path() + "/plain", std::string(4'000, 'x'));
  EXPECT_THAT(h.refused(Fd(::open((h.dir.path() + "/plain").c_str(), O_RDONLY))), HasSubstr("is no archive"));
  h.file(h.made + "/b", "b");
  EXPECT_THAT(h.refused(h.archive("outputs b")), HasSubstr("is not one directory"));
  EXPECT_THAT(h.bring(h.archive())->left_out, IsEmpty());
}

}  // namespace
}  // namespace ingot::host
