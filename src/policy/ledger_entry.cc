#include "policy/ledger_entry.h"

#include <algorithm>

#include "gpu/mig.h"

namespace ingot::policy {
namespace {

using api::int_at;
using api::Json;
using api::JsonObject;
using api::string_at;

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

int64_t LedgerEntry::cost(WallTime begin, WallTime end) const {
  const auto time = std::min(end, to) - std::max(begin, from);
  if (device != kCpu) return policy::cost(price, time, gpu_milli, 1000);
  return policy::cost(cpu_price, time, cpu_milli, 1000) + policy::cost(memory_price, time, memory_mib, 1024);
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

std::vector<LedgerEntry> entries_of(const Json& allocation, WallTime to, const Prices& prices) {
  LedgerEntry whole{
      .tenant = text(allocation, {"spec", "tenant"}),
      .cluster = text(allocation, {"spec", "cluster"}),
      .ns = text(allocation, {"spec", "namespace"}),
      .pod = text(allocation, {"spec", "pod"}),
      .pod_uid = text(allocation, {"metadata", "name"}),
      .node = text(allocation, {"spec", "node"}),
      .queue = text(allocation, {"spec", "work", "queue"}),
      .from = parse_rfc3339(string_at(allocation, {"spec", "from"})).value_or(to),
      .to = to,
      .created = parse_rfc3339(string_at(allocation, {"spec", "created"})),
      .simulated = string_at(allocation, {"metadata", "labels", "ingot.dev/simulated"}) == "true",
      .currency = prices.currency};
  std::vector<LedgerEntry> entries;
  for (const Json& device : api::array_at(allocation, {"spec", "devices"})) {
    if (!api::bool_at(device, {"charged"}, true)) continue;  // another that has it pays
    LedgerEntry gpu = whole;
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

Json to_json(const LedgerEntry& e) {
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
  if (!e.queue.empty()) row["queue"] = e.queue;
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

std::optional<LedgerEntry> entry_from(const Json& row) {
  const auto from = parse_rfc3339(string_at(row, {"from"})), to = parse_rfc3339(string_at(row, {"to"}));
  if (!from || !to) return std::nullopt;
  const auto price = [&](std::string_view name) { return parse_price(string_at(row, {name})).value_or(0); };
  return LedgerEntry{.tenant = text(row, {"tenant"}),
                     .cluster = text(row, {"cluster"}),
                     .ns = text(row, {"namespace"}),
                     .pod = text(row, {"pod"}),
                     .pod_uid = text(row, {"podUID"}),
                     .node = text(row, {"node"}),
                     .queue = text(row, {"queue"}),
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

}  // namespace ingot::policy
