// Artifacts kept and brought through the blob store, by real workers (this program, see gpu_control_test.cc).
#include "host/artifacts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "host/artifact_out.h"
#include "host/blob_files.h"
#include "host/real_env.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const ClusterId kVision("vision1");

void write(const std::string& path, std::string_view text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}
std::string read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ArtifactsTest : public testing::Test {
 protected:
  Result<node::Kept> keep(const std::string& path, node::ArtifactOut how = {}) {
    how.path = path;
    const Fd root(::open(left.c_str(), O_PATH | O_DIRECTORY));
    return keep_artifact(*blobs, kVision, how, root, path, [] { return false; });
  }
  node::ArtifactIn own(const Digest& digest) {
    node::ArtifactIn in{.name = "given", .path = "/in"};
    in.source.from = node::ArtifactSource::From::Own;
    in.source.digest = digest;
    return in;
  }
  Result<bool> bring(const node::ArtifactIn& artifact, const std::string& cluster = kVision.value) {
    node::Bring ask{.cluster = cluster, .directory = fmt::format("{}/pod{}", dir.path(), ++pods)};
    ask.artifacts = {artifact};
    data = ask.directory + "/0/data";
    return bring_artifact(*blobs, ask, 0, {});
  }
  // What is wrong with an archive of this text.
  std::string fault(std::string_view archive) {
    const auto kept = env::put_blob(*blobs, kVision, archive);
    const auto brought = bring(own(kept->digest));
    EXPECT_FALSE(fs::exists(dir.path() + "/escaped"));
    return brought ? "none" : brought.error().message;
  }

  TestDir dir;
  std::string left = dir.path() + "/left", data;
  std::unique_ptr<env::Blobs> blobs = *open_blob_files(dir.path() + "/blobs");
  int pods = 0;
};

// A tar of one entry, whatever that is.
std::string tar_of(const std::vector<ArchiveEntry>& entries, std::string_view content = "") {
  std::string out;
  auto writer = tar_writer([&](std::string_view b) { return out += b, Result<void>(); }, 1);
  for (const ArchiveEntry& e : entries) {
    std::string_view rest = content;
    EXPECT_TRUE(writer->add(e, [&](char* to, size_t most) -> Result<size_t> {
      const size_t n = rest.copy(to, most);
      rest.remove_prefix(n);
      return n;
    }));
  }
  EXPECT_TRUE(writer->finish());
  return out;
}

TEST_F(ArtifactsTest, ADirectoryComesAsItWas) {
  write(left + "/out/a", "pear");
  write(left + "/out/sub/" + std::string(180, 'x'), "a long name");
  write(left + "/out/empty", "");
  fs::create_symlink("sub", left + "/out/link");
  ::chmod((left + "/out/a").c_str(), 0751);
  for (const auto archive : {node::ArtifactOut::Archive::Tar, node::ArtifactOut::Archive::Zip}) {
    const auto kept = keep("/out", {.name = "o", .archive = archive});
    ASSERT_TRUE(kept) << kept.error().message;
    const auto brought = bring(own(kept->digest));
    ASSERT_TRUE(brought) << brought.error().message;
    EXPECT_EQ(read(data + "/a"), "pear");
    EXPECT_EQ(read(data + "/sub/" + std::string(180, 'x')), "a long name");
    EXPECT_TRUE(fs::exists(data + "/empty"));
    EXPECT_EQ(fs::read_symlink(data + "/link"), "sub");
    EXPECT_EQ(fs::status(data + "/a").permissions(), fs::perms(0751));
  }
}

TEST_F(ArtifactsTest, AFileComesAsAFile) {
  write(left + "/tmp/report.txt", "fine");
  for (const auto archive :
       {node::ArtifactOut::Archive::Tar, node::ArtifactOut::Archive::Zip, node::ArtifactOut::Archive::None}) {
    const auto kept = keep("/tmp/report.txt", {.name = "r", .archive = archive});
    ASSERT_TRUE(kept);
    ASSERT_TRUE(bring(own(kept->digest)).value());
    EXPECT_EQ(read(data), "fine");
  }
}

TEST_F(ArtifactsTest, ADirectoryAsItIsComesAsADirectory) {
  write(left + "/out/a", "pear");
  const auto kept = keep("/out", {.name = "o", .archive = node::ArtifactOut::Archive::None});
  ASSERT_TRUE(kept);
  EXPECT_TRUE(kept->packed);
  ASSERT_TRUE(bring(own(kept->digest)).value());
  EXPECT_EQ(read(data + "/a"), "pear");
  EXPECT_FALSE(keep("/out/a", {.name = "a", .archive = node::ArtifactOut::Archive::None})->packed);
}

TEST_F(ArtifactsTest, WhatIsEqualHasOneDigest) {
  for (const std::string where : {"/a/out", "/b/out"}) {
    write(left + where + "/x", "1");
    write(left + where + "/y", "2");
  }
  ASSERT_EQ(::truncate((left + "/b/out/x").c_str(), 1), 0);  // another time
  EXPECT_EQ(keep("/a/out")->digest, keep("/b/out")->digest);
}

TEST_F(ArtifactsTest, NothingOutsideOfWhatTheContainerSaw) {
  write(dir.path() + "/secret", "secret");
  write(left + "/x", "");
  fs::create_symlink(dir.path() + "/secret", left + "/absolute");
  fs::create_symlink("../secret", left + "/relative");
  EXPECT_EQ(keep("/absolute").error().reason, Reason::NotFound);
  EXPECT_EQ(keep("/relative").error().reason, Reason::NotFound);
  // Within a directory links are kept as links.
  write(left + "/out/a", "");
  fs::create_symlink("../../secret", left + "/out/away");
  const auto kept = keep("/out");
  ASSERT_TRUE(kept);
  EXPECT_THAT(bring(own(kept->digest)).error().message,
              HasSubstr("\"out/away\": a link that leads out of it"));
}

TEST_F(ArtifactsTest, FifosAndDevicesAreNeverOpened) {
  write(left + "/out/a", "pear");
  ASSERT_EQ(::mkfifo((left + "/out/pipe").c_str(), 0600), 0);
  (void)::mknod((left + "/out/null").c_str(), S_IFCHR | 0600, makedev(1, 3));
  const auto kept = keep("/out");
  ASSERT_TRUE(kept);
  ASSERT_TRUE(bring(own(kept->digest)).value());
  EXPECT_EQ(std::distance(fs::directory_iterator(data), {}), 1);
  EXPECT_THAT(keep("/out/pipe").error().message, HasSubstr("neither a file nor a directory"));
}

TEST_F(ArtifactsTest, HolesWithoutEndHoldNobodyUp) {
  write(left + "/out/a", "pear");
  for (const char* name : {"x", "y"}) {  // neither of them too much by itself
    write(left + "/out/" + name, "");
    ASSERT_EQ(::truncate((left + "/out/" + name).c_str(), TreeLimits{}.holes * 3 / 4), 0);
  }
  write(left + "/one", "");
  ASSERT_EQ(::truncate((left + "/one").c_str(), int64_t(1) << 40), 0);
  using Archive = node::ArtifactOut::Archive;
  for (const auto& [path, how] :
       {std::pair("/one", Archive::Tar), {"/one", Archive::Zip}, {"/one", Archive::None}})
    EXPECT_THAT(keep(path, {.archive = how}).error().message, HasSubstr("holes (sparse)")) << path;
  const Fd root(::open(left.c_str(), O_PATH | O_DIRECTORY));
  const Fd pin = pin_in(root, "/out");
  const auto nothing = tar_writer([](std::string_view) { return Result<void>(); }, 0);
  const auto packed = archive_tree(pin, "out", *nothing, [] { return false; }, {.holes = 1 << 20});
  ASSERT_FALSE(packed);
  EXPECT_THAT(packed.error().message, HasSubstr("holes (sparse)"));
  EXPECT_EQ(blobs->usage(kVision)->bytes, 0);
}

TEST_F(ArtifactsTest, AnotherTenantsIsNotThere) {
  write(left + "/a", "pear");
  const auto kept = keep("/a");
  EXPECT_EQ(bring(own(kept->digest), "other1").error().reason, Reason::NotFound);
  auto optional = own(kept->digest);
  optional.optional = true;
  EXPECT_FALSE(bring(optional, "other1").value());
  EXPECT_FALSE(fs::exists(data));
}

TEST_F(ArtifactsTest, APartOfItAlone) {
  write(left + "/out/sub/b", "fig");
  const auto kept = keep("/out");
  auto part = own(kept->digest);
  part.sub_path = "sub/b";
  ASSERT_TRUE(bring(part).value());
  EXPECT_EQ(read(data), "fig");
  part.sub_path = "none";
  EXPECT_THAT(bring(part).error().message, HasSubstr("holds nothing at subPath \"none\""));
}

TEST_F(ArtifactsTest, RawTextWithItsMode) {
  node::ArtifactIn raw{.name = "r", .path = "/r", .unpack = false, .mode = 0440};
  raw.source.text = "a few words";
  ASSERT_TRUE(bring(raw).value());
  EXPECT_EQ(read(data), "a few words");
  EXPECT_EQ(fs::status(data).permissions(), fs::perms(0440));
}

TEST_F(ArtifactsTest, WhatIsThereIsNotBroughtAgain) {
  const auto kept = env::put_blob(*blobs, kVision, "once");
  node::Bring ask{
      .cluster = kVision.value, .directory = dir.path() + "/pod", .artifacts = {own(kept->digest)}};
  ASSERT_TRUE(bring_artifact(*blobs, ask, 0, {}).value());
  write(ask.directory + "/0/data", "changed by the step");
  ASSERT_TRUE(bring_artifact(*blobs, ask, 0, {}).value());
  EXPECT_EQ(read(ask.directory + "/0/data"), "changed by the step");
}

TEST_F(ArtifactsTest, HostileArchives) {
  using Type = ArchiveEntry::Type;
  EXPECT_THAT(fault(tar_of({{.name = "../escaped"}})), HasSubstr("its path leads out of it"));
  EXPECT_THAT(fault(tar_of({{.name = "a/../../escaped"}})), HasSubstr("its path leads out of it"));
  EXPECT_THAT(fault(tar_of({{.name = "/etc/escaped"}})), HasSubstr("an absolute path"));
  EXPECT_THAT(fault(tar_of({{.name = "l", .type = Type::Link, .target = "/etc"}})),
              HasSubstr("a link that leads out"));
  EXPECT_THAT(fault(tar_of({{.name = "d/l", .type = Type::Link, .target = "../../x"}})),
              HasSubstr("a link that leads out"));
  // Each by itself stays inside; one through the other does not.
  EXPECT_THAT(fault(tar_of({{.name = "d/up", .type = Type::Link, .target = ".."},
                            {.name = "out", .type = Type::Link, .target = "d/up/.."}})),
              HasSubstr("a link that leads out"));
  EXPECT_THAT(fault(tar_of({{.name = "l", .type = Type::Link, .target = "."}, {.name = "l/x"}})),
              HasSubstr("what should be a directory above it is none"));
}

TEST_F(ArtifactsTest, Bombs) {
  const std::string zeros(4 << 20, '\0');
  std::string bomb;
  auto writer = tar_writer([&](std::string_view b) { return bomb += b, Result<void>(); }, 9);
  ASSERT_TRUE(writer->add({.name = "zeros", .size = int64_t(1) << 30},
                          [&](char* to, size_t most) -> Result<size_t> { return zeros.copy(to, most); }));
  ASSERT_TRUE(writer->finish());
  EXPECT_LT(bomb.size(), 2u << 20);
  EXPECT_THAT(fault(bomb), HasSubstr("the archive is a bomb"));
}

TEST_F(ArtifactsTest, WhatIsNoArchiveStaysAsItIs) {
  for (const std::string& text : {std::string(), std::string("plain"), std::string(10'000, '\0')}) {
    EXPECT_EQ(fault(text), "none");
    EXPECT_EQ(read(data), text);
  }
}

TEST_F(ArtifactsTest, AnArchiveThatBreaksOff) {
  const std::string whole = tar_of({{.name = "a", .size = 100'000}}, std::string(100'000, 'x'));
  EXPECT_THAT(fault(whole.substr(0, whole.size() / 2)), HasSubstr("the archive is broken"));
}

TEST_F(ArtifactsTest, TheLimitOfTheTenantHolds) {
  write(left + "/out/a", std::string(4096, 'x'));
  blobs->limit(kVision, 10);
  const auto kept = keep("/out", {.name = "o", .archive = node::ArtifactOut::Archive::None});
  EXPECT_FALSE(kept);
  EXPECT_THAT(keep("/out").error().message, HasSubstr("spec.storage.limit"));
  EXPECT_EQ(blobs->usage(kVision)->bytes, 0);
}

}  // namespace
}  // namespace ingot::host
