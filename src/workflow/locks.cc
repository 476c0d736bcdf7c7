#include "workflow/locks.h"

#include <algorithm>
#include <utility>

#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::find;
using api::string_at;

namespace {

constexpr std::string_view kMutex = "/Mutex/", kConfigMap = "/ConfigMap/";
constexpr size_t kShown = 100;       // entries of a status
constexpr size_t kFollowed = 1'000;  // claims that are looked at for a circle

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

bool one_name(std::string_view text) { return !text.empty() && text.find('/') == text.npos; }

Or<std::string> mutex_name(const Json& mutex, std::string_view ns) {
  const std::string_view own = string_at(mutex, {"namespace"}), name = string_at(mutex, {"name"});
  if (api::bool_at(mutex, {"database"})) return wrong("mutexes.database is not implemented");
  if (name.empty()) return wrong("mutexes.name is required");
  if (!own.empty() && !one_name(own)) return wrong("mutexes.namespace is no name of a namespace");
  return std::string(own.empty() ? ns : own) + std::string(kMutex) + std::string(name);
}

Or<std::string> semaphore_name(const Json& semaphore, std::string_view ns) {
  for (const std::string_view other : {"database", "selectors"})
    if (find(semaphore, {other})) return wrong("semaphores." + std::string(other) + " is not implemented");
  const std::string_view own = string_at(semaphore, {"namespace"}),
                         map = string_at(semaphore, {"configMapKeyRef", "name"}),
                         key = string_at(semaphore, {"configMapKeyRef", "key"});
  if (!one_name(map) || !one_name(key)) return wrong("semaphores.configMapKeyRef.name and .key are required");
  if (!own.empty() && !one_name(own)) return wrong("semaphores.namespace is no name of a namespace");
  return std::string(own.empty() ? ns : own) + std::string(kConfigMap) + std::string(map) + "/" +
         std::string(key);
}

}  // namespace

bool is_mutex(std::string_view lock) {
  const size_t slash = lock.find('/');
  return slash != lock.npos && lock.substr(slash).starts_with(kMutex);
}

Or<std::vector<std::string>> lock_names(const Json& synchronization, std::string_view ns) {
  using Name = Or<std::string> (*)(const Json&, std::string_view);
  constexpr std::pair<std::string_view, Name> kKinds[] = {{"semaphores", semaphore_name},
                                                          {"mutexes", mutex_name}};
  std::vector<std::string> out;
  for (const auto& [list, name] : kKinds)
    for (const Json& lock : array_at(synchronization, {list})) {
      Or<std::string> text = name(lock, ns);
      if (!text) return wrong("synchronization." + text.error());
      if (std::ranges::find(out, *text) == out.end()) out.push_back(*std::move(text));
      if (out.size() > kMostClaimed)
        return wrong("synchronization: more than " + std::to_string(kMostClaimed) + " locks");
    }
  if (out.empty()) return wrong("synchronization: names no mutex and no semaphore");
  return out;
}

std::string_view Claim::run() const {
  const std::string_view text = holder;
  return text.substr(0, text.find('/', text.find('/') + 1));
}

bool Locks::Place::operator<(const Place& o) const {
  if (priority != o.priority) return priority > o.priority;
  return std::tie(created, sequence) < std::tie(o.created, o.sequence);
}

Or<int64_t> Locks::size_of(const std::string& lock) const {
  if (is_mutex(lock)) return 1;
  const std::string_view text = lock;
  const size_t ns = text.find('/'), map = ns + kConfigMap.size(), key = text.find('/', map);
  if (!size_) return wrong("semaphore " + lock + " cannot be read now");
  return size_(text.substr(0, ns), text.substr(map, key - map), text.substr(key + 1));
}

bool Locks::room(const std::string& lock) const {
  const auto known = locks_.find(lock);
  const int64_t taken = known == locks_.end() ? 0 : int64_t(known->second.holders.size());
  return taken < size_of(lock).value_or(0);
}

const std::string* Locks::first_taken(const Claim& claim) const {
  const auto at = std::ranges::find_if(claim.locks, [&](const std::string& l) { return !room(l); });
  return at == claim.locks.end() ? nullptr : &*at;
}

void Locks::keep(const std::string& holder, const std::vector<std::string>& locks) {
  held_[holder] = locks;
  for (const std::string& lock : locks) locks_[lock].holders.insert(holder);
}

void Locks::hold(const Claim& claim) {
  of_run_[std::string(claim.run())].insert(claim.holder);
  keep(claim.holder, claim.locks);
}

Or<Locks::Answer> Locks::take(Claim claim) {
  for (const std::string& lock : claim.locks) {
    if (const auto size = size_of(lock); !size) return wrong(size.error());
    if (const auto known = locks_.find(lock);
        known != locks_.end() && known->second.queue.size() >= kMostWaiting)
      return wrong("more than " + std::to_string(kMostWaiting) + " wait for " + lock);
  }
  of_run_[std::string(claim.run())].insert(claim.holder);
  const std::string* taken = first_taken(claim);
  if (open_ && !taken) {
    keep(claim.holder, claim.locks);
    return Answer{.held = true};
  }
  Answer out{.lock = taken ? *taken : claim.locks.front()};
  out.message = words(out.lock, claim);
  wait(std::move(claim));
  return out;
}

void Locks::wait(Claim claim) {
  const uint64_t sequence = next_++;
  for (const std::string& lock : claim.locks)
    locks_[lock].queue.insert({claim.priority, claim.created, sequence, claim.holder});
  for (const std::string& holder : claim.above) below_[holder].insert(claim.holder);
  const std::string holder = claim.holder;
  waiting_.insert_or_assign(holder, Waiting{std::move(claim), sequence});
}

void Locks::drop_waiting(const std::string& holder) {
  const auto at = waiting_.find(holder);
  if (at == waiting_.end()) return;
  const Claim& claim = at->second.claim;
  for (const std::string& lock : claim.locks)
    locks_[lock].queue.erase({claim.priority, claim.created, at->second.sequence, holder});
  for (const std::string& above : claim.above)
    if (const auto of = below_.find(above); of != below_.end()) {
      of->second.erase(holder);
      if (of->second.empty()) below_.erase(of);
    }
  waiting_.erase(at);
}

void Locks::drop_if_idle(const std::string& lock) {
  if (const auto at = locks_.find(lock);
      at != locks_.end() && at->second.holders.empty() && at->second.queue.empty())
    locks_.erase(at);
}

void Locks::release(const std::string& holder) {
  const std::string run(Claim{.holder = holder}.run());
  if (const auto of = of_run_.find(run); of != of_run_.end()) {
    of->second.erase(holder);
    if (of->second.empty()) of_run_.erase(of);
  }
  std::vector<std::string> locks;
  if (const auto at = waiting_.find(holder); at != waiting_.end()) {
    const std::vector<std::string> wanted = at->second.claim.locks;
    drop_waiting(holder);
    for (const std::string& lock : wanted) drop_if_idle(lock);  // nobody waited for it
  } else if (const auto had = held_.find(holder); had != held_.end()) {
    locks = std::move(had->second);
    held_.erase(had);
    for (const std::string& lock : locks) locks_[lock].holders.erase(holder);
  }
  for (const std::string& lock : locks) give(lock);
}

void Locks::forget(const std::string& run) {
  const auto of = of_run_.find(run);
  const std::set<std::string> all = of == of_run_.end() ? std::set<std::string>() : of->second;
  // Those that wait first: what is released is not offered to each of them.
  for (const bool waits : {true, false})
    for (const std::string& holder : all)
      if (waiting_.contains(holder) == waits) release(holder);
  given_.erase(run);
}

// To those that wait, in their order, as long as there is room.
void Locks::give(const std::string& lock) {
  const auto at = locks_.find(lock);
  if (at == locks_.end()) return;
  if (open_ && !at->second.queue.empty()) {
    const int64_t size = size_of(lock).value_or(0);
    for (auto next = at->second.queue.begin();
         next != at->second.queue.end() && int64_t(at->second.holders.size()) < size;) {
      const std::string holder = (next++)->holder;
      if (first_taken(waiting_.at(holder).claim)) continue;  // something else it needs
      const Claim claim = waiting_.at(holder).claim;
      drop_waiting(holder);
      keep(holder, claim.locks);
      const std::string run(claim.run());
      given_[run].push_back(holder);
      told_.insert(run);
    }
  }
  drop_if_idle(lock);
}

void Locks::open() {
  open_ = true;
  std::vector<std::string> all;
  for (const auto& [name, lock] : locks_) all.push_back(name);
  for (const std::string& name : all) give(name);
}

void Locks::resize(std::string_view ns, std::string_view map) {
  const std::string prefix = std::string(ns) + std::string(kConfigMap) + std::string(map) + "/";
  std::vector<std::string> all;
  for (auto at = locks_.lower_bound(prefix); at != locks_.end() && at->first.starts_with(prefix); ++at)
    all.push_back(at->first);
  for (const std::string& name : all) give(name);
}

std::vector<std::string> Locks::given(const std::string& run) {
  const auto at = given_.find(run);
  if (at == given_.end()) return {};
  std::vector<std::string> out = std::move(at->second);
  given_.erase(at);
  return out;
}

std::string Locks::words(const std::string& lock, const Claim& claim) const {
  const int64_t size = size_of(lock).value_or(0);
  const auto known = locks_.find(lock);
  const int64_t taken = known == locks_.end() ? 0 : int64_t(known->second.holders.size());
  std::string out = "Waiting for " + lock +
                    " lock. Lock status: " + std::to_string(open_ ? std::max<int64_t>(size - taken, 0) : 0) +
                    "/" + std::to_string(size);
  if (const std::string who = circle(claim); !who.empty())
    out += ". Deadlock: " + who + " and this wait for each other; stop one of them";
  return out;
}

// Whom the claim, if it waited, would wait for without end; "": nobody. A claim goes on once each of its locks has a
// holder that ends, and a holder ends once every claim below it has gone on.
std::string Locks::circle(const Claim& claim) const {
  if (std::ranges::none_of(claim.above, [&](const std::string& a) { return held_.contains(a); })) return "";
  std::vector<const Claim*> all{&claim};
  std::map<std::string, bool> stuck{{claim.holder, true}};
  const auto below = [&](const std::string& holder) {
    std::vector<std::string> out;
    if (const auto at = below_.find(holder); at != below_.end())
      out.assign(at->second.begin(), at->second.end());
    if (std::ranges::find(claim.above, holder) != claim.above.end()) out.push_back(claim.holder);
    return out;
  };
  const auto each_taken = [&](const Claim& c, auto&& visit) {
    for (const std::string& lock : c.locks)
      if (!room(lock))
        if (const auto at = locks_.find(lock); at != locks_.end() && !visit(at->second.holders)) return false;
    return true;
  };
  for (size_t i = 0; i < all.size(); ++i)
    each_taken(*all[i], [&](const std::set<std::string>& holders) {
      for (const std::string& holder : holders)
        for (const std::string& next : below(holder))
          if (all.size() < kFollowed && stuck.emplace(next, true).second)
            all.push_back(&waiting_.at(next).claim);
      return true;
    });
  if (all.size() >= kFollowed) return "";
  const auto ends = [&](const std::string& holder) {
    return std::ranges::none_of(below(holder), [&](const std::string& c) { return stuck.at(c); });
  };
  for (bool more = true; more;) {
    more = false;
    for (const Claim* c : all) {
      bool& is = stuck.at(c->holder);
      if (!is || !each_taken(*c, [&](const auto& holders) { return std::ranges::any_of(holders, ends); }))
        continue;
      is = false;
      more = true;
    }
  }
  if (!stuck.at(claim.holder)) return "";
  std::string who;
  each_taken(claim, [&](const std::set<std::string>& holders) {
    for (const std::string& holder : holders)
      if (!ends(holder) && who.size() < 200) who += (who.empty() ? "" : ", ") + holder;
    return true;
  });
  return who;
}

Json Locks::status_of(const std::string& run) const {
  const auto of = of_run_.find(run);
  if (of == of_run_.end()) return nullptr;
  std::map<std::string, std::vector<std::string>> holding;
  std::set<std::string> waited;
  for (const std::string& holder : of->second) {
    if (const auto had = held_.find(holder); had != held_.end())
      for (const std::string& lock : had->second)
        if (holding.size() < kShown && holding[lock].size() < kShown) holding[lock].push_back(holder);
    if (const auto at = waiting_.find(holder); at != waiting_.end())
      for (const std::string& lock : at->second.claim.locks)
        if (waited.size() < kShown) waited.insert(lock);
  }
  JsonObject out;
  const auto add = [&](std::string_view list, const std::string& lock,
                       const std::vector<std::string>& holders) {
    const bool mutex = is_mutex(lock);
    JsonObject entry{{mutex ? "mutex" : "semaphore", text_json(lock)}};
    if (mutex) {
      if (!holders.empty()) entry["holder"] = text_json(holders.front());
    } else {
      JsonArray all;
      for (const std::string& holder : holders) all.push_back(text_json(holder));
      entry["holders"] = std::move(all);
    }
    JsonObject& kind = out[mutex ? "mutex" : "semaphore"].is_object()
                           ? out[mutex ? "mutex" : "semaphore"].get_object()
                           : out[mutex ? "mutex" : "semaphore"].emplace_object();
    Json& entries = kind[list];
    if (!entries.is_array()) entries.emplace_array();
    entries.get_array().push_back(std::move(entry));
  };
  for (const auto& [lock, holders] : holding) add("holding", lock, holders);
  for (const std::string& lock : waited) {
    std::vector<std::string> now;
    for (const std::string& holder : locks_.at(lock).holders)
      if (now.size() < kShown) now.push_back(holder);
    add("waiting", lock, now);
  }
  return out.empty() ? Json(nullptr) : Json(std::move(out));
}

}  // namespace ingot::workflow
