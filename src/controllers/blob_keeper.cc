#include "controllers/blob_keeper.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "api/json.h"
#include "base/quantity.h"
#include "data/sweep.h"
#include "store/follower.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;
using std::chrono::microseconds;

constexpr size_t kTenantsPerTurn = 32;
constexpr std::string_view kTenants = "tenants.factory.ingot.dev";

WallTime earlier(WallTime now, Duration by) { return now - std::chrono::duration_cast<microseconds>(by); }

std::optional<int64_t> limit_of(const Json& tenant) {
  const auto limit = Quantity::parse(api::string_at(tenant, {"spec", "storage", "limit"}));
  return limit ? std::optional(limit->units()) : std::nullopt;
}

// One cluster's look, carried from step to step.
struct Look {
  ClusterId cluster;
  WallTime at;
  std::vector<env::BlobInfo> listing;
  std::vector<std::vector<Digest>> named;  // by each of the roots
  int expired = 0;
  uint64_t removed = 0, bytes = 0;
  std::string problem;
};
using LookPtr = std::shared_ptr<Look>;
using RootsPtr = std::shared_ptr<const std::vector<std::unique_ptr<BlobRoots>>>;

}  // namespace

class BlobKeeper::Impl final : public store::Follower::Handler, public std::enable_shared_from_this<Impl> {
 public:
  Impl(env::Env& env, store::Shard& shard, env::Blobs& blobs, env::Worker& worker,
       std::vector<std::unique_ptr<BlobRoots>> roots, BlobKeeperOptions options)
      : env_(env),
        shard_(shard),
        blobs_(blobs),
        worker_(worker),
        roots_(std::make_shared<const std::vector<std::unique_ptr<BlobRoots>>>(std::move(roots))),
        options_(options),
        follower_(std::make_unique<store::Follower>(
            env, shard,
            store::FollowerOptions{{{kRootCluster.value, std::string(kTenants), ""}}, kTenantsPerTurn},
            *this)) {}

  void start() {
    follower_->wake();
    next_round();
  }
  void stop() {
    if (timer_) env_.loop.cancel(timer_);
    follower_ = nullptr;
  }
  Stats stats() const { return stats_; }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool rest) override {
    for (const Key& key : changed) tenant_changed(turn, key);
    ready_ = !rest;
    return false;
  }
  void reset() override {
    ready_ = false;
    clusters_.clear();
  }

 private:
  // Does `work` off the loop, then `next` on it, if we are still there.
  void aside(env::Task work, std::move_only_function<void(Impl&)> next) {
    worker_.run(std::move(work), [weak = weak_from_this(), next = std::move(next)]() mutable {
      if (const auto self = weak.lock()) next(*self);
    });
  }

  void tenant_changed(store::Turn& turn, const Key& key) {
    const std::string name(key.name());
    const ObjectPtr object = turn.get(key);
    if (object) {
      const Json tenant = object->parse();
      const ClusterId cluster{std::string(api::string_at(tenant, {"status", "cluster"}))};
      clusters_[name] = cluster;
      blobs_.limit(cluster, limit_of(tenant));
      return;
    }
    const auto found = clusters_.find(name);
    if (found == clusters_.end()) return;
    // It may not have happened yet; what is on disk goes in a round.
    blobs_.limit(found->second, std::nullopt);
    clusters_.erase(found);
  }

  void next_round() {
    timer_ = env_.loop.at(env_.clock.now() + options_.every, [this] { round(); });
  }

  void round() {
    timer_ = 0;
    auto found = std::make_shared<std::vector<ClusterId>>();
    aside([found, &blobs = blobs_] { *found = blobs.clusters(); },
          [found](Impl& self) {
            self.waiting_ = std::move(*found);
            self.judge_clusters();
            self.next_cluster();
          });
  }

  // Clusters of no tenant, now and a round ago.
  void judge_clusters() {
    if (!ready_) return;
    std::set<ClusterId> known{kRootCluster}, orphans;
    for (const auto& [name, cluster] : clusters_) known.insert(cluster);
    for (const ClusterId& cluster : waiting_)
      if (!known.contains(cluster)) orphans.insert(cluster);
    std::erase_if(waiting_, [&](const ClusterId& cluster) { return orphans.contains(cluster); });
    for (const ClusterId& cluster : orphans)
      if (orphans_.contains(cluster)) remove_cluster(cluster);
    orphans_ = std::move(orphans);
  }

  void remove_cluster(const ClusterId& cluster) {
    auto removed = std::make_shared<Result<void>>();
    aside([=, &blobs = blobs_] { *removed = blobs.remove_cluster(cluster); },
          [=](Impl& self) {
            if (!*removed)
              return self.env_.log.warn("blobs.cluster.kept",
                                        {{"cluster", cluster.value}, {"error", removed->error().message}});
            ++self.stats_.clusters_removed;
            self.env_.log.info("blobs.cluster.removed", {{"cluster", cluster.value}});
          });
  }

  void next_cluster() {
    if (waiting_.empty()) {
      ++stats_.rounds;
      return next_round();
    }
    auto look = std::make_shared<Look>(Look{.cluster = std::move(waiting_.back()), .at = env_.clock.wall()});
    waiting_.pop_back();
    aside(
        [look, &blobs = blobs_, before = earlier(look->at, options_.uploads)] {
          look->expired = blobs.expire_uploads(look->cluster, before);
          (void)blobs.list(look->cluster,
                           [&](const env::BlobInfo& blob) { return look->listing.push_back(blob), true; });
        },
        [look](Impl& self) {
          self.stats_.uploads_expired += uint64_t(look->expired);
          if (look->listing.empty()) return self.next_cluster();
          self.ask_objects(look);
        });
  }

  void ask_objects(const LookPtr& look) {
    const auto taken = shard_.submit(
        [weak = weak_from_this(), look](store::Turn& turn) {
          const auto self = weak.lock();
          if (!self) return;
          for (const auto& roots : *self->roots_) {
            std::vector<Digest>& named = look->named.emplace_back();
            roots->named(turn, look->cluster, [&](const Digest& digest) { named.push_back(digest); });
          }
          // What was read must have happened: a deletion that is forgotten again keeps its blobs.
          turn.then(turn.revision(), [weak, look](const Result<void>& durable) {
            const auto alive = weak.lock();
            if (!alive) return;
            durable ? alive->remove(look) : alive->next_cluster();
          });
        },
        store::Shard::Kind::Later);
    if (!taken) next_cluster();
  }

  void remove(const LookPtr& look) {
    aside([look, roots = roots_, &blobs = blobs_,
           grace = options_.grace] { sweep(*roots, blobs, *look, grace); },
          [look](Impl& self) { self.removed(*look); });
  }

  // Off the loop.
  static void sweep(const std::vector<std::unique_ptr<BlobRoots>>& roots, env::Blobs& blobs, Look& look,
                    Duration grace) {
    std::vector<Digest> reachable;
    const auto reach = [&](const Digest& digest) { reachable.push_back(digest); };
    for (size_t i = 0; i < roots.size(); ++i) {
      std::vector<Digest>& named = look.named[i];
      std::ranges::sort(named);
      named.erase(std::ranges::unique(named).begin(), named.end());
      std::ranges::for_each(named, reach);
      if (const auto followed = roots[i]->follow(blobs, look.cluster, named, reach); !followed) {
        look.problem = followed.error().message;
        return;
      }
    }
    std::ranges::sort(reachable);
    std::map<Digest, int64_t> sizes;
    for (const env::BlobInfo& blob : look.listing) sizes.emplace(blob.digest, blob.bytes);
    for (const Digest& digest : data::sweep(reachable, look.listing, look.at, grace)) {
      if (!blobs.remove(look.cluster, digest, earlier(look.at, grace))) continue;
      ++look.removed;
      look.bytes += uint64_t(sizes.at(digest));
    }
  }

  void removed(const Look& look) {
    stats_.blobs_removed += look.removed;
    stats_.bytes_removed += look.bytes;
    if (!look.problem.empty())
      env_.log.warn("blobs.kept", {{"cluster", look.cluster.value}, {"error", look.problem}});
    if (look.removed > 0)
      env_.log.info("blobs.removed",
                    {{"cluster", look.cluster.value}, {"blobs", look.removed}, {"bytes", look.bytes}});
    next_cluster();
  }

  env::Env& env_;
  store::Shard& shard_;
  env::Blobs& blobs_;
  env::Worker& worker_;
  const RootsPtr roots_;  // also what is on its way off the loop has them
  const BlobKeeperOptions options_;
  Stats stats_;
  env::TimerId timer_ = 0;
  bool ready_ = false;                         // every tenant is known
  std::map<std::string, ClusterId> clusters_;  // of tenants, by name
  std::set<ClusterId> orphans_;                // of no tenant, in the round before
  std::vector<ClusterId> waiting_;             // still to be looked at in this round
  std::unique_ptr<store::Follower> follower_;  // last: it calls into the rest
};

BlobKeeper::BlobKeeper(env::Env& env, store::Shard& shard, env::Blobs& blobs, env::Worker& worker,
                       std::vector<std::unique_ptr<BlobRoots>> roots, BlobKeeperOptions options)
    : impl_(std::make_shared<Impl>(env, shard, blobs, worker, std::move(roots), options)) {
  impl_->start();
}

BlobKeeper::~BlobKeeper() { impl_->stop(); }

BlobKeeper::Stats BlobKeeper::stats() const { return impl_->stats(); }

}  // namespace ingot::controllers
