// The tree of queues: who may hold how much, whose turn it is, and whose lent guarantee may be taken back.
//
// Thread rule: one thread at a time; no clock. Invariants: a queue's usage is its leaves' together; whatever
// order queues and usage came in, the same contents give the same answers. A queue whose parent is not known
// (yet), or is below it, hangs below the root.
//
// Turns. At every level the queues below their guarantee come first, then the smallest dominant share ÷ weight
// (dominant share: the largest of the queue's parts of all GPUs, CPU and memory), then who has waited longest,
// then the name. With a half-life the share is of the time-decayed average of what the queue held, so that who
// held much lately comes later. A queue without one has that of the queue above.
//
// Reclaim. What a guarantee does not use is lent. A claimant may take from a victim when, where their paths
// part, the claimant's side stays within its guarantee with what it asks for, and the victim's side is above
// its own and is not brought below it (but for the rest of a gang that cannot stay). So a victim cannot come
// back by reclaim: its side would have to be within its guarantee with the victim, but it was above it; and the
// claimant's side, within its guarantee, is never anybody's victim.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "scheduler/shape.h"

namespace ingot::scheduler {

// How much of everything: GPUs in milli, all together and by model.
struct Amounts {
  int64_t gpu_milli = 0, cpu_milli = 0, memory_mib = 0;
  std::vector<std::pair<ModelId, int64_t>> models;  // sorted by model, none 0

  void add_gpu(ModelId, int64_t milli);
  int64_t of_model(ModelId) const;
  bool empty() const { return gpu_milli == 0 && cpu_milli == 0 && memory_mib == 0 && models.empty(); }
  Amounts& operator+=(const Amounts&);
  Amounts& operator-=(const Amounts&);
  bool operator==(const Amounts&) const = default;
};

// At most this much; none: no limit.
struct Limits {
  std::optional<int64_t> gpu_milli, cpu_milli, memory_mib;
  std::vector<std::pair<ModelId, int64_t>> models;
  bool operator==(const Limits&) const = default;
};

// Time-decayed usage.
struct Averages {
  double gpu_milli = 0, cpu_milli = 0, memory_mib = 0;
};
// Held for so long, an average moves towards it.
Averages decayed(const Averages&, const Amounts& held, Duration half_life, Duration time);

struct Queue {
  std::string name;
  std::string title;   // what people are told; "": "queue NAME"
  std::string parent;  // "": the root
  int64_t weight = 1;  // ≥ 1
  Amounts guarantee{};
  Limits limit{};
  std::optional<Duration> half_life;
  bool operator==(const Queue&) const = default;
};

class QueueTree {
 public:
  QueueTree();

  void set(const Queue&);
  void erase(std::string_view name);  // what hangs below it, and its usage, moves below the root
  bool contains(std::string_view name) const { return queues_.contains(name); }
  const Queue* find(std::string_view name) const;
  std::string title(std::string_view name) const;              // for people
  std::vector<std::string> names() const;                      // parents before their children, then by name
  std::vector<std::string> path(std::string_view name) const;  // from the root's child down
  void set_capacity(const Amounts&);

  void add_usage(std::string_view queue, const Amounts&);
  void remove_usage(std::string_view queue, const Amounts&);
  const Amounts& usage(std::string_view queue) const;  // with what hangs below
  Amounts guarantee(std::string_view queue) const;     // its own or that of what hangs below, the larger
  uint64_t usage_version() const { return usage_version_; }  // grows with every change of it
  // Time-decayed usage of queues with a half-life moves on to this time.
  void advance(WallTime now);
  struct Decaying {
    Averages average;
    Duration half_life;
  };
  std::optional<Decaying> decaying(std::string_view queue) const;  // none: no half-life
  // As it was at that time; since then the queue held what it holds now.
  void restore(std::string_view queue, const Averages&, WallTime at);

  // Queues with work that waits, since when. A pass takes the first, again and again; a queue that has nothing
  // more to offer is skipped until the next pass.
  void set_pending(std::string_view queue, WallTime oldest);
  void clear_pending(std::string_view queue);
  void start_pass();
  const std::string* first() const;  // nullptr: none is left
  void skip(std::string_view queue);

  // Why the queue may not hold that much more; none: it may.
  // `models`: names by ModelId.
  std::optional<std::string> refused(std::string_view queue, const Amounts&,
                                     const std::vector<std::string>& models) const;
  bool borrows(std::string_view queue) const;  // it, or a queue above it, is above its guarantee
  // Whether somewhere above, or here, a guarantee holds that much more: it may be due somebody else's room.
  bool entitled(std::string_view queue, const Amounts& more) const;
  // Whether the claimant, asking for `more` GPUs, may take from the victim, whose side has given `given` already.
  bool may_reclaim(std::string_view claimant, const Amounts& more, std::string_view victim,
                   const Amounts& given) const;
  // GPU-milli that the victim's side holds above its guarantee and the claimant, asking for `more`, may take from; none:
  // it may take nothing.
  std::optional<int64_t> lent(std::string_view claimant, const Amounts& more, std::string_view victim) const;
  // The two queues where the paths part.
  std::pair<std::string, std::string> part(std::string_view a, std::string_view b) const;

 private:
  struct Entry {
    bool over;      // not below its guarantee
    int64_t share;  // ÷ weight, in 10⁻⁹
    WallTime oldest;
    std::string name;  // "" is the parent itself
    auto operator<=>(const Entry&) const = default;
  };
  struct State {
    Queue queue;
    std::string up;            // effective parent; "" for the root's children
    bool placeholder = false;  // only usage speaks of it
    Amounts usage, own;        // own: without what hangs below
    Averages average;
    std::optional<Duration> half_life;  // its own, or from above
    Amounts below;                      // guarantees of its children together
    std::set<std::string> children;
    std::optional<WallTime> pending;  // its own line's oldest
    bool skipped = false;
    std::set<Entry> contenders;
    std::optional<Entry> entered,
        self;  // its place among its parent's contenders, its own line's among its own
  };

  State& state(std::string_view name);
  const State& state(std::string_view name) const { return queues_.find(name)->second; }
  void hang_all();
  void sum_guarantees(std::string_view from);
  void inherit(State&);  // the half-life from above
  void enter(State&);    // renews its place and those above it
  Entry entry(const State&) const;
  int64_t share(const State&) const;
  int64_t part_of(int64_t held, int64_t total) const;
  bool below_guarantee(const State&) const;
  void name_below(const State&, std::vector<std::string>& names) const;

  std::map<std::string, State, std::less<>> queues_;  // "" is the root
  std::map<std::string, int> named_;                  // parents by how many queues name them
  Amounts capacity_;
  std::set<std::string> skipped_;
  std::optional<WallTime> now_;
  uint64_t usage_version_ = 0;
};

}  // namespace ingot::scheduler
