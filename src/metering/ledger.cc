#include "metering/ledger.h"

#include <algorithm>
#include <map>

#include "store/follower.h"

namespace ingot::metering {
namespace {

using api::int_at;
using api::Json;
using api::string_at;

constexpr std::string_view kAllocations = "allocations.factory.ingot.dev";
constexpr std::string_view kPriceLists = "pricelists.factory.ingot.dev";

}  // namespace

Prices current_prices(const store::Turn& turn) {
  const api::ObjectPtr object = turn.get({kRootCluster, kPriceLists, "", "default"});
  const Json list = object ? object->parse() : Json{};
  return prices_from(object ? &list : nullptr);
}

class Ledger::Impl final : store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard)
      : env_(env),
        follower_(env, shard, store::later({{kRootCluster.value, std::string(kAllocations), ""}}), *this) {}
  uint64_t booked() const { return booked_; }

  std::vector<TenantTotals> totals(WallTime now) {
    std::map<Who, Used> sums = booked_by_;
    for (const auto& [uid, open] : open_) open.add_to(sums[open.who], now);
    std::vector<TenantTotals> all;
    for (const auto& [who, used] : sums) {
      if (!shown_.contains(who) && shown_.size() == kMaxTenantTotals) continue;
      // What is booked may end before what was shown of it while it was held.
      Used& shown = shown_[who];
      shown.raise(used);
      all.push_back({who.first, who.second, prices_.currency, shown.gpu, shown.idle, shown.cpu, shown.cost});
    }
    return all;
  }

 private:
  using Who = std::pair<std::string, std::string>;  // cluster, tenant
  struct Used {
    double gpu = 0, idle = 0, cpu = 0, cost = 0;  // seconds, and whole units of the currency
    void add(const Entry& e) {
      const double time = std::chrono::duration<double>(e.to - e.from).count();
      cost += double(e.cost(e.from, e.to)) / 1e6;
      if (e.device == kCpu) {
        cpu += time * double(e.cpu_milli) / 1000;
        return;
      }
      const double part = double(e.gpu_milli) / 1000;
      gpu += time * part;
      idle += std::chrono::duration<double>(e.idle).count() * part;
    }
    void raise(const Used& to) {
      gpu = std::max(gpu, to.gpu);
      idle = std::max(idle, to.idle);
      cpu = std::max(cpu, to.cpu);
      cost = std::max(cost, to.cost);
    }
  };

  // Of an open Allocation what its use follows from.
  struct Open {
    struct Part {
      WallTime from;
      double gpus = 0, cpus = 0;
      double per_second = 0;  // cost
    };
    Who who;
    std::vector<Part> parts;
    std::chrono::microseconds idle_before{};
    std::optional<WallTime> idle_since;

    Open(const Json& allocation, const std::vector<Entry>& entries)
        : who(entries.front().cluster, entries.front().tenant) {
      constexpr double kPerHour = 3600 * 1e6;
      for (const Entry& e : entries) {
        const double part = double(e.gpu_milli) / 1000;
        const bool cpu = e.device == kCpu;
        parts.push_back({e.from, cpu ? 0 : part, cpu ? double(e.cpu_milli) / 1000 : 0,
                         (double(e.price) * part + double(e.cpu_price) * double(e.cpu_milli) / 1000 +
                          double(e.memory_price) * double(e.memory_mib) / 1024) /
                             kPerHour});
      }
      idle_before = std::chrono::seconds(int_at(allocation, {"status", "idle", "seconds"}).value_or(0));
      idle_since = parse_rfc3339(string_at(allocation, {"status", "idle", "since"}));
    }
    void add_to(Used& sum, WallTime now) const {
      const auto seconds = [](auto time) {
        return std::max(0.0, std::chrono::duration<double>(time).count());
      };
      const double idle = seconds(idle_before) + (idle_since ? seconds(now - *idle_since) : 0);
      for (const Part& p : parts) {
        const double held = seconds(now - p.from);
        sum.gpu += p.gpus * held;
        sum.cpu += p.cpus * held;
        sum.cost += p.per_second * held;
        sum.idle += p.gpus * std::min(idle, held);
      }
    }
  };

  void reset() override { open_.clear(); }

  bool follow(store::Turn& turn, const std::vector<api::Key>& changed, bool) override {
    std::optional<Prices> prices;
    std::vector<Entry> booked;
    for (const api::Key& key : changed) {
      const api::ObjectPtr object = turn.get(key);
      const std::string uid(key.name());
      if (!object) {
        open_.erase(uid);
        continue;
      }
      if (!prices) prices = prices_ = current_prices(turn);
      const Json allocation = object->parse();
      if (string_at(allocation, {"status", "phase"}) != "Released") {
        open_.insert_or_assign(uid, Open(allocation, entries_of(allocation, env_.clock.wall(), *prices)));
        continue;
      }
      if (!turn.erase(key, object->revision)) continue;  // cannot be: it was read in this turn
      const WallTime to = end_of(allocation, env_.clock.wall());
      open_.erase(uid);
      if (env_.faults.fires("metering.skip_row")) continue;  // planted bug for the simulation
      for (Entry& e : entries_of(allocation, to, *prices)) {
        turn.append({.stream = std::string(kStream),
                     .unique = e.unique(),
                     .cluster = e.cluster,
                     .at = e.to,
                     .data = api::to_text(to_json(e))});
        booked.push_back(std::move(e));
      }
      ++booked_;
    }
    if (!booked.empty()) count_when_durable(turn, std::move(booked));
    return false;
  }

  // If the commit fails the Allocations come again.
  void count_when_durable(store::Turn& turn, std::vector<Entry> booked) {
    turn.then(turn.revision(), [this, alive = std::weak_ptr<bool>(alive_),
                                booked = std::move(booked)](const Result<void>& durable) {
      if (alive.expired() || !durable) return;
      for (const Entry& e : booked) booked_by_[{e.cluster, e.tenant}].add(e);
    });
  }

  env::Env& env_;
  uint64_t booked_ = 0;
  Prices prices_;
  std::map<std::string, Open> open_;  // by pod uid
  std::map<Who, Used> booked_by_;
  std::map<Who, Used> shown_;  // as totals() last gave it
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  store::Follower follower_;  // last: what it calls outlives it
};

Ledger::Ledger(env::Env& env, store::Shard& shard) : impl_(std::make_unique<Impl>(env, shard)) {}
Ledger::~Ledger() = default;
uint64_t Ledger::booked() const { return impl_->booked(); }
std::vector<TenantTotals> Ledger::totals(WallTime now) { return impl_->totals(now); }

}  // namespace ingot::metering
