// Locks that the runs of one cluster share: mutexes, and semaphores whose size a ConfigMap says. Pure.
//
// Thread rule: its owner's. Invariants: a lock is given to no more holders than its size at that moment; a claim has all
// of its locks or none; of those that wait and could have what they claim, the first by priority, then by age of the
// Workflow, then in the order of asking gets it; nothing is given while it is closed: after a restart, until everybody
// who holds something has said so.
// Source: Argo Workflows, workflow/sync and docs/synchronization.md. Unlike there, who waits for several locks at once
// does not hold up those behind it that need only what is free.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "workflow/flow.h"

namespace ingot::workflow {

// "NAMESPACE/Mutex/NAME" or "NAMESPACE/ConfigMap/NAME/KEY", each once, of a `synchronization`; `ns` where it names none.
Or<std::vector<std::string>> lock_names(const Json& synchronization, std::string_view ns);
bool is_mutex(std::string_view lock);

struct Claim {
  std::string holder;  // "NAMESPACE/WORKFLOW", or of a node "NAMESPACE/WORKFLOW/ID"
  std::vector<std::string> locks;
  int64_t priority = 0;
  WallTime created{};              // of the Workflow
  std::vector<std::string> above;  // holders that cannot end before this one has
  std::string_view run() const;    // "NAMESPACE/WORKFLOW"
};

class Locks {
 public:
  // How many may hold a semaphore; whoever reads it may do so only while a turn lasts, so it is set anew for each.
  using Size = std::function<Or<int64_t>(std::string_view ns, std::string_view map, std::string_view key)>;
  void read_sizes(Size size) { size_ = std::move(size); }

  struct Answer {
    bool held = false;
    std::string lock, message;  // what it waits for, in words
  };
  // An error: it can never be had. A holder claims once.
  Or<Answer> take(Claim);
  // What its owner remembers to hold.
  void hold(const Claim&);
  bool holds(const std::string& holder) const { return held_.contains(holder); }
  // Of a holder that holds, waits, or neither.
  void release(const std::string& holder);
  void forget(const std::string& run);  // everything of it

  // While it is closed nothing is given: what is held is not known yet, or is just being read again.
  void close() { open_ = false; }
  void open();
  void resize(std::string_view ns, std::string_view map);  // a ConfigMap is another
  // Runs that were given something since the last call, and of one of them which holders.
  std::set<std::string> told() { return std::exchange(told_, {}); }
  std::vector<std::string> given(const std::string& run);

  // `status.synchronization` of a run: what it holds and waits for. Null: nothing.
  Json status_of(const std::string& run) const;
  bool knows(const std::string& run) const { return of_run_.contains(run); }
  bool idle() const { return held_.empty() && waiting_.empty(); }

 private:
  struct Place {
    int64_t priority;
    WallTime created;
    uint64_t sequence;
    std::string holder;
    bool operator<(const Place& o) const;
  };
  struct Lock {
    std::set<std::string> holders;
    std::set<Place> queue;
  };
  struct Waiting {
    Claim claim;
    uint64_t sequence;
  };
  Or<int64_t> size_of(const std::string& lock) const;
  bool room(const std::string& lock) const;
  const std::string* first_taken(const Claim&) const;
  void keep(const std::string& holder, const std::vector<std::string>& locks);
  void wait(Claim);
  void drop_waiting(const std::string& holder);
  void give(const std::string& lock);
  void drop_if_idle(const std::string& lock);
  std::string words(const std::string& lock, const Claim&) const;
  std::string circle(const Claim&) const;

  Size size_;
  bool open_ = true;
  uint64_t next_ = 0;
  std::map<std::string, Lock> locks_;
  std::map<std::string, std::vector<std::string>> held_;   // by holder
  std::map<std::string, Waiting> waiting_;                 // by holder
  std::map<std::string, std::set<std::string>> below_;     // by holder: who waits and is above of whom
  std::map<std::string, std::set<std::string>> of_run_;    // holders of a run, whether they hold or wait
  std::map<std::string, std::vector<std::string>> given_;  // by run
  std::set<std::string> told_;
};

inline constexpr size_t kMostClaimed = 100;     // locks of one claim
inline constexpr size_t kMostWaiting = 10'000;  // claims for one lock

}  // namespace ingot::workflow
