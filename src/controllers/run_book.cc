#include "controllers/run_book.h"

#include <algorithm>

#include "base/encoding.h"
#include "controllers/placement_writes.h"

namespace ingot::controllers {
namespace {

using api::string_at;
using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr size_t kWritesPerTurn = 32;

Key key_of(const scheduler::PastRuns::Key& origin) {
  const std::string hash = hex(sha256(origin.first + "\n" + origin.second)).substr(0, 16);
  return {kRootCluster, kPastRuns, "", hash};
}

// That it ended by itself, as far as its pod says: what was told to go, or failed, would have run on.
bool succeeded(const store::Turn& turn, const Key& key, std::string_view uid) {
  const ObjectPtr object = turn.get(key);
  if (!object) return false;
  const Json pod = object->parse();
  return string_at(pod, {"metadata", "uid"}) == uid && string_at(pod, {"status", "phase"}) == "Succeeded" &&
         !api::find(pod, {"metadata", "deletionTimestamp"});
}

}  // namespace

void RunBook::load(const Key& key, const ObjectPtr& object) {
  if (!object) {
    stored_.erase(key);
    return;
  }
  const Json said = object->parse();
  Stored stored{
      {std::string(string_at(said, {"spec", "cluster"})), std::string(string_at(said, {"spec", "origin"}))},
      {}};
  for (const Json& run : api::array_at(said, {"spec", "runs"}))
    stored.runs.push_back({parse_rfc3339(string_at(run, {"from"})).value_or(WallTime{}),
                           seconds(api::int_at(run, {"seconds"}).value_or(1))});
  stored_.insert_or_assign(key, std::move(stored));
}

void RunBook::restore() {
  for (auto& [key, stored] : stored_)
    model_.past_runs().restore(stored.origin.first, stored.origin.second, std::move(stored.runs));
  stored_.clear();
}

void RunBook::opened(const std::string& uid, const Key& pod, const scheduler::Work& work) {
  if (!work.origin.empty()) pods_.insert_or_assign(uid, pod);
}

void RunBook::closing(const store::Turn& turn, std::string_view uid, const Json* released, WallTime now) {
  const auto pod = pods_.find(uid);
  const scheduler::Allocation* held = model_.allocation(uid);
  if (pod == pods_.end()) return;
  const Key key = pod->second;
  pods_.erase(pod);
  if (!held) return;
  WallTime to = now;
  if (released) to = parse_rfc3339(string_at(*released, {"status", "to"})).value_or(now);
  const Duration ran = std::max(to, held->since) - held->since + held->work.attained;
  model_.past_runs().add(held->tenant, held->work.origin, held->since, ran, succeeded(turn, key, uid));
}

void RunBook::clear() {
  stored_.clear();
  pods_.clear();
  due_.clear();
  round_.reset();
}

bool RunBook::write(store::Turn& turn, const Origin& origin, WallTime now) {
  const Key key = key_of(origin);
  const ObjectPtr before = turn.get(key);
  const scheduler::RunList* runs = model_.past_runs().runs(origin.first, origin.second);
  if (!runs) return !before || turn.erase(key).has_value();
  JsonArray list;
  for (const scheduler::PastRun& run : *runs)
    list.push_back(JsonObject{{"from", to_rfc3339_micro(run.from)}, {"seconds", run.ran.count()}});
  JsonObject spec{{"cluster", origin.first}, {"origin", origin.second}, {"runs", std::move(list)}};
  if (const auto expected = model_.past_runs().expected(origin.first, origin.second))
    spec["expectedSeconds"] = duration_cast<seconds>(*expected).count();
  Json object = before ? before->parse()
                       : Json(JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                         {"kind", "PastRuns"},
                                         {"metadata", JsonObject{{"name", key.name()},
                                                                 {"uid", uuid_of(key.text())},
                                                                 {"creationTimestamp", to_rfc3339(now)}}}});
  api::set(object, {"spec"}, std::move(spec));
  return turn.put(key, std::move(object)).has_value();
}

std::optional<Duration> RunBook::write(store::Turn& turn, WallTime now) {
  due_.merge(model_.past_runs().take_changed());
  if (due_.empty()) return std::nullopt;
  if (round_ && now >= *round_ && now < *round_ + kEvery) return *round_ + kEvery - now;
  for (size_t n = 0; n < kWritesPerTurn && !due_.empty(); ++n) {
    if (!write(turn, *due_.begin(), now)) return kEvery;
    due_.erase(due_.begin());
  }
  if (!due_.empty()) return Duration{};
  round_ = now;
  return std::nullopt;
}

}  // namespace ingot::controllers
