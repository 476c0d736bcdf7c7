#include "apiserver/audit.h"

#include <algorithm>

namespace ingot::apiserver {
namespace {
constexpr double kBurst = 200, kPerSecond = 20;
}

std::string Audit::text(const Prepared& in, const AuditEntry& entry, uint64_t suppressed) const {
  const Route& route = in.route;
  api::JsonObject row{{"user", entry.who.name}, {"verb", entry.verb}};
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) row[name] = value;
  };
  row["groups"] = api::JsonArray(entry.who.groups.begin(), entry.who.groups.end());
  add("home", entry.who.home.value);
  add("tenant", entry.tenant);
  add("group", route.group);
  add("resource", route.resource);
  add("subresource", route.subresource);
  add("namespace", route.ns);
  add("name", route.name);
  if (route.resource.empty()) add("path", route.path);
  add("remote", in.request.remote);
  if (in.dry_run) row["dryRun"] = true;
  row["decision"] = entry.allowed ? "allow" : "deny";
  row["code"] = entry.code;
  if (entry.wrote.value) row["revision"] = entry.wrote.value;
  if (suppressed) row["suppressed"] = suppressed;
  return api::to_text(row);
}

void Audit::with_change(store::Turn& turn, const Prepared& in, const AuditEntry& entry) {
  turn.append({.stream = "audit",
               .cluster = entry.cluster,
               .at = services_.env.clock.wall(),
               .data = text(in, entry, 0)});
}

std::optional<uint64_t> Audit::take(const std::string& home) {
  const Instant now = services_.env.clock.now();
  Bucket* bucket = buckets_.find(home);
  if (!bucket) bucket = &buckets_.put(home, {.tokens = kBurst, .filled = now});
  const double seconds = std::chrono::duration<double>(now - bucket->filled).count();
  bucket->tokens = std::min(kBurst, bucket->tokens + seconds * kPerSecond);
  bucket->filled = now;
  if (bucket->tokens < 1) {
    ++bucket->suppressed;
    return std::nullopt;
  }
  bucket->tokens -= 1;
  return std::exchange(bucket->suppressed, 0);
}

void Audit::later(const Prepared& in, const AuditEntry& entry) {
  const std::optional<uint64_t> suppressed = take(entry.who.home.value);
  if (!suppressed) return;
  store::Row row{.stream = "audit",
                 .cluster = entry.cluster,
                 .at = services_.env.clock.wall(),
                 .data = text(in, entry, *suppressed)};
  const Result<void> taken = services_.shard.submit(
      [row = std::move(row)](store::Turn& turn) mutable { turn.append(std::move(row)); });
  if (!taken) services_.env.log.warn("audit.row.dropped", {{"user", entry.who.name}});
}

}  // namespace ingot::apiserver
