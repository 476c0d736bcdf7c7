#include "metering/usage.h"

#include <algorithm>
#include <memory>
#include <set>

namespace ingot::metering {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr int kPage = 2'000;  // rows parsed on the loop in one go

// Whole where it is, for people read it too.
Json seconds(__int128 amount, int64_t per_second) {
  if (amount % per_second == 0) return int64_t(amount / per_second);
  return double(amount) / double(per_second);
}

}  // namespace

void Usage::add(const Entry& e) {
  if (!query_.tenant.empty() && e.tenant != query_.tenant) return;
  if (!query_.cluster.empty() && e.cluster != query_.cluster) return;
  const WallTime begin = std::max(e.from, query_.since.value_or(e.from)), end = std::min(e.to, now_);
  if (end < begin || (end == begin && e.from != e.to)) return;
  const int64_t time = (end - begin).count();
  Held held{.cost = e.cost(begin, end)};
  if (e.device == kCpu) {
    held.cpu = __int128(time) * e.cpu_milli;
    held.memory = __int128(time) * e.memory_mib;
  } else {
    held.gpu = __int128(time) * e.gpu_milli;
    // When it was unused is not kept: in a part of the row it counts as its part.
    const int64_t whole = (e.to - e.from).count();
    held.idle = whole > 0 ? __int128(e.idle.count()) * time / whole * e.gpu_milli : 0;
  }
  const auto add_to = [&](Held& sum) {
    sum.gpu += held.gpu;
    sum.idle += held.idle;
    sum.cpu += held.cpu;
    sum.memory += held.memory;
    sum.cost += held.cost;
  };
  Sum& sum = sums_[{e.tenant, e.currency}];
  add_to(sum.held);
  if (e.device != kCpu) {
    sum.simulated |= e.simulated;
    add_to(sum.models[e.model]);
  }
  if (!query_.pods) return;
  if (!sum.pods.contains(e.pod_uid)) {
    if (pods_ == kMaxPods) {
      cut_ = true;
      return;
    }
    ++pods_;
    sum.pods[e.pod_uid] = {
        .ns = e.ns, .name = e.pod, .uid = e.pod_uid, .node = e.node, .from = e.from, .to = e.to};
  }
  Pod& pod = sum.pods[e.pod_uid];
  pod.from = std::min(pod.from, e.from);  // what it shares by a claim is charged to it later
  add_to(pod.held);
  if (e.device != kCpu) pod.devices.push_back(e.part.empty() ? e.device : e.device + "/" + e.part);
}

void Usage::put(JsonObject& out, const Held& held) {
  out["gpuSeconds"] = seconds(held.gpu, 1'000'000'000);
  out["idleGpuSeconds"] = seconds(held.idle, 1'000'000'000);
  out["cpuSeconds"] = seconds(held.cpu, 1'000'000'000);
  out["memoryGiBSeconds"] = seconds(held.memory, int64_t(1024) * 1'000'000);
  out["cost"] = format_micro(held.cost);
}

Json Usage::report() const {
  JsonArray tenants;
  for (const auto& [who, sum] : sums_) {
    JsonObject tenant{{"tenant", who.first}, {"currency", who.second}};
    put(tenant, sum.held);
    tenant["simulated"] = sum.simulated;
    JsonObject models;
    for (const auto& [model, held] : sum.models)
      models[model] =
          JsonObject{{"gpuSeconds", seconds(held.gpu, 1'000'000'000)}, {"cost", format_micro(held.cost)}};
    tenant["byModel"] = std::move(models);
    JsonArray pods;
    for (const auto& [uid, pod] : sum.pods) {
      JsonObject row{{"namespace", pod.ns},
                     {"pod", pod.name},
                     {"podUID", uid},
                     {"node", pod.node},
                     {"devices", JsonArray(pod.devices.begin(), pod.devices.end())},
                     {"from", to_rfc3339_micro(pod.from)},
                     {"to", to_rfc3339_micro(pod.to)}};
      put(row, pod.held);
      pods.push_back(std::move(row));
    }
    if (query_.pods) tenant["pods"] = std::move(pods);
    tenants.push_back(std::move(tenant));
  }
  JsonObject out{{"since", query_.since ? Json(to_rfc3339_micro(*query_.since)) : Json(nullptr)},
                 {"until", to_rfc3339_micro(now_)},
                 {"tenants", std::move(tenants)}};
  if (cut_) out["truncated"] = true;
  return out;
}

namespace {

// One report on its way through the pages of the ledger.
struct Reading : std::enable_shared_from_this<Reading> {
  env::Env& env;
  store::Shard& shard;
  const std::string cluster;
  const std::optional<WallTime> since;
  Usage usage;
  std::set<std::string> open;  // pod uids counted from their Allocations
  std::move_only_function<void(Result<Json>)> done;

  Reading(env::Env& e, store::Shard& s, UsageQuery query, std::move_only_function<void(Result<Json>)> d)
      : env(e),
        shard(s),
        cluster(query.cluster),
        since(query.since),
        usage(std::move(query), e.clock.wall()),
        done(std::move(d)) {}

  void hold(store::Turn& turn) {
    const Prices prices = current_prices(turn);
    turn.range(api::type_prefix(kRootCluster, "allocations.factory.ingot.dev"), "",
               [&](const api::ObjectPtr& object) {
                 const Json allocation = object->parse();
                 for (const Entry& e : entries_of(allocation, end_of(allocation, env.clock.wall()), prices))
                   usage.add(e);
                 open.insert(std::string(object->key.name()));
                 return true;
               });
    // Rows of what this turn no longer saw are read once they are durable.
    turn.then(turn.revision(), [self = shared_from_this()](const Result<void>& durable) {
      if (!durable) return self->done(fail(durable.error()));
      self->page(0);
    });
  }

  void page(uint64_t after) {
    store::RowQuery query{
        .stream = std::string(kStream), .cluster = cluster, .since = since, .after = after, .limit = kPage};
    shard.rows(std::move(query), [self = shared_from_this()](Result<std::vector<store::StoredRow>> rows) {
      if (!rows) return self->done(fail(std::move(rows.error())));
      for (const store::StoredRow& stored : *rows) self->take(stored.row);
      if (rows->size() < size_t(kPage)) return self->done(self->usage.report());
      self->page(rows->back().sequence);
    });
  }

  void take(const store::Row& row) {
    const auto json = api::parse_json(row.data);
    const auto entry = json ? entry_from(*json) : std::nullopt;
    if (entry && !open.contains(entry->pod_uid)) usage.add(*entry);
  }
};

}  // namespace

void report(env::Env& env, store::Shard& shard, store::Turn& turn, UsageQuery query,
            std::move_only_function<void(Result<Json>)> done) {
  std::make_shared<Reading>(env, shard, std::move(query), std::move(done))->hold(turn);
}

}  // namespace ingot::metering
