#include "metering/history.h"

#include <charconv>

namespace ingot::metering {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using Done = std::move_only_function<void(Result<Json>)>;

constexpr std::string_view kAllocations = "allocations.factory.ingot.dev";
constexpr std::string_view kHeld = "held/";      // before the uid of the last Allocation of a page
constexpr std::string_view kBooked = "booked/";  // before the sequence number of its last row

Json page(JsonArray rows, std::string next) {
  JsonObject out{{"rows", std::move(rows)}};
  if (!next.empty()) out["next"] = std::move(next);
  return out;
}

void held(env::Env& env, store::Turn& turn, const HistoryQuery& query, std::string_view last, Done done) {
  const Prices prices = current_prices(turn);
  const WallTime now = env.clock.wall();
  const std::string after =
      last.empty() ? std::string() : std::string(api::Key(kRootCluster, kAllocations, "", last).text());
  JsonArray rows;
  std::string next = std::string(kBooked) + "0";
  int seen = 0;
  turn.range(api::type_prefix(kRootCluster, kAllocations), after, [&](const api::ObjectPtr& object) {
    if (!object->mentions(query.cluster)) return true;
    const Json allocation = object->parse();
    if (!query.cluster.empty() && api::string_at(allocation, {"spec", "cluster"}) != query.cluster)
      return true;
    for (const Entry& e : entries_of(allocation, end_of(allocation, now), prices)) {
      Json row = to_json(e);
      api::set(row, {"open"}, true);
      rows.push_back(std::move(row));
    }
    if (++seen < kHistoryPage) return true;
    next = std::string(kHeld) + std::string(object->key.name());  // of its own: it is told
    return false;
  });
  // What this turn no longer saw is in the ledger once it is durable.
  turn.then(turn.revision(), [done = std::move(done), rows = std::move(rows),
                              next = std::move(next)](const Result<void>& durable) mutable {
    if (!durable) return done(fail(durable.error()));
    done(page(std::move(rows), std::move(next)));
  });
}

void booked(store::Shard& shard, const HistoryQuery& query, uint64_t after, Done done) {
  store::RowQuery rows{.stream = std::string(kStream),
                       .cluster = query.cluster,
                       .since = query.since,
                       .after = after,
                       .limit = kHistoryPage};
  shard.rows(std::move(rows), [done = std::move(done)](Result<std::vector<store::StoredRow>> found) mutable {
    if (!found) return done(fail(std::move(found.error())));
    JsonArray out;
    for (const store::StoredRow& stored : *found)
      if (auto row = api::parse_json(stored.row.data)) out.push_back(std::move(*row));
    const bool more = found->size() == size_t(kHistoryPage);
    done(page(std::move(out), more ? std::string(kBooked) + std::to_string(found->back().sequence) : ""));
  });
}

}  // namespace

void history(env::Env& env, store::Shard& shard, store::Turn& turn, HistoryQuery query, Done done) {
  const std::string_view next = query.next;
  if (next.empty() || next.starts_with(kHeld))
    return held(env, turn, query, next.empty() ? next : next.substr(kHeld.size()), std::move(done));
  uint64_t after = 0;
  const std::string_view number = next.starts_with(kBooked) ? next.substr(kBooked.size()) : "";
  const auto read = std::from_chars(number.data(), number.data() + number.size(), after);
  if (number.empty() || read.ec != std::errc{} || read.ptr != number.data() + number.size() ||
      after > uint64_t(INT64_MAX))
    return done(fail(Reason::BadRequest, "next: not what a page before gave"));
  booked(shard, query, after, std::move(done));
}

}  // namespace ingot::metering
