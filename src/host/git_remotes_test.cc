// Remotes through real workers (this program, see gpu_control_test.cc), on repositories that are made byte by byte.
#include <fcntl.h>
#include <git2.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <future>
#include <random>

#include "host/blob_files.h"
#include "host/git_objects.h"
#include "host/git_remotes.h"
#include "host/images_tar.h"
#include "host/real_env.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

const ClusterId kVision("vision1");
constexpr const char* kRepository = "11111111-2222-3333-4444-555555555555";
constexpr const char* kOther = "66666666-2222-3333-4444-555555555555";

// A bare repository, and its objects as a test wants them.
class Remote {
 public:
  explicit Remote(const std::string& path) {
    git_libgit2_init();
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    git_repository* made = nullptr;
    EXPECT_EQ(git_repository_init(&made, path.c_str(), 1), 0) << git_complaint();
    repository_.reset(made);
    EXPECT_EQ(git_repository_set_head(made, "refs/heads/main"), 0);
  }
  git_oid blob(std::string_view text) { return write(text, GIT_OBJECT_BLOB); }
  struct Entry {
    std::string mode, name;
    git_oid id;
  };
  git_oid tree(const std::vector<Entry>& entries) {
    std::string text;
    for (const Entry& e : entries)
      text +=
          e.mode + " " + e.name + '\0' + std::string(reinterpret_cast<const char*>(e.id.id), GIT_OID_RAWSZ);
    return write(text, GIT_OBJECT_TREE);
  }
  std::string commit(const git_oid& tree, const std::string& parent = "",
                     const std::string& branch = "main") {
    std::string text = "tree " + git_text(tree) + "\n";
    if (!parent.empty()) text += "parent " + parent + "\n";
    text +=
        "author Ada <ada@example.com> 1700000000 +0000\ncommitter Ada <ada@example.com> 1700000000 "
        "+0000\n\nsubject\n";
    const git_oid id = write(text, GIT_OBJECT_COMMIT);
    git_reference* made = nullptr;
    EXPECT_EQ(
        git_reference_create(&made, repository_.get(), ("refs/heads/" + branch).c_str(), &id, 1, nullptr), 0)
        << git_complaint();
    git_reference_free(made);
    return git_text(id);
  }
  void remove(const std::string& branch) {
    EXPECT_EQ(git_reference_remove(repository_.get(), ("refs/heads/" + branch).c_str()), 0);
  }

 private:
  git_oid write(std::string_view text, git_object_t type) {
    git_odb* store = nullptr;
    git_oid id{};
    EXPECT_EQ(git_repository_odb(&store, repository_.get()), 0);
    EXPECT_EQ(git_odb_write(&id, store, text.data(), text.size(), type), 0) << git_complaint();
    git_odb_free(store);
    return id;
  }
  GitRepositoryPtr repository_;
};

class GitRemotesTest : public testing::Test {
 protected:
  GitRemotesTest() {
    std::filesystem::create_directory(dir.path() + "/root");
    blobs = open_blob_files(dir.path() + "/blobs").value();
    open({});
  }
  ~GitRemotesTest() override { git = nullptr; }

  void open(GitLimits limits) {
    git = nullptr;
    git = open_git_remotes(real.loop, real.log, *blobs,
                           {.root = dir.path() + "/git", .file_root = dir.path() + "/root", .limits = limits})
              .value();
  }
  std::string path(const std::string& name) const { return dir.path() + "/root/" + name; }
  template <class Answer, class Ask>
  Result<Answer> wait(Ask ask) {
    std::promise<Result<Answer>> told;
    auto answer = told.get_future();
    real.loop.post([&] { ask([&](Result<Answer> a) { told.set_value(std::move(a)); }); });
    return answer.get();
  }
  Result<env::GitSeen> look(const std::string& url, std::map<std::string, std::string> seen = {},
                            std::vector<std::string> paths = {}) {
    env::GitLook question{.cluster = kVision,
                          .repository = kRepository,
                          .url = url,
                          .paths = std::move(paths),
                          .seen = std::move(seen),
                          .pipeline = ".ingot/pipeline.yaml"};
    return wait<env::GitSeen>([&](auto done) { git->look(question, std::move(done)); });
  }
  Result<env::GitSource> pack(const std::string& commit) {
    return wait<env::GitSource>(
        [&](auto done) { git->pack({kVision, kRepository, commit}, std::move(done)); });
  }
  // Names in the archive, a link with where it leads, as the store has it.
  std::vector<std::string> names(const env::GitSource& source) {
    const auto bytes = env::get_blob(*blobs, kVision, source.digest, 64 << 20);
    EXPECT_TRUE(bytes);
    const std::string packed = dir.path() + "/x.tgz", plain = dir.path() + "/x.tar";
    EXPECT_TRUE(write_file(packed, *bytes, 0600));
    std::string tar;
    const gzFile file = gzopen(packed.c_str(), "rb");
    char buffer[4096];
    for (int n; (n = gzread(file, buffer, sizeof buffer)) > 0;) tar.append(buffer, size_t(n));
    gzclose(file);
    EXPECT_TRUE(write_file(plain, tar, 0600));
    std::vector<std::string> out;
    const auto walked = tar_walk(plain, 10'000, [&](const TarEntry& entry) -> Result<void> {
      out.push_back(entry.name + (entry.link_target.empty() ? "" : " -> " + entry.link_target));
      return {};
    });
    EXPECT_TRUE(walked) << walked.error().message;
    return out;
  }
  std::string refusal(const git_oid& tree, Remote& remote) {
    const std::string commit = remote.commit(tree);
    const auto seen = look("file://" + path("x"));
    EXPECT_TRUE(seen) << seen.error().message;
    const auto packed = pack(commit);
    return packed ? "packed" : packed.error().message;
  }

  TestDir dir;
  RealEnv real;
  std::unique_ptr<env::Blobs> blobs;
  std::unique_ptr<env::Git> git;
};

TEST_F(GitRemotesTest, ALookTellsWhatIsNewAndAPackBringsIt) {
  Remote remote(path("x"));
  const git_oid pipeline = remote.tree({{"100644", "pipeline.yaml", remote.blob("kind: Workflow\n")}});
  const std::string long_name(150, 'n');
  const auto files = [&](std::string_view text) {
    return remote.tree({{"40000", ".ingot", pipeline},
                        {"100644", "a.py", remote.blob(text)},
                        {"120000", "link", remote.blob("a.py")},
                        {"100755", long_name, remote.blob("x")}});
  };
  const std::string one = remote.commit(files("1"));
  auto seen = look("file://" + path("x"));
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(seen->head, "main");
  ASSERT_EQ(seen->changes.size(), 1u);
  EXPECT_EQ(seen->changes[0].pipeline, "kind: Workflow\n");
  EXPECT_EQ(seen->changes[0].subject, "subject");

  const std::string two = remote.commit(files("2"), one);
  seen = look("file://" + path("x"), {{"main", one}}, {"docs/**"});
  ASSERT_TRUE(seen) << seen.error().message;
  ASSERT_EQ(seen->changes.size(), 1u);
  EXPECT_EQ(seen->changes[0].before, one);
  EXPECT_EQ(seen->changes[0].paths, std::vector<std::string>{"a.py"});
  EXPECT_FALSE(seen->changes[0].rewritten);
  EXPECT_FALSE(seen->changes[0].relevant);
  EXPECT_TRUE(look("file://" + path("x"), {{"main", two}})->changes.empty());

  const auto packed = pack(two);
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_EQ(names(*packed),
            (std::vector<std::string>{".ingot", ".ingot/pipeline.yaml", "a.py", "link -> a.py", long_name}));
  EXPECT_EQ(pack(two)->digest, packed->digest);

  const std::string fresh = remote.commit(files("3"));
  seen = look("file://" + path("x"), {{"main", two}});
  ASSERT_TRUE(seen && seen->changes.size() == 1u);
  EXPECT_TRUE(seen->changes[0].rewritten);
}

TEST_F(GitRemotesTest, TreesThatNoDirectoryMayBeAreRefused) {
  Remote remote(path("x"));
  const git_oid file = remote.blob("x");
  EXPECT_NE(refusal(remote.tree({{"100644", "..", file}}), remote).find("no name"), std::string::npos);
  EXPECT_NE(refusal(remote.tree({{"100644", "a/b", file}}), remote).find("no name"), std::string::npos);
  EXPECT_NE(refusal(remote.tree({{"40000", ".git", remote.tree({{"100644", "config", file}})}}), remote)
                .find("no name"),
            std::string::npos);
  for (const char* target : {"/etc/passwd", "..", "a/../../x", "../x", "./../x"})
    EXPECT_NE(refusal(remote.tree({{"120000", "link", remote.blob(target)}}), remote).find("leads out"),
              std::string::npos)
        << target;
  git_oid deep = remote.tree({{"100644", "x", file}});
  for (int i = 0; i < 70; ++i) deep = remote.tree({{"40000", "d", deep}});
  EXPECT_NE(refusal(deep, remote).find("deeper"), std::string::npos);
}

TEST_F(GitRemotesTest, WhatIsTooMuchIsRefused) {
  Remote remote(path("x"));
  std::vector<Remote::Entry> entries;
  for (int i = 0; i < 20; ++i)
    entries.push_back(
        {"100644", "f" + std::to_string(10 + i), remote.blob(std::string(10'000, char('a' + i)))});
  const git_oid tree = remote.tree(entries);
  open({.objects = 10});
  remote.commit(tree);
  const auto seen = look("file://" + path("x"));
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().causes.front().type, env::kGitTooLarge) << seen.error().message;
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/git/" + kRepository));
  open({.source_files = 10});
  EXPECT_NE(refusal(tree, remote).find("more than 10 files"), std::string::npos);
  open({.source_bytes = 100'000});
  EXPECT_NE(refusal(tree, remote).find("larger"), std::string::npos);
  EXPECT_EQ(blobs->usage(kVision)->bytes, 0);
}

std::string noise(size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  std::mt19937 random(seed);
  for (char& c : text) c = char(random());
  return text;
}

TEST_F(GitRemotesTest, ClonesOfATenantCountAgainstItsStorage) {
  Remote remote(path("x")), other(path("y"));
  const auto tree = [](Remote& r, unsigned seed) {
    return r.tree({{"100644", "big", r.blob(noise(300'000, seed))}});
  };
  const std::string one = remote.commit(tree(remote, 1));
  other.commit(tree(other, 2));
  blobs->limit(kVision, 800'000);
  ASSERT_TRUE(look("file://" + path("x")));
  const auto of_other = [&](const ClusterId& cluster) {
    const env::GitLook question{.cluster = cluster,
                                .repository = kOther,
                                .url = "file://" + path("y"),
                                .pipeline = ".ingot/pipeline.yaml"};
    return wait<env::GitSeen>([&](auto done) { git->look(question, std::move(done)); });
  };
  // As after a start: what lies there is known of once it was told to be kept.
  open({});
  real.loop.call([&] { git->keep({{kVision, kRepository}, {kVision, kOther}}); });
  auto seen = of_other(kVision);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().causes.front().type, env::kGitNoRoom);
  for (const char* words : {"spec.storage.limit", "delete Repositories", "ask the operator"})
    EXPECT_NE(seen.error().message.find(words), std::string::npos) << seen.error().message;
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/git/" + kOther));
  EXPECT_TRUE(of_other(ClusterId("speech1"))) << "another tenant's is in nobody's way";
  EXPECT_TRUE(look("file://" + path("x"), {{"main", one}})) << "what is as it was needs no room";
  for (const char* gone : {kOther, kRepository}) real.loop.call([&] { git->forget(gone); });
  git = nullptr;  // what was posted is done
  open({});
  EXPECT_TRUE(of_other(kVision));
}

TEST_F(GitRemotesTest, BranchesThatComeAndGoLeaveNothing) {
  Remote remote(path("x"));
  const git_oid tree = remote.tree({{"100644", "x", remote.blob("x")}});
  std::string deep = "d";
  for (int i = 0; i < 100; ++i) deep += "/d";
  remote.commit(tree);
  remote.commit(tree, "", deep + "/1");
  ASSERT_TRUE(look("file://" + path("x")));
  remote.remove(deep + "/1");
  remote.commit(tree, "", deep);  // where a directory was
  ASSERT_TRUE(look("file://" + path("x")));
  remote.remove(deep);
  ASSERT_TRUE(look("file://" + path("x")));
  size_t entries = 0;
  for ([[maybe_unused]] const auto& one :
       std::filesystem::recursive_directory_iterator(dir.path() + "/git/" + kRepository + "/git/refs/ingot"))
    ++entries;
  EXPECT_EQ(entries, 1u);
}

TEST_F(GitRemotesTest, OnlyWhatLiesBeneathTheFolderIsOpened) {
  Remote outside(dir.path() + "/outside");
  std::filesystem::create_symlink(dir.path() + "/outside", path("link"));
  for (const std::string& url : {"file://" + dir.path() + "/outside", "file://" + path("link"),
                                 "file://" + path("../outside"), "file://" + dir.path() + "/root-else"}) {
    const auto seen = look(url);
    ASSERT_FALSE(seen) << url;
    EXPECT_EQ(seen.error().causes.front().type, env::kGitRefused) << url;
  }
}

TEST_F(GitRemotesTest, AFileRemoteLeadsNowhereElse) {
  Remote outside(dir.path() + "/outside"), remote(path("x"));
  // Objects of another repository, by name: the worker's root does not have it.
  const std::string commit = outside.commit(outside.tree({{"100644", "secret", outside.blob("secret")}}));
  std::filesystem::create_directories(path("x") + "/objects/info");
  ASSERT_TRUE(write_file(path("x") + "/objects/info/alternates", dir.path() + "/outside/objects\n", 0644));
  ASSERT_TRUE(write_file(path("x") + "/refs/heads/main", commit + "\n", 0644));
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives workers a root of their own";
  EXPECT_FALSE(look("file://" + path("x")));
}

TEST_F(GitRemotesTest, WhatNobodyNeedsGoes) {
  Remote remote(path("x"));
  remote.commit(remote.tree({{"100644", "x", remote.blob("x")}}));
  ASSERT_TRUE(look("file://" + path("x")));
  EXPECT_TRUE(std::filesystem::exists(dir.path() + "/git/" + kRepository));
  real.loop.call([&] { git->keep({{kVision, kRepository}}); });
  ASSERT_TRUE(look("file://" + path("x")));
  real.loop.call([&] { git->keep({}); });
  git = nullptr;  // what was posted is done
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/git/" + kRepository));
}

}  // namespace
}  // namespace ingot::host
