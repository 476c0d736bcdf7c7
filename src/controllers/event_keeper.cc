#include "controllers/event_keeper.h"

#include <algorithm>

#include "api/parse.h"

namespace ingot::controllers {
namespace {

using api::Key;
using api::ObjectPtr;

constexpr auto kKept = std::chrono::hours(1);
constexpr Duration kPause = std::chrono::seconds(1);  // between two tries on a full disk
constexpr size_t kErased = 64;                        // a turn

// The newest time the Event knows of; one that is yet to come says nothing.
WallTime last_seen(const api::Json& event, WallTime now) {
  WallTime last{};
  for (auto path : {std::initializer_list<std::string_view>{"lastTimestamp"},
                    {"eventTime"},
                    {"series", "lastObservedTime"},
                    {"metadata", "creationTimestamp"}})
    if (auto at = parse_rfc3339(api::string_at(event, path)); at && *at <= now) last = std::max(last, *at);
  return last;
}

}  // namespace

EventKeeper::EventKeeper(env::Env& env, store::Shard& shard)
    : env_(env), follower_(env, shard, store::later({{"", "events", ""}}), *this) {}

void EventKeeper::reset() {
  all_.clear();
  newest_.clear();
  clusters_.clear();
  crowded_.clear();
  loaded_ = false;
}

bool EventKeeper::follow(store::Turn& turn, const std::vector<Key>& changed, bool rest) {
  const WallTime now = env_.clock.wall();
  for (const Key& key : changed) note(turn, key, now);
  loaded_ |= !rest;
  if (!loaded_) return false;
  for (size_t erased = 0; erased < kErased; ++erased) {
    if (!crowded_.empty()) {
      const Revision oldest = *clusters_.at(*crowded_.begin()).begin();
      if (!erase(turn, Key(all_.at(oldest).key))) return false;
    } else if (!is_due(now) || !erase(turn, Key(all_.begin()->second.key))) {
      break;
    }
  }
  if (!all_.empty())
    follower_.wake_at(env_.clock.now() +
                      std::clamp<Duration>(all_.begin()->second.since + kKept - now, kPause, kKept));
  return !crowded_.empty() || is_due(now);
}

bool EventKeeper::is_due(WallTime now) const {
  return !all_.empty() && all_.begin()->second.since + kKept <= now;
}

void EventKeeper::note(const store::Turn& turn, const Key& key, WallTime now) {
  forget(key);
  const ObjectPtr event = turn.get(key);
  if (!event) return;
  // Of one that was there before the start only it itself knows since when.
  all_.emplace(event->revision, Kept{key, loaded_ ? now : last_seen(event->parse(), now)});
  newest_[key.text()] = event->revision;
  std::set<Revision>& own = clusters_[std::string(key.cluster())];
  own.insert(event->revision);
  if (own.size() > kMost) crowded_.emplace(key.cluster());
}

void EventKeeper::forget(const Key& key) {
  const auto known = newest_.find(key.text());
  if (known == newest_.end()) return;
  const auto own = clusters_.find(key.cluster());
  own->second.erase(known->second);
  if (own->second.size() <= kMost) crowded_.erase(own->first);
  if (own->second.empty()) clusters_.erase(own);
  all_.erase(known->second);
  newest_.erase(known);
}

// False: the disk is full, and it is tried again when something happens.
bool EventKeeper::erase(store::Turn& turn, const Key& key) {
  const auto erased = turn.erase(key);
  if (!erased && erased.error().reason != Reason::NotFound) return false;
  forget(key);
  return true;
}

}  // namespace ingot::controllers
