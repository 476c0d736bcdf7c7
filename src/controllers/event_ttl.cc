// Events go an hour after they last happened.
#include "controllers/table.h"

namespace ingot::controllers {
namespace {

constexpr auto kKept = std::chrono::hours(1);

void watch(const Seen& seen, const Enqueue& enqueue) {
  if (seen.key().resource() == "events" && !seen.change.deleted) enqueue(seen.key());
}

// The newest time the event knows of; one that is yet to come says nothing.
WallTime last_seen(const Json& event, WallTime now) {
  WallTime last{};
  for (auto path : {std::initializer_list<std::string_view>{"lastTimestamp"},
                    {"eventTime"},
                    {"series", "lastObservedTime"},
                    {"metadata", "creationTimestamp"}})
    if (auto at = parse_rfc3339(api::string_at(event, path)); at && *at <= now) last = std::max(last, *at);
  return last;
}

Plan reconcile(const Snapshot& in, const Key& key, WallTime now) {
  Plan plan;
  const ObjectPtr event = in.get("events", key.ns(), key.name());
  if (!event) return plan;
  const Duration age = now - last_seen(event->parse(), now);
  if (age >= kKept) {
    plan.erase(event);
  } else {
    plan.revisit(kKept - age);
  }
  return plan;
}

}  // namespace

const Controller kEventTtl{"event_ttl", watch, reconcile};

}  // namespace ingot::controllers
