#include "pipelines/commit_states.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "api/remote_url.h"
#include "api/reserved.h"
#include "git/report.h"
#include "git/repository.h"
#include "git/start.h"
#include "store/follower.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;
using api::string_at;

constexpr std::string_view kWorkflows = "workflows.argoproj.io";
constexpr std::string_view kPending = "pending", kDefaultKey = "token";
constexpr int kTries = 5;
constexpr Duration kPause = std::chrono::seconds(5);
constexpr size_t kPerTurn = 16;

}  // namespace

class CommitStates::Impl final : public store::Follower::Handler, public std::enable_shared_from_this<Impl> {
 public:
  Impl(env::Env& env, store::Shard& shard, env::Git& git)
      : env_(env),
        git_(git),
        follower_(std::make_unique<store::Follower>(
            env, shard, store::later({{"", std::string(kWorkflows), ""}}), *this)) {}
  void start() { follower_->wake(); }
  void stop() { follower_ = nullptr; }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool) override {
    for (const Key& key : changed) look_at(turn, key);
    for (size_t n = 0; n < kPerTurn && !answers_.empty(); ++n) {
      const Answer answer = std::move(answers_.front());
      answers_.pop_front();
      settle(turn, answer);
    }
    const Instant now = env_.clock.now();
    for (size_t n = 0; n < kPerTurn && !due_.empty() && due_.begin()->first <= now; ++n) {
      const Key key(due_.begin()->second);
      due_.erase(due_.begin());
      look_at(turn, key);
    }
    if (!due_.empty()) follower_->wake_at(due_.begin()->first);
    return !answers_.empty();
  }
  void reset() override {
    runs_.clear();
    due_.clear();
    answers_.clear();
  }

 private:
  struct Run {
    std::string told;     // the state that the host has
    std::string telling;  // on its way; "": nothing
    int tries = 0;
    uint64_t number = 0;
  };
  struct Answer {
    std::string key;
    uint64_t number = 0;
    Result<void> result;
  };

  void look_at(store::Turn& turn, const Key& key) {
    const ObjectPtr object = turn.get(key);
    if (!object || !object->mentions(api::kRepositoryLabel)) {
      runs_.erase(key.text());
      return;
    }
    const Json json = object->parse();
    const std::string told(string_at(json, {"metadata", "annotations", git::kReportedAnnotation}));
    const std::string state(git::state_of(string_at(json, {"status", "phase"})));
    if (told == state) {
      runs_.erase(key.text());
      return;
    }
    if (const auto known = runs_.find(key.text()); known != runs_.end()) {
      const Run& run = known->second;
      if (run.told == state || !run.telling.empty() || run.tries >= kTries) return;
    }
    auto report = report_of(turn, key, json);
    if (!report) return;
    report->state = state;
    Run& run = runs_[key.text()];
    run.telling = state;
    run.number = ++last_;
    git_.report(*std::move(report),
                [weak = weak_from_this(), key = key.text(), number = run.number](Result<void> result) {
                  const auto self = weak.lock();
                  if (!self || !self->follower_) return;
                  self->answers_.push_back({key, number, std::move(result)});
                  self->follower_->wake();
                });
  }

  // None: its Repository has no token, is gone, or did not start it.
  std::optional<env::GitReport> report_of(store::Turn& turn, const Key& key, const Json& workflow) const {
    const auto named = repository_key(key, workflow);
    const ObjectPtr repository = named ? turn.get(*named) : nullptr;
    if (!repository) return std::nullopt;
    const Json json = repository->parse();
    // Who writes labels must not speak for commits that this Repository did not start.
    const std::string_view commit = string_at(workflow, {"metadata", "labels", api::kCommitLabel});
    if (!git::speaks_for(git::read_state(json), key.name(), commit)) return std::nullopt;
    const std::string_view secret = string_at(json, {"spec", "statusTokenRef", "name"});
    if (secret.empty() || secret.find('/') != secret.npos) return std::nullopt;
    const ObjectPtr token = turn.get(Key(ClusterId{std::string(key.cluster())}, "secrets", key.ns(), secret));
    const std::string_view entry = string_at(json, {"spec", "statusTokenRef", "key"});
    const git::Repository read = git::read_repository(json);
    std::string provider(string_at(json, {"spec", "webhook", "provider"}));
    const auto url = api::parse_remote_url(read.url);
    if (provider.empty() && url) provider = git::provider_of(url->host);
    return env::GitReport{
        .cluster = ClusterId{std::string(key.cluster())},
        .repository = read.uid,
        .url = read.url,
        .provider = std::move(provider),
        .token = token ? git::secret_value(token->parse(), entry.empty() ? kDefaultKey : entry) : "",
        .commit = std::string(commit),
        .name = "ingot/" + read.name,
        .description = std::string(key.name())};
  }

  static std::optional<Key> repository_key(const Key& workflow, const Json& json) {
    const std::string_view name = string_at(json, {"metadata", "labels", api::kRepositoryLabel});
    if (name.empty() || name.find('/') != name.npos) return std::nullopt;
    return Key(ClusterId{std::string(workflow.cluster())}, git::kRepositories, workflow.ns(), name);
  }

  void settle(store::Turn& turn, const Answer& answer) {
    const auto known = runs_.find(answer.key);
    if (known == runs_.end() || known->second.number != answer.number) return;
    Run& run = known->second;
    const std::string state = std::exchange(run.telling, "");
    const Key key(answer.key);
    const ObjectPtr object = turn.get(key);
    if (!object) return;
    if (answer.result) {
      run.told = state;
      run.tries = 0;
      if (state != kPending) {
        annotate(turn, object, state);
        settled(turn, key, object->parse());
      }
      return look_at(turn, key);
    }
    const Error& error = answer.result.error();
    env_.log.warn("repository.unreported", {{"workflow", answer.key}, {"error", error.message}});
    if (++run.tries < kTries)
      due_.emplace(env_.clock.now() + kPause * (int64_t(1) << run.tries), answer.key);
    else if (const auto repository = repository_key(key, object->parse()))
      complain(turn, *repository, error);
  }

  void annotate(store::Turn& turn, const ObjectPtr& object, const std::string& state) {
    Json json = object->parse();
    api::set(json, {"metadata", "annotations", git::kReportedAnnotation}, state);
    (void)turn.put(object->key, std::move(json), object->revision);
  }

  // Its Repository need not remember that it started it.
  void settled(store::Turn& turn, const Key& key, const Json& workflow) {
    const auto named = repository_key(key, workflow);
    const ObjectPtr repository = named ? turn.get(*named) : nullptr;
    if (!repository) return;
    Json json = repository->parse();
    git::RepositoryState state = git::read_state(json);
    if (std::erase_if(state.unreported, [&](const git::Started& s) { return s.workflow == key.name(); }) == 0)
      return;
    if (git::write_state(json, state, std::nullopt, env_.clock.wall()))
      (void)turn.put(repository->key, std::move(json), repository->revision);
  }

  void complain(store::Turn& turn, const Key& key, const Error& error) {
    const ObjectPtr repository = turn.get(key);
    if (!repository) return;
    Json json = repository->parse();
    const std::string reason = error.causes.empty() ? "Failed" : error.causes.front().type;
    if (git::write_condition(json, "Reported", false, reason, error.message, env_.clock.wall()))
      (void)turn.put(repository->key, std::move(json), repository->revision);
  }

  env::Env& env_;
  env::Git& git_;
  uint64_t last_ = 0;
  std::map<std::string, Run> runs_;  // that are to be told of
  std::set<std::pair<Instant, std::string>> due_;
  std::deque<Answer> answers_;
  std::unique_ptr<store::Follower> follower_;  // last: it calls into the rest
};

CommitStates::CommitStates(env::Env& env, store::Shard& shard, env::Git& git)
    : impl_(std::make_shared<Impl>(env, shard, git)) {
  impl_->start();
}
CommitStates::~CommitStates() { impl_->stop(); }

}  // namespace ingot::pipelines
