#include "pipelines/repositories.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "git/repository.h"
#include "pipelines/reaction.h"
#include "store/follower.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;
using git::Repository;

constexpr size_t kSettledPerTurn = 1, kStartedPerTurn = 32;
constexpr Duration kFirstRetry = std::chrono::seconds(10), kLastRetry = std::chrono::minutes(10);

// One look, from the question to what is written.
struct Look {
  std::string key, uid, asked;
  uint64_t number = 0;
  Repository repository;
  Result<env::GitSeen> seen = fail(Reason::InternalError, "");
  std::vector<Reaction> reactions;
  size_t packing = 0;
};
using LookPtr = std::shared_ptr<Look>;

}  // namespace

class Repositories::Impl final : public store::Follower::Handler, public std::enable_shared_from_this<Impl> {
 public:
  Impl(env::Env& env, store::Shard& shard, const api::Registry& registry, env::Git& git, env::Worker& worker)
      : env_(env),
        registry_(registry),
        git_(git),
        worker_(worker),
        follower_(std::make_unique<store::Follower>(
            env, shard, store::FollowerOptions{{{"", std::string(git::kRepositories), ""}}, store::kFewKeys},
            *this)) {}

  void start() { follower_->wake(); }
  void stop() { follower_ = nullptr; }
  Stats stats() const {
    Stats stats = stats_;
    stats.watched = watched_.size();
    for (const auto& [key, watched] : watched_) stats.failing += watched.failures > 0;
    return stats;
  }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool rest) override {
    for (const Key& key : changed) note(turn, key);
    if (!rest && !swept_) sweep();
    for (size_t n = 0; n < kSettledPerTurn && !arrived_.empty(); ++n) {
      const LookPtr look = std::move(arrived_.front());
      arrived_.pop_front();
      settle_look(turn, *look);
    }
    const Instant now = env_.clock.now();
    for (size_t n = 0; n < kStartedPerTurn && !due_.empty() && due_.begin()->first <= now; ++n) {
      const std::string key = due_.begin()->second;
      due_.erase(due_.begin());
      ask(turn, key);
    }
    if (!due_.empty()) follower_->wake_at(due_.begin()->first);
    return !arrived_.empty() || (!due_.empty() && due_.begin()->first <= now);
  }

  void reset() override {
    watched_.clear();
    due_.clear();
    arrived_.clear();
    swept_ = false;
  }

 private:
  struct Watched {
    std::string uid, asked;
    int64_t generation = -1;
    uint64_t look = 0;   // on its way; 0: none
    bool again = false;  // something changed since it began
    int failures = 0;
    Instant due{};
  };

  void note(store::Turn& turn, const Key& key) {
    const ObjectPtr object = turn.get(key);
    auto known = watched_.find(key.text());
    const Repository repository = object ? git::read_repository(object->parse()) : Repository{};
    if (known != watched_.end() && known->second.uid != repository.uid) {
      if (known->second.look == 0) git_.forget(known->second.uid);
      due_.erase({known->second.due, key.text()});
      watched_.erase(known);
      known = watched_.end();
    }
    if (!object) return;
    Watched& watched = known == watched_.end() ? watched_[key.text()] : known->second;
    if (watched.generation == repository.generation && watched.asked == repository.asked) return;
    watched.uid = repository.uid;
    watched.generation = repository.generation;
    watched.asked = repository.asked;
    watched.failures = 0;
    if (watched.look != 0)
      watched.again = true;
    else
      look_at(key.text(), watched, env_.clock.now());
  }

  // Directories of repositories that are gone.
  void sweep() {
    swept_ = true;
    std::vector<env::GitKept> kept;
    for (const auto& [key, watched] : watched_)
      kept.push_back({ClusterId{std::string(Key(key).cluster())}, watched.uid});
    git_.keep(std::move(kept));
  }

  void look_at(const std::string& key, Watched& watched, Instant when) {
    due_.erase({watched.due, key});
    watched.due = when;
    due_.emplace(when, key);
  }

  void ask(store::Turn& turn, const std::string& text) {
    const auto known = watched_.find(text);
    const Key key(text);
    const ObjectPtr object = turn.get(key);
    if (known == watched_.end() || !object || known->second.look != 0) return;
    const Json json = object->parse();
    const Repository repository = git::read_repository(json);
    if (repository.suspended || repository.uid != known->second.uid) return;
    auto look = std::make_shared<Look>(Look{.key = text,
                                            .uid = repository.uid,
                                            .asked = repository.asked,
                                            .number = ++last_,
                                            .repository = repository});
    known->second.look = look->number;
    known->second.again = false;
    ++stats_.looks;
    const auto credential = credential_for(turn, key, repository);
    if (!credential) {
      look->seen = fail(credential.error());
      arrived_.push_back(std::move(look));
      return;
    }
    const git::RepositoryState state = git::read_state(json);
    env::GitLook question{.cluster = ClusterId{std::string(key.cluster())},
                          .repository = repository.uid,
                          .url = repository.url,
                          .credential = *credential,
                          .branches = repository.branches,
                          .paths = repository.paths,
                          .pipeline = repository.pipeline,
                          .first = state.url != repository.url};
    if (!question.first)
      for (const auto& [name, branch] : state.branches) question.seen.emplace(name, branch.commit);
    git_.look(std::move(question), [weak = weak_from_this(), look](Result<env::GitSeen> seen) {
      if (const auto self = weak.lock()) self->looked(look, std::move(seen));
    });
  }

  Result<env::GitCredential> credential_for(store::Turn& turn, const Key& key,
                                            const Repository& repository) const {
    if (repository.secret.empty()) return env::GitCredential{};
    const ObjectPtr secret =
        turn.get(Key(ClusterId{std::string(key.cluster())}, "secrets", key.ns(), repository.secret));
    if (secret) return git::credential_of(secret->parse());
    return fail(env::git_error("SecretMissing", "spec.secretRef: there is no Secret " + repository.secret +
                                                    " in namespace " + std::string(key.ns())));
  }

  // The rest needs no turn until everything is here. What strangers wrote is read beside the loop.
  void looked(const LookPtr& look, Result<env::GitSeen> seen) {
    look->seen = std::move(seen);
    worker_.run(
        [look, &registry = registry_] {
          if (!look->seen) return;
          for (env::GitChange& change : look->seen->changes)
            look->reactions.push_back(judge(registry, look->repository, std::move(change)));
        },
        [weak = weak_from_this(), look] {
          if (const auto self = weak.lock()) self->judged(look);
        });
  }
  void judged(const LookPtr& look) {
    for (size_t i = 0; i < look->reactions.size(); ++i) {
      if (!look->reactions[i].needs_source) continue;
      ++look->packing;
      const ClusterId cluster{std::string(Key(look->key).cluster())};
      git_.pack({cluster, look->uid, look->reactions[i].change.commit},
                [weak = weak_from_this(), look, i](Result<env::GitSource> source) {
                  if (const auto self = weak.lock()) self->packed(look, i, std::move(source));
                });
    }
    if (look->packing == 0) arrive(look);
  }
  void packed(const LookPtr& look, size_t i, Result<env::GitSource> source) {
    Reaction& reaction = look->reactions[i];
    const auto passing = [](const Error& error) {
      const std::string_view cause = error.causes.empty() ? "" : std::string_view(error.causes.front().type);
      return cause == env::kGitBusy || cause == env::kGitTimedOut ||
             error.reason == Reason::ServiceUnavailable || error.reason == Reason::TooManyRequests;
    };
    if (source) {
      reaction.source = source->digest;
    } else if (passing(source.error())) {
      look->seen = fail(std::move(source.error()));  // nothing was seen, so that the next look sees it again
    } else {
      reaction.pipeline.reset();
      reaction.reason = "SourceRefused";
      reaction.message = source.error().message;
    }
    if (--look->packing == 0) arrive(look);
  }
  void arrive(const LookPtr& look) {
    arrived_.push_back(look);
    if (follower_) follower_->wake();
  }

  void settle_look(store::Turn& turn, Look& look) {
    const auto known = watched_.find(look.key);
    if (known == watched_.end() || known->second.look != look.number) {
      // Deleted meanwhile, or read again from the start; what was kept of one that is gone may go now.
      if (known == watched_.end() || known->second.uid != look.uid) git_.forget(look.uid);
      return;
    }
    Watched& watched = known->second;
    watched.look = 0;
    const ObjectPtr object = turn.get(Key(look.key));
    if (!object) return;
    const Instant now = env_.clock.now();
    // Of another remote, perhaps.
    if (git::read_repository(object->parse()).generation != look.repository.generation)
      return look_at(look.key, watched, now);
    const bool more = write(turn, object, look, watched);
    look_at(look.key, watched, watched.again || more ? now : now + pause(look.repository, watched.failures));
  }

  // Returns whether there is more to be seen at once.
  bool write(store::Turn& turn, const ObjectPtr& object, Look& look, Watched& watched) {
    if (!look.seen) {
      ++stats_.failed;
      ++watched.failures;
      const Error& error = look.seen.error();
      if (!error.causes.empty() && error.causes.front().type == env::kGitBusy) {
        watched.failures = 1;
        return false;
      }
      env_.log.warn("repository.unread", {{"repository", look.key}, {"error", error.message}});
      (void)settle_failed(turn, object, error, look.asked, env_.clock.wall());
      return false;
    }
    watched.failures = 0;
    stats_.synced = env_.clock.wall();
    const auto settled =
        settle(turn, env_, registry_, object, *look.seen, std::move(look.reactions), look.asked);
    if (!settled) {
      env_.log.warn("repository.unwritten", {{"repository", look.key}, {"error", settled.error().message}});
      ++watched.failures;
      return false;
    }
    stats_.started += settled->started;
    if (settled->newest)
      env_.log.info("repository.started", {{"repository", look.key},
                                           {"workflow", settled->newest->workflow},
                                           {"commit", settled->newest->commit}});
    return look.seen->more;
  }

  static Duration pause(const Repository& repository, int failures) {
    if (failures == 0) return repository.interval;
    const Duration retry = kFirstRetry * (int64_t(1) << std::min(failures - 1, 20));
    return std::min(retry, std::max(repository.interval, kLastRetry));
  }

  env::Env& env_;
  const api::Registry& registry_;
  env::Git& git_;
  env::Worker& worker_;
  Stats stats_;
  uint64_t last_ = 0;
  bool swept_ = false;
  std::map<std::string, Watched> watched_;
  std::set<std::pair<Instant, std::string>> due_;
  std::deque<LookPtr> arrived_;
  std::unique_ptr<store::Follower> follower_;  // last: it calls into the rest
};

Repositories::Repositories(env::Env& env, store::Shard& shard, const api::Registry& registry, env::Git& git,
                           env::Worker& worker)
    : impl_(std::make_shared<Impl>(env, shard, registry, git, worker)) {
  impl_->start();
}
Repositories::~Repositories() { impl_->stop(); }
Repositories::Stats Repositories::stats() const { return impl_->stats(); }

}  // namespace ingot::pipelines
