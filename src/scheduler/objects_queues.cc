#include "scheduler/objects_queues.h"

#include <algorithm>

#include "base/quantity.h"

namespace ingot::scheduler {
namespace {

using api::Json;
using api::string_at;

constexpr int64_t kMost = 1'000'000'000;  // sums stay far from overflow

std::optional<int64_t> number(const Json& from, std::string_view name) {
  const auto n = api::int_at(from, {name});
  return n ? std::optional(std::clamp<int64_t>(*n, 0, kMost)) : std::nullopt;
}

std::optional<int64_t> milli(const Json& from, std::string_view name) {
  const auto q = Quantity::parse(string_at(from, {name}));
  return q ? std::optional(std::clamp<int64_t>(q->milli, 0, kMost * kMost)) : std::nullopt;
}

Limits limits_from(const Json& amounts, const ModelNumber& model) {
  Limits out;
  if (const auto gpus = number(amounts, "gpus")) out.gpu_milli = *gpus * 1000;
  out.cpu_milli = milli(amounts, "cpu");
  if (const auto memory = milli(amounts, "memory")) out.memory_mib = Quantity{*memory}.units() >> 20;
  for (const auto& [name, n] : api::object_at(amounts, {"gpuModels"}))
    if (n.is_int64())
      out.models.emplace_back(model({name.data(), name.size()}),
                              std::clamp<int64_t>(n.get_int64(), 0, kMost) * 1000);
  std::ranges::sort(out.models);
  return out;
}

Amounts amounts_from(const Json& amounts, const ModelNumber& model) {
  const Limits all = limits_from(amounts, model);
  Amounts out;
  for (const auto& [id, n] : all.models) out.add_gpu(id, n);
  out.gpu_milli = std::max(out.gpu_milli, all.gpu_milli.value_or(0));
  out.cpu_milli = all.cpu_milli.value_or(0);
  out.memory_mib = all.memory_mib.value_or(0);
  return out;
}

std::set<std::string> tenants_of(const Json& object) {
  std::set<std::string> out;
  for (const Json& name : api::array_at(object, {"spec", "tenants"}))
    if (name.is_string()) out.emplace(name.get_string());
  return out;
}

}  // namespace

QueueObject queue_from(const Json& object, const ModelNumber& model) {
  QueueObject out;
  Queue& queue = out.queue;
  queue.name = string_at(object, {"metadata", "name"});
  queue.parent = string_at(object, {"spec", "parent"});
  queue.weight = std::clamp<int64_t>(api::int_at(object, {"spec", "weight"}).value_or(1), 1, 1'000'000);
  if (const Json* guarantee = api::find(object, {"spec", "guarantee"}))
    queue.guarantee = amounts_from(*guarantee, model);
  if (const Json* limit = api::find(object, {"spec", "limit"})) queue.limit = limits_from(*limit, model);
  const auto half_life = parse_duration(string_at(object, {"spec", "halfLife"}));
  if (half_life && half_life->count() > 0) queue.half_life = half_life;
  out.tenants = tenants_of(object);
  const auto least = parse_duration(string_at(object, {"spec", "minRunTime"}));
  if (least && least->count() > 0) out.least_run = *least;
  return out;
}

Pool pool_from(const Json& object) {
  Pool pool{.name = std::string(string_at(object, {"metadata", "name"})),
            .tenants = tenants_of(object),
            .closed = api::bool_at(object, {"spec", "dedicated"}),
            .shares_across_tenants = api::bool_at(object, {"spec", "sharesAcrossTenants"}),
            .slices = api::bool_at(object, {"spec", "slices"}, true)};
  if (const auto replicas = api::int_at(object, {"spec", "replicas"}))
    pool.replicas = int32_t(std::clamp<int64_t>(*replicas, 1, 1'000));
  return pool;
}

}  // namespace ingot::scheduler
