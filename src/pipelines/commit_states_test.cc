#include "pipelines/commit_states.h"

#include <gmock/gmock.h>

#include "api/parse.h"
#include "api/reserved.h"
#include "git/repository.h"
#include "git/start.h"
#include "store/testing.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string kOne(40, '1'), kTwo(40, '2');

class Told final : public env::Git {
 public:
  explicit Told(env::Loop& loop) : loop_(loop) {}
  std::vector<std::string> states;  // "NAME COMMIT STATE"
  void look(env::GitLook, std::move_only_function<void(Result<env::GitSeen>)>) override {}
  void pack(env::GitPack, std::move_only_function<void(Result<env::GitSource>)>) override {}
  void forget(const std::string&) override {}
  void keep(std::vector<env::GitKept>) override {}
  void report(env::GitReport r, std::move_only_function<void(Result<void>)> done) override {
    states.push_back(r.description + " " + r.commit.substr(0, 1) + " " + r.state);
    loop_.post([done = std::move(done)]() mutable { done({}); });
  }

 private:
  env::Loop& loop_;
};

struct CommitStatesTest : testing::Test {
  store::Fixture store;
  Told git{store.t.env.loop};
  std::unique_ptr<CommitStates> states = std::make_unique<CommitStates>(store.t.env, *store.shard, git);
  static api::Key key(std::string_view resource, std::string_view name) {
    return {ClusterId{"c1"}, resource, "default", name};
  }
  void put(std::string_view resource, std::string_view name, const std::string& text) {
    Json object = api::parse_body_yaml(text)->value;
    api::set(object, {"metadata", "name"}, name);
    EXPECT_TRUE(store.input([&](store::Turn& turn) { EXPECT_TRUE(turn.put(key(resource, name), object)); }));
    store.t.loop.run_until_idle();
  }
  void put_repository(const std::string& status) {
    put(git::kRepositories, "digits",
        "metadata: {uid: u}\nspec: {url: 'https://github.com/a/b', statusTokenRef: {name: s}}\nstatus: " +
            status);
  }
  void put_run(const std::string& name, const std::string& commit, const std::string& phase) {
    put("workflows.argoproj.io", name,
        "metadata: {labels: {" + std::string(api::kRepositoryLabel) + ": digits, " +
            std::string(api::kCommitLabel) + ": '" + commit + "'}}\nstatus: {phase: " + phase + "}");
  }
  git::RepositoryState state() {
    git::RepositoryState out;
    EXPECT_TRUE(store.input([&](store::Turn& turn) {
      out = git::read_state(turn.get(key(git::kRepositories, "digits"))->parse());
    }));
    return out;
  }
};

TEST_F(CommitStatesTest, ARunThatItsBranchHasLeftIsToldOfToItsEnd) {
  put("secrets", "s", "data: {token: dA==}");
  put_repository("{branches: [{name: main, commit: '" + kOne + "', workflow: w1}]}");
  put_run("w1", kOne, "Running");
  EXPECT_THAT(git.states, ElementsAre("w1 1 pending"));
  put_repository("{branches: [{name: main, commit: '" + kTwo +
                 "', workflow: w2}], unreported: [{workflow: w1, "
                 "branch: main, commit: '" +
                 kOne + "'}]}");
  put_run("w1", kOne, "Succeeded");
  EXPECT_THAT(git.states, ElementsAre("w1 1 pending", "w1 1 success"));
  EXPECT_THAT(state().unreported, IsEmpty()) << "once told, it is not remembered";
  EXPECT_EQ(state().branches.at("main").workflow, "w2");
}

TEST_F(CommitStatesTest, WhoWritesLabelsSpeaksForNoCommit) {
  put("secrets", "s", "data: {token: dA==}");
  put_repository("{branches: [{name: main, commit: '" + kOne + "', workflow: w1}]}");
  put_run("forged", kTwo, "Succeeded");
  put_run("w1", kTwo, "Succeeded");
  EXPECT_THAT(git.states, IsEmpty());
}

}  // namespace
}  // namespace ingot::pipelines
