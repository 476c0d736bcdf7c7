#include "registry/registrar.h"

#include <set>

#include "api/deletion.h"
#include "api/model_names.h"
#include "registry/looking.h"
#include "registry/sealing.h"
#include "store/follower.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;
using api::string_at;

constexpr int kMostPages = 50;
constexpr std::string_view kUnseen =
    "brought from outside: the factory did not see it being made, and signs nothing";

bool passes(const Error& error) {
  return error.reason != Reason::Invalid && error.reason != Reason::NotFound &&
         error.reason != Reason::RequestEntityTooLarge;
}

struct Job {
  Key key;
  ClusterId cluster;
  Json version;
  Made made;
  int pages = 0;
  Result<Sealed> sealed = fail(Reason::InternalError, "not done");
};
using JobPtr = std::shared_ptr<Job>;

}  // namespace

class Registrar::Impl final : public store::Follower::Handler, public std::enable_shared_from_this<Impl> {
 public:
  Impl(env::Env& env, store::Shard& shard, env::Blobs& blobs, env::Signer& signer, env::Worker& worker,
       RegistrarOptions options)
      : env_(env),
        shard_(shard),
        blobs_(blobs),
        signer_(signer),
        worker_(worker),
        options_(std::move(options)) {}

  void start() {
    follower_ = std::make_unique<store::Follower>(
        env_, shard_,
        store::later({{"", std::string(api::kModelVersions), ""}, {"", std::string(api::kModels), ""}}),
        *this);
  }
  void stop() { follower_ = nullptr; }

  void reset() override { waiting_.clear(); }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool) override {
    waiting_.insert(changed.begin(), changed.end());
    for (auto it = waiting_.begin(); it != waiting_.end() && jobs_.size() < kMostJobs;) {
      if (jobs_.contains(*it)) {  // looked at again when its job ends
        ++it;
        continue;
      }
      look(turn, *it);
      it = waiting_.erase(it);
    }
    return false;
  }

 private:
  void look(store::Turn& turn, const Key& key) {
    const ObjectPtr object = turn.get(key);
    if (!object) return;
    Json value = object->parse();
    if (api::is_deleting(value)) return bury(turn, key, std::move(value));
    if (key.resource() != api::kModelVersions ||
        string_at(value, {"status", "phase"}) != "PendingRegistration")
      return;
    auto job = std::make_shared<Job>(Job{key, ClusterId{std::string(key.cluster())}, std::move(value), {}});
    job->made = look_up(turn, job->cluster, job->version);
    jobs_.insert(key);
    // After the turn: what waits for rows or a worker must not do so within it.
    env_.loop.post([self = weak_from_this(), job] {
      if (auto impl = self.lock()) impl->look_at_ledger(job, 0);
    });
  }

  // A pod that has ended has no Allocation any more, but rows.
  void look_at_ledger(const JobPtr& job, uint64_t after) {
    const std::string uid(string_at(job->version, {"spec", "provenanceOf", "podUid"}));
    const auto since = parse_rfc3339(string_at(job->version, {"spec", "provenanceOf", "started"}));
    if (uid.empty() || !since || !job->made.allocation.is_null()) return seal_beside(job);
    shard_.rows({.stream = "ledger", .cluster = job->cluster.value, .since = *since, .after = after},
                [self = weak_from_this(), job, uid](Result<std::vector<store::StoredRow>> rows) {
                  auto impl = self.lock();
                  if (!impl) return;
                  if (!rows) return impl->later(job->key);
                  for (const store::StoredRow& stored : *rows) {
                    auto row = api::parse_json(stored.row.data);
                    if (row && string_at(*row, {"podUID"}) == uid) job->made.held.push_back(std::move(*row));
                  }
                  const bool all = rows->empty() || !job->made.held.empty() || ++job->pages >= kMostPages;
                  if (all) return impl->seal_beside(job);
                  impl->look_at_ledger(job, rows->back().sequence);
                });
  }

  void seal_beside(const JobPtr& job) {
    worker_.run([&blobs = blobs_, &signer = signer_, factory = options_.factory,
                 job] { job->sealed = seal(blobs, signer, job->cluster, job->version, job->made, factory); },
                [self = weak_from_this(), job] {
                  if (auto impl = self.lock()) impl->tell(job);
                });
  }

  void tell(const JobPtr& job) {
    if (!job->sealed && passes(job->sealed.error())) {
      env_.log.warn("registry.waits", {{"cluster", job->cluster.value},
                                       {"version", job->key.name()},
                                       {"why", job->sealed.error().message}});
      return later(job->key);
    }
    auto taken = shard_.submit([self = weak_from_this(), job](store::Turn& turn) {
      auto impl = self.lock();
      if (!impl) return;
      impl->write(turn, *job);
      turn.then(turn.revision(), [self, key = job->key](const Result<void>&) {
        if (auto impl = self.lock()) impl->over(key);
      });
    });
    if (!taken) later(job->key);
  }

  void write(store::Turn& turn, const Job& job) {
    const ObjectPtr stored = turn.get(job.key);
    if (!stored) return;
    Json version = stored->parse();
    const std::string_view uid = string_at(job.version, {"metadata", "uid"});
    if (string_at(version, {"metadata", "uid"}) != uid ||
        string_at(version, {"status", "phase"}) != "PendingRegistration")
      return;
    const WallTime now = env_.clock.wall();
    JsonObject status = api::object_at(version, {"status"});
    JsonObject row{{"type", job.sealed ? "version.ready" : "version.failed"},
                   {"model", string_at(version, {"spec", "model"})},
                   {"version", *api::find(version, {"spec", "version"})},
                   {"uid", uid}};
    if (!job.sealed) {
      status["phase"] = "Failed";
      status["message"] = row["message"] = job.sealed.error().message;
    } else if (job.sealed->key_id.empty()) {
      status["phase"] = "Ready";
      status["message"] = row["message"] = kUnseen;
    } else {
      status["phase"] = "Ready";
      status["signature"] = row["signature"] = job.sealed->signature;
      status["provenance"] = row["provenance"] = job.sealed->provenance;
      status["keyId"] = row["keyId"] = job.sealed->key_id;
      status["signed"] = to_rfc3339(now);
      row["build"] = job.sealed->build;
    }
    api::set(version, {"status"}, std::move(status));
    if (!turn.put(job.key, std::move(version), stored->revision)) return;
    turn.append({.stream = "lineage",
                 .unique = "version/" + std::string(uid),
                 .cluster = job.cluster.value,
                 .at = now,
                 .data = api::to_text(row)});
    env_.log.info("registry.version", {{"cluster", job.cluster.value},
                                       {"version", job.key.name()},
                                       {"phase", job.sealed ? "Ready" : "Failed"}});
  }

  // The last that is written of it; its number stays taken.
  void bury(store::Turn& turn, const Key& key, Json object) {
    if (!api::has_finalizer(object, api::kLineageFinalizer)) return;
    const std::string uid(string_at(object, {"metadata", "uid"}));
    const bool version = key.resource() == api::kModelVersions;
    JsonObject row{{"type", version ? "version.deleted" : "model.deleted"},
                   {"model", version ? string_at(object, {"spec", "model"}) : key.name()},
                   {"uid", uid},
                   {"spec", JsonObject(api::object_at(object, {"spec"}))}};
    if (version) {
      row["version"] = api::int_at(object, {"spec", "version"}).value_or(0);
      release_aliases(turn, key, object);
    }
    turn.append({.stream = "lineage",
                 .unique = "deleted/" + uid,
                 .cluster = std::string(key.cluster()),
                 .at = env_.clock.wall(),
                 .data = api::to_text(row)});
    api::remove_finalizer(object, api::kLineageFinalizer);
    if (!version) forget_name(turn, key, object);
    if (api::deletion_complete(object))
      (void)turn.erase(key);
    else
      (void)turn.put(key, std::move(object));
  }

  // What it was called is free again.
  void forget_name(store::Turn& turn, const Key& key, const Json& model) {
    const Key naming(ClusterId{std::string(key.cluster())}, api::kModelNamings, "",
                     api::model_naming_key(string_at(model, {"spec", "name"})));
    const ObjectPtr stored = turn.get(naming);
    if (stored && string_at(stored->parse(), {"model"}) == key.name()) (void)turn.erase(naming);
  }

  // No alias names what is gone.
  void release_aliases(store::Turn& turn, const Key& key, const Json& version) {
    const std::string_view model = string_at(version, {"spec", "model"});
    const ObjectPtr stored = turn.get(Key(ClusterId{std::string(key.cluster())}, api::kModels, "", model));
    if (!stored) return;
    Json value = stored->parse();
    const JsonObject aliases = api::object_at(value, {"spec", "aliases"});
    bool changed = false;
    for (const auto& member : aliases) {
      const std::string_view alias(member.key().data(), member.key().size());
      if (member.value() != *api::find(version, {"spec", "version"})) continue;
      api::erase(value, {"spec", "aliases", alias});
      api::erase(value, {"status", "aliases", alias});
      changed = true;
    }
    if (changed) (void)turn.put(stored->key, std::move(value), stored->revision);
  }

  void over(const Key& key) {
    jobs_.erase(key);
    if (follower_) follower_->wake();
  }
  void later(const Key& key) {
    env_.loop.at(env_.clock.now() + options_.again, [self = weak_from_this(), key] {
      auto impl = self.lock();
      if (!impl) return;
      impl->waiting_.insert(key);
      impl->over(key);
    });
  }

  env::Env& env_;
  store::Shard& shard_;
  env::Blobs& blobs_;
  env::Signer& signer_;
  env::Worker& worker_;
  const RegistrarOptions options_;
  std::set<Key> waiting_, jobs_;
  std::unique_ptr<store::Follower> follower_;
};

Registrar::Registrar(env::Env& env, store::Shard& shard, env::Blobs& blobs, env::Signer& signer,
                     env::Worker& worker, RegistrarOptions options)
    : impl_(std::make_shared<Impl>(env, shard, blobs, signer, worker, std::move(options))) {
  impl_->start();
}
Registrar::~Registrar() { impl_->stop(); }

}  // namespace ingot::registry
