#include "metering/ledger.h"

#include <algorithm>
#include <map>

#include "gpu/mig.h"
#include "store/follower.h"

namespace ingot::metering {
namespace {

using api::int_at;
using api::Json;
using api::JsonObject;
using api::string_at;

constexpr std::string_view kAllocations = "allocations.factory.ingot.dev";
constexpr std::string_view kPriceLists = "pricelists.factory.ingot.dev";

std::string text(const Json& value, std::initializer_list<std::string_view> path) {
  return std::string(string_at(value, path));
}

std::vector<std::string> texts(const Json& value, std::initializer_list<std::string_view> path) {
  std::vector<std::string> out;
  for (const Json& one : api::array_at(value, path))
    if (one.is_string()) out.emplace_back(one.get_string());
  return out;
}

}  // namespace

int64_t Entry::cost(WallTime begin, WallTime end) const {
  const auto time = std::min(end, to) - std::max(begin, from);
  if (device != kCpu) return metering::cost(price, time, gpu_milli, 1000);
  return metering::cost(cpu_price, time, cpu_milli, 1000) +
         metering::cost(memory_price, time, memory_mib, 1024);
}

WallTime end_of(const Json& allocation, WallTime now) {
  const WallTime from = parse_rfc3339(string_at(allocation, {"spec", "from"})).value_or(now);
  const WallTime to = parse_rfc3339(string_at(allocation, {"status", "to"})).value_or(now);
  return std::max(from, std::min(to, now));
}

std::chrono::microseconds idle_of(const Json& allocation, WallTime now) {
  std::chrono::microseconds idle = std::chrono::seconds(std::clamp<int64_t>(
      int_at(allocation, {"status", "idle", "seconds"}).value_or(0), 0, 100LL * 366 * 24 * 3600));
  if (const auto since = parse_rfc3339(string_at(allocation, {"status", "idle", "since"})))
    idle += std::max(std::chrono::microseconds(0), now - *since);
  const auto from = parse_rfc3339(string_at(allocation, {"spec", "from"}));
  return from ? std::clamp(idle, std::chrono::microseconds(0), std::max(now - *from, {})) : idle;
}

std::vector<Entry> entries_of(const Json& allocation, WallTime to, const Prices& prices) {
  Entry whole{.tenant = text(allocation, {"spec", "tenant"}),
              .cluster = text(allocation, {"spec", "cluster"}),
              .ns = text(allocation, {"spec", "namespace"}),
              .pod = text(allocation, {"spec", "pod"}),
              .pod_uid = text(allocation, {"metadata", "name"}),
              .node = text(allocation, {"spec", "node"}),
              .from = parse_rfc3339(string_at(allocation, {"spec", "from"})).value_or(to),
              .to = to,
              .created = parse_rfc3339(string_at(allocation, {"spec", "created"})),
              .simulated = string_at(allocation, {"metadata", "labels", "ingot.dev/simulated"}) == "true",
              .currency = prices.currency};
  std::vector<Entry> entries;
  for (const Json& device : api::array_at(allocation, {"spec", "devices"})) {
    if (!api::bool_at(device, {"charged"}, true)) continue;  // another that has it pays
    Entry gpu = whole;
    if (const auto from = parse_rfc3339(string_at(device, {"from"}))) {
      if (*from > to) continue;  // charged for it when it had gone already
      gpu.from = std::max(*from, whole.from);
    }
    gpu.device = text(device, {"uuid"});
    gpu.model = text(device, {"model"});
    gpu.models = texts(allocation, {"spec", "models"});
    gpu.price = prices.gpu(gpu.model);
    const std::string_view profile = string_at(device, {"profile"});
    if (!profile.empty())
      gpu.part = std::string(profile) + "@" + std::to_string(int_at(device, {"start"}).value_or(-1));
    const int64_t share = std::clamp<int64_t>(int_at(device, {"milli"}).value_or(1000), 0, 1000);
    gpu.gpu_milli = gpu::board_milli(gpu.model, profile, int32_t(share));
    gpu.idle = std::min(idle_of(allocation, to), std::chrono::microseconds(to - gpu.from));
    entries.push_back(std::move(gpu));
  }
  whole.device = kCpu;
  whole.cpu_milli = int_at(allocation, {"spec", "cpuMilli"}).value_or(0);
  const int64_t bytes = int_at(allocation, {"spec", "memoryBytes"}).value_or(0);
  whole.memory_mib = bytes / (1 << 20) + (bytes % (1 << 20) > 0);
  whole.cpu_price = prices.cpu_hour;
  whole.memory_price = prices.memory_gib_hour;
  entries.push_back(std::move(whole));
  return entries;
}

Json to_json(const Entry& e) {
  const int64_t cost = e.cost(e.from, e.to);
  JsonObject row{{"tenant", e.tenant},
                 {"cluster", e.cluster},
                 {"namespace", e.ns},
                 {"pod", e.pod},
                 {"podUID", e.pod_uid},
                 {"node", e.node},
                 {"device", e.device},
                 {"from", to_rfc3339_micro(e.from)},
                 {"to", to_rfc3339_micro(e.to)},
                 {"microseconds", (e.to - e.from).count()},
                 {"simulated", e.simulated},
                 {"currency", e.currency}};
  if (e.created) row["created"] = to_rfc3339(*e.created);
  if (e.device == kCpu) {
    row["cpuMilli"] = e.cpu_milli;
    row["memoryMiB"] = e.memory_mib;
    row["cpuHour"] = format_micro(e.cpu_price);
    row["memoryGiBHour"] = format_micro(e.memory_price);
  } else {
    row["model"] = e.model;
    if (!e.models.empty()) row["models"] = api::JsonArray(e.models.begin(), e.models.end());
    row["gpuHour"] = format_micro(e.price);
    if (e.gpu_milli != 1000) row["gpuMilli"] = e.gpu_milli;
    if (!e.part.empty()) row["part"] = e.part;
    if (e.idle.count() > 0) row["idleMicroseconds"] = e.idle.count();
  }
  row["cost"] = format_micro(cost);
  return row;
}

std::optional<Entry> entry_from(const Json& row) {
  const auto from = parse_rfc3339(string_at(row, {"from"})), to = parse_rfc3339(string_at(row, {"to"}));
  if (!from || !to) return std::nullopt;
  const auto price = [&](std::string_view name) { return parse_price(string_at(row, {name})).value_or(0); };
  return Entry{.tenant = text(row, {"tenant"}),
               .cluster = text(row, {"cluster"}),
               .ns = text(row, {"namespace"}),
               .pod = text(row, {"pod"}),
               .pod_uid = text(row, {"podUID"}),
               .node = text(row, {"node"}),
               .device = text(row, {"device"}),
               .model = text(row, {"model"}),
               .part = text(row, {"part"}),
               .gpu_milli = int_at(row, {"gpuMilli"}).value_or(1000),
               .from = *from,
               .to = *to,
               .models = texts(row, {"models"}),
               .created = parse_rfc3339(string_at(row, {"created"})),
               .simulated = api::bool_at(row, {"simulated"}),
               .idle = std::chrono::microseconds(int_at(row, {"idleMicroseconds"}).value_or(0)),
               .currency = text(row, {"currency"}),
               .price = price("gpuHour"),
               .cpu_milli = int_at(row, {"cpuMilli"}).value_or(0),
               .memory_mib = int_at(row, {"memoryMiB"}).value_or(0),
               .cpu_price = price("cpuHour"),
               .memory_price = price("memoryGiBHour")};
}

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
