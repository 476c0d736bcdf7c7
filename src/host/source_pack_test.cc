#include "host/source_pack.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "host/test_dir.h"

namespace ingot::host {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

struct Directory {
  TestDir dir;
  std::string path = dir.path() + "/project";
  PackOptions options;

  Directory() { fs::create_directory(path); }
  void file(const std::string& name, std::string_view text = "x") const {
    fs::create_directories(fs::path(path + "/" + name).parent_path());
    std::ofstream(path + "/" + name) << text;
  }
  void link(const std::string& name, const std::string& target) const {
    fs::create_directories(fs::path(path + "/" + name).parent_path());
    fs::create_symlink(target, path + "/" + name);
  }
  Result<Packed> pack() const { return pack_source(path, options); }
  std::string refused() const {
    const auto packed = pack();
    return packed ? "packed" : packed.error().message;
  }
  // What Debian's tar finds in it.
  std::vector<std::string> listing(std::string_view flags = "-tzf") const {
    const auto packed = pack();
    EXPECT_TRUE(packed) << packed.error().message;
    if (!packed) return {};
    const std::string command = "tar " + std::string(flags) + " /proc/" + std::to_string(::getpid()) +
                                "/fd/" + std::to_string(packed->archive.get());
    std::vector<std::string> lines;
    FILE* out = ::popen(command.c_str(), "r");
    for (char line[4096]; std::fgets(line, sizeof line, out) != nullptr;)
      lines.emplace_back(line, std::string_view(line).size() - 1);
    EXPECT_EQ(::pclose(out), 0);
    return lines;
  }
};

TEST(SourcePack, TakesWhatIsThereInTheOrderOfNames) {
  Directory d;
  d.file("train.py");
  d.file("lib/b.py");
  d.file("lib/a.py");
  d.file("lib.py");
  fs::create_directory(d.path + "/empty");
  EXPECT_THAT(d.listing(), ElementsAre("empty/", "lib/", "lib/a.py", "lib/b.py", "lib.py", "train.py"));
}

TEST(SourcePack, TheSameFilesAreTheSameBytes) {
  Directory d, e;
  for (const auto* one : {&d, &e}) {
    one->file("b/c", "text");
    one->file("a", std::string(300'000, 'a'));
    fs::permissions(one->path + "/a", fs::perms::owner_all);
  }
  ::utimensat(AT_FDCWD, (d.path + "/a").c_str(), nullptr, 0);
  fs::permissions(e.path + "/b/c", fs::perms::owner_read | fs::perms::owner_write);
  const auto first = d.pack(), second = e.pack();
  EXPECT_EQ(first->digest, second->digest);
  EXPECT_EQ(first->bytes, 300'004);
  EXPECT_EQ(first->files, 2u);
  EXPECT_LT(first->packed, 10'000);
  std::string packed(size_t(first->packed), '\0');
  EXPECT_EQ(::pread(first->archive.get(), packed.data(), packed.size() + 0, 0), first->packed);
  EXPECT_EQ(Digest::of(packed), first->digest);
  d.file("b/c", "texT");
  EXPECT_NE(d.pack()->digest, first->digest);
}

TEST(SourcePack, KeepsWhatMayBeRun) {
  Directory d;
  d.file("run.sh");
  fs::permissions(d.path + "/run.sh", fs::perms(04755));
  EXPECT_THAT(d.listing("-tvzf"), ElementsAre(HasSubstr("-rwxr-xr-x 0/0")));
}

TEST(SourcePack, LeavesBehindWhatGitIgnores) {
  Directory d;
  d.file(".git/config");
  d.file("sub/.git");
  d.file(".gitignore", "*.bin\nbuild/\n!keep.bin\n");
  d.file("a.bin");
  d.file("keep.bin");
  d.file("build/keep.bin");
  d.file("sub/.gitignore", "!b.bin\n");
  d.file("sub/b.bin");
  d.file("sub/c.bin");
  d.file("kept/build");
  EXPECT_THAT(d.listing(), ElementsAre(".gitignore", "keep.bin", "kept/", "kept/build", "sub/",
                                       "sub/.gitignore", "sub/b.bin"));
}

TEST(SourcePack, AnIgnoreFileOfOurOwnHasTheLastWord) {
  Directory d;
  d.file(".gitignore", "*.csv\n");
  d.file(".ingotignore", "!train.csv\nnotes\n");
  d.file("train.csv");
  d.file("test.csv");
  d.file("notes/a");
  EXPECT_THAT(d.listing(), ElementsAre(".gitignore", ".ingotignore", "train.csv"));
}

TEST(SourcePack, ADirectoryOfARepositoryHeedsWhatIsAbove) {
  Directory d;
  d.file(".git/info/exclude", "*.secret\n");
  d.file(".gitignore", "/models/*.bin\n*.tmp\n");
  d.file("models/.gitignore", "deep\n");
  d.file("models/a.bin");
  d.file("models/a.secret");
  d.file("models/x/a.bin");
  d.file("models/x/b.tmp");
  d.file("models/x/deep/c");
  d.path += "/models";
  EXPECT_THAT(d.listing(), ElementsAre(".gitignore", "x/", "x/a.bin"));
  d.path += "/x";
  EXPECT_THAT(d.listing(), ElementsAre("a.bin"));
}

TEST(SourcePack, WhatARunWritesIsEmptied) {
  Directory d;
  d.options.emptied = "outputs";
  d.file("a");
  d.file("outputs/model");
  d.file("sub/outputs/kept");
  EXPECT_THAT(d.listing(), ElementsAre("outputs/", "a", "sub/", "sub/outputs/", "sub/outputs/kept"));
}

TEST(SourcePack, AllOfItMayLieBelowOneName) {
  Directory d;
  d.options.below = "work";
  d.options.emptied = "outputs";
  EXPECT_THAT(d.listing(), ElementsAre("work/", "work/outputs/"));
  d.file("a/b");
  d.link("c", "a/b");
  EXPECT_THAT(d.listing(), ElementsAre("work/", "work/outputs/", "work/a/", "work/a/b", "work/c"));
}

TEST(SourcePack, LinksStayInTheDirectoryOrAreRefused) {
  Directory d;
  d.file("a/b");
  d.link("a/to-b", "b");
  d.link("a/up", "../a/./b");
  EXPECT_THAT(d.listing(), ElementsAre("a/", "a/b", "a/to-b", "a/up"));
  for (const char* target : {"/etc/passwd", "../../outside", "..", "b/../../../x"}) {
    Directory bad;
    bad.link("a/link", target);
    if (std::string_view(target) == "..") {
      EXPECT_EQ(bad.refused(), "packed");
      continue;
    }
    EXPECT_THAT(bad.refused(), AllOf(HasSubstr("a/link is a link to "), HasSubstr("leads out of"))) << target;
    bad.file(".ingotignore", "link\n");
    EXPECT_EQ(bad.refused(), "packed");
  }
}

TEST(SourcePack, AnIgnoreFileThatIsALinkSaysNothing) {
  Directory d;
  d.file("rules", "*.py\n");
  d.link(".gitignore", "rules");
  d.file("a.py");
  EXPECT_THAT(d.listing(), ElementsAre(".gitignore", "a.py", "rules"));
}

TEST(SourcePack, WhatIsNoFileIsLeftOutByName) {
  Directory d;
  d.file("a");
  ASSERT_EQ(::mkfifo((d.path + "/pipe").c_str(), 0600), 0);
  EXPECT_THAT(d.pack()->left_out, ElementsAre("pipe"));
  EXPECT_THAT(d.listing(), ElementsAre("a"));
}

TEST(SourcePack, TooMuchNamesTheLargest) {
  Directory d;
  d.options.most_bytes = 100'000;
  d.file("train.py", "x");
  d.file("data/raw/images.tar", std::string(90'000, 'x'));
  d.file("data/raw/labels", std::string(2'000, 'x'));
  d.file("venv/lib/a", std::string(8'000, 'x'));
  d.file("venv/lib/b", std::string(8'000, 'x'));
  const std::string why = d.refused();
  EXPECT_THAT(why, AllOf(HasSubstr("holds 105.5 KiB in 5 files"), HasSubstr("no more than 97.7 KiB"),
                         HasSubstr("87.9 KiB  data/raw/images.tar\n"), HasSubstr("15.6 KiB  venv/lib/\n"),
                         HasSubstr("--max-size")));
  EXPECT_LT(why.find("images.tar"), why.find("venv"));
  d.file(".gitignore", "/data\n");
  EXPECT_EQ(d.refused(), "packed");
  d.options.most_files = 2;
  EXPECT_THAT(d.refused(), HasSubstr("and 2 files"));
}

TEST(SourcePack, WhatCannotBeReadIsNamed) {
  Directory d;
  d.path += "/none";
  EXPECT_THAT(d.refused(), AllOf(HasSubstr("/none: No such file"), Not(HasSubstr("packed"))));
}

}  // namespace
}  // namespace ingot::host
