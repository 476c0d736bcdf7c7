#include "pipelines/repositories.h"

#include <gtest/gtest.h>

#include <deque>

#include "api/parse.h"
#include "git/repository.h"
#include "git/start.h"
#include "store/testing.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::string_at;
using std::chrono::hours;
using std::chrono::minutes;

constexpr std::string_view kPipeline = R"(apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: x-}
spec: {entrypoint: main, templates: [{name: main, container: {image: busybox}}]}
)";
const std::string kOne(40, '1'), kTwo(40, '2');

// Remotes as the test says; answers when it says.
class FakeGit final : public env::Git {
 public:
  explicit FakeGit(env::Loop& loop) : loop_(loop) {}
  std::map<std::string, std::string> tips{{"main", kOne}};
  std::optional<Error> error;
  std::string pipeline{kPipeline};
  bool held = false;
  std::vector<env::GitLook> looks;
  std::vector<std::string> packed, forgotten, kept;

  void look(env::GitLook look, std::move_only_function<void(Result<env::GitSeen>)> done) override {
    looks.push_back(look);
    auto answer = [this, look = std::move(look), done = std::move(done)]() mutable { done(seen(look)); };
    if (held)
      waiting_.push_back(std::move(answer));
    else
      loop_.post(std::move(answer));
  }
  void pack(env::GitPack pack, std::move_only_function<void(Result<env::GitSource>)> done) override {
    packed.push_back(pack.commit);
    loop_.post([done = std::move(done)]() mutable { done(env::GitSource{Digest::of("source"), 6}); });
  }
  void report(env::GitReport, std::move_only_function<void(Result<void>)>) override {}
  void forget(const std::string& repository) override { forgotten.push_back(repository); }
  void keep(std::vector<env::GitKept> repositories) override {
    kept.clear();
    for (const env::GitKept& one : repositories) kept.push_back(one.cluster.value + "/" + one.repository);
  }
  void answer() {
    held = false;
    for (auto& one : std::exchange(waiting_, {})) loop_.post(std::move(one));
  }

 private:
  Result<env::GitSeen> seen(const env::GitLook& look) const {
    if (error) return fail(*error);
    env::GitSeen seen{.head = "main", .tips = tips};
    for (const auto& [branch, commit] : tips) {
      const auto known = look.seen.find(branch);
      if ((known != look.seen.end() && known->second == commit) || (look.first && branch != "main")) continue;
      seen.changes.push_back({.branch = branch,
                              .commit = commit,
                              .before = known == look.seen.end() ? "" : known->second,
                              .paths = {"a.py"},
                              .pipeline = pipeline});
    }
    return seen;
  }
  env::Loop& loop_;
  std::vector<env::Task> waiting_;
};

class RepositoriesTest : public testing::Test {
 protected:
  RepositoriesTest() {
    put("namespaces", "", "default", "{}");
    start();
  }
  void start() {
    git = std::make_unique<FakeGit>(store.t.env.loop);
    repositories =
        std::make_unique<Repositories>(store.t.env, *store.shard, *registry, *git, store.t.env.worker);
    settle();
  }
  void settle() { store.t.loop.run_until_idle(); }
  static api::Key key(std::string_view resource, std::string_view ns, std::string_view name) {
    return {ClusterId{"c1"}, resource, ns, name};
  }
  void put(std::string_view resource, std::string_view ns, std::string_view name, std::string_view text) {
    Json object = api::parse_body_yaml(text)->value;
    api::set(object, {"metadata", "name"}, name);
    api::set(object, {"metadata", "uid"}, "uid-" + std::string(name));
    EXPECT_TRUE(
        store.input([&](store::Turn& turn) { EXPECT_TRUE(turn.put(key(resource, ns, name), object)); }));
    settle();
  }
  void add(const std::string& more = "", int generation = 1) {
    put(git::kRepositories, "default", "digits",
        "metadata: {generation: " + std::to_string(generation) +
            "}\nspec: {url: https://git.example/digits, interval: 1m, pipeline: .ingot/pipeline.yaml, "
            "serviceAccountName: default" +
            more + "}\n");
  }
  Json get(std::string_view resource, std::string_view name) {
    api::ObjectPtr found;
    EXPECT_TRUE(store.input([&](store::Turn& turn) { found = turn.get(key(resource, "default", name)); }));
    return found ? found->parse() : Json();
  }
  Json repository() { return get(git::kRepositories, "digits"); }
  std::string condition(std::string_view type, std::string_view field = "reason") {
    const Json object = repository();
    for (const Json& one : api::array_at(object, {"status", "conditions"}))
      if (string_at(one, {"type"}) == type) return std::string(string_at(one, {field}));
    return "absent";
  }
  std::vector<std::string> runs() {
    std::vector<std::string> names;
    EXPECT_TRUE(store.input([&](store::Turn& turn) {
      names.clear();
      turn.range(api::type_prefix(ClusterId{"c1"}, "workflows.argoproj.io"), "",
                 [&](const api::ObjectPtr& o) {
                   names.emplace_back(o->key.name());
                   return true;
                 });
    }));
    return names;
  }
  void edit(const std::function<void(Json&)>& change) {
    Json object = repository();
    change(object);
    EXPECT_TRUE(store.input([&](store::Turn& turn) {
      EXPECT_TRUE(turn.put(key(git::kRepositories, "default", "digits"), object));
    }));
    settle();
  }
  void ask(std::string_view value) {
    edit([&](Json& object) { api::set(object, {"metadata", "annotations", git::kSyncAnnotation}, value); });
  }

  store::Fixture store;
  std::shared_ptr<const api::Registry> registry = api::Registry::builtin();
  std::unique_ptr<FakeGit> git;
  std::unique_ptr<Repositories> repositories;
};

TEST_F(RepositoriesTest, TheFirstLookRunsTheRemotesOwnBranchAndNotesTheOthers) {
  git->tips["old"] = kTwo;
  add();
  ASSERT_EQ(runs().size(), 1u);
  EXPECT_TRUE(runs()[0].starts_with("digits-111111111111-"));
  const auto state = git::read_state(repository());
  EXPECT_EQ(state.branches.at("main").workflow, runs()[0]);
  EXPECT_EQ(state.branches.at("old").commit, kTwo);
  EXPECT_EQ(state.branches.at("old").workflow, "");
  EXPECT_EQ(condition("Ready"), "Synced");
  EXPECT_EQ(condition("Started"), "Started");
  EXPECT_EQ(string_at(get("workflows.argoproj.io", runs()[0]), {"spec", "serviceAccountName"}), "default");
}

TEST_F(RepositoriesTest, APushIsFoundByTheNextPollOrAtOnceWhenAsked) {
  add();
  git->tips["main"] = kTwo;
  store.t.loop.advance(minutes(1));
  EXPECT_EQ(runs().size(), 2u);
  git->tips["main"] = std::string(40, '3');
  ask("now");
  EXPECT_EQ(runs().size(), 3u);
  EXPECT_EQ(string_at(repository(), {"status", "syncedFor"}), "now");
  const size_t looks = git->looks.size();
  ask("now");
  EXPECT_EQ(git->looks.size(), looks);
}

TEST_F(RepositoriesTest, NothingNewWritesNothing) {
  add();
  const std::string before(string_at(repository(), {"metadata", "resourceVersion"}));
  store.t.loop.advance(minutes(5));
  EXPECT_GE(git->looks.size(), 5u);
  EXPECT_EQ(string_at(repository(), {"metadata", "resourceVersion"}), before);
}

TEST_F(RepositoriesTest, ACommitRunsOnceAlsoAfterACrash) {
  git->held = true;
  add();
  EXPECT_TRUE(runs().empty());
  repositories = nullptr;  // between the push and its run
  store.reopen();
  start();
  EXPECT_EQ(runs().size(), 1u);
  repositories = nullptr;
  store.reopen();
  start();
  EXPECT_EQ(runs().size(), 1u);
  EXPECT_EQ(git->kept, std::vector<std::string>{"c1/uid-digits"});
}

TEST_F(RepositoriesTest, AReturnToAnOldCommitStartsNoSecondRun) {
  add();
  git->tips["main"] = kTwo;
  ask("1");
  git->tips["main"] = kOne;
  ask("2");
  EXPECT_EQ(runs().size(), 2u);
  EXPECT_EQ(git::read_state(repository()).branches.at("main").commit, kOne);
}

TEST_F(RepositoriesTest, WhatCannotBeReadIsSaidAndTriedAgainMoreSlowly) {
  git->error = env::git_error(env::kGitUnreachable, "nobody there");
  add();
  EXPECT_EQ(condition("Ready"), "Unreachable");
  EXPECT_EQ(string_at(repository(), {"status", "lastError"}), "nobody there");
  store.t.loop.advance(hours(1));
  EXPECT_LT(git->looks.size(), 20u);
  EXPECT_GT(git->looks.size(), 5u);
  git->error.reset();
  ask("now");
  EXPECT_EQ(condition("Ready"), "Synced");
  EXPECT_EQ(runs().size(), 1u);
}

TEST_F(RepositoriesTest, ItsCredentialIsASecretBesideIt) {
  add(", secretRef: {name: access}");
  EXPECT_EQ(condition("Ready"), "SecretMissing");
  EXPECT_TRUE(git->looks.empty());
  put("secrets", "default", "access", "data: {token: dDBrZW4=}\n");
  ask("now");
  ASSERT_EQ(git->looks.size(), 1u);
  EXPECT_EQ(git->looks[0].credential.password, "t0ken");
}

TEST_F(RepositoriesTest, APipelineThatCannotRunIsRefusedAndNotTriedAgain) {
  git->pipeline = "kind: Job";
  add();
  EXPECT_TRUE(runs().empty());
  EXPECT_EQ(condition("Started"), "PipelineRefused");
  EXPECT_EQ(condition("Ready"), "Synced");
  git->pipeline = kPipeline;
  ask("now");
  EXPECT_TRUE(runs().empty());
  git->tips["main"] = kTwo;
  ask("then");
  EXPECT_EQ(runs().size(), 1u);
}

TEST_F(RepositoriesTest, OnlySignedCommitsRunWhereThatIsAsked) {
  add(", requireSignedCommits: true, allowedSigners: [\"ssh-ed25519 AAAA\"]");
  EXPECT_TRUE(runs().empty());
  EXPECT_EQ(condition("Started"), "NotSigned");
}

TEST_F(RepositoriesTest, WhatWasSeenOfAnotherUrlIsNotWritten) {
  git->held = true;
  add();
  edit([](Json& object) {
    api::set(object, {"spec", "url"}, std::string_view("https://git.example/other"));
    api::set(object, {"metadata", "generation"}, 2);
  });
  git->answer();
  settle();
  ASSERT_EQ(git->looks.size(), 2u);
  EXPECT_EQ(git->looks[1].url, "https://git.example/other");
  EXPECT_EQ(string_at(repository(), {"status", "url"}), "https://git.example/other");
}

TEST_F(RepositoriesTest, ASuspendedOneIsLeftAlone) {
  add(", suspend: true");
  store.t.loop.advance(hours(1));
  EXPECT_TRUE(git->looks.empty());
}

TEST_F(RepositoriesTest, WhatIsKeptOfADeletedOneGoes) {
  git->held = true;
  add();
  EXPECT_TRUE(store.input(
      [&](store::Turn& turn) { EXPECT_TRUE(turn.erase(key(git::kRepositories, "default", "digits"))); }));
  settle();
  EXPECT_TRUE(git->forgotten.empty());  // somebody is still in there
  git->answer();
  settle();
  EXPECT_EQ(git->forgotten, std::vector<std::string>{"uid-digits"});
  EXPECT_TRUE(runs().empty());
}

TEST_F(RepositoriesTest, ASourceIsPackedWhereThePipelineWantsIt) {
  git->pipeline = R"(apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: x-}
spec:
  entrypoint: main
  templates: [{name: main, inputs: {artifacts: [{name: source, path: /src}]}, container: {image: busybox}}]
)";
  add();
  EXPECT_EQ(git->packed, std::vector<std::string>{kOne});
  EXPECT_NE(condition("Started"), "absent");
}

TEST_F(RepositoriesTest, StatsSayWhatFails) {
  add();
  EXPECT_EQ(repositories->stats().watched, 1u);
  EXPECT_EQ(repositories->stats().failing, 0u);
  EXPECT_EQ(repositories->stats().synced, store.t.clock.wall());
  git->error = env::git_error(env::kGitUnreachable, "nobody answers");
  store.t.loop.advance(minutes(2));
  EXPECT_EQ(repositories->stats().failing, 1u);
  EXPECT_GE(repositories->stats().failed, 1u);
  git->error.reset();
  store.t.loop.advance(hours(1));
  EXPECT_EQ(repositories->stats().failing, 0u);
}

TEST_F(RepositoriesTest, RunsThatABranchHasLeftAreRememberedUntilTheHostKnows) {
  add(", statusTokenRef: {name: t}");
  ASSERT_EQ(runs().size(), 1u);
  const std::string first = runs().front();
  git->tips["main"] = kTwo;
  store.t.loop.advance(minutes(2));
  ASSERT_EQ(runs().size(), 2u);
  const auto left = git::read_state(repository()).unreported;
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left.front().workflow, first);
  EXPECT_EQ(left.front().commit, kOne);
}

}  // namespace
}  // namespace ingot::pipelines
