// Which keys wait to be reconciled, and which wait for a time. Keys are taken one cluster after another, so that a
// busy tenant delays the others by one key, not by its backlog. A key waits at most once.
// Thread rule: the loop. Bounded: beyond `limit` keys add() says no and the driver lists everything again later.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "api/object.h"
#include "base/time.h"

namespace ingot::controllers {

struct Item {
  uint8_t controller = 0;  // row in the table of controllers
  api::Key key;
  auto operator<=>(const Item&) const = default;
};

class WorkQueue {
 public:
  explicit WorkQueue(size_t limit = 1'000'000) : limit_(limit) {}

  bool add(const Item&);
  // At `when` or earlier: of two wishes the earlier holds.
  bool add_at(const Item&, Instant when);
  // Moves what is due by `now` to the ready ones and takes up to `count`.
  std::vector<Item> take(size_t count, Instant now);

  // After a failure: the key comes again after a pause that doubles, 10 ms to 5 min. After a success it is forgotten.
  void failed(const Item&, Instant now);
  void succeeded(const Item&);

  bool idle(Instant now) const;  // nothing ready, nothing due
  std::optional<Instant> next_due() const;
  size_t size() const { return ready_.size() + due_.size(); }
  void clear();

 private:
  void make_ready(const Item&);

  const size_t limit_;
  std::set<Item> ready_;
  std::map<std::string, std::deque<Item>, std::less<>> lines_;  // by cluster; each not empty
  std::deque<std::string> turn_;                                // the clusters of lines_, whose turn is next
  std::map<Item, Instant> due_;
  std::set<std::pair<Instant, Item>> by_time_;
  std::map<Item, int> failures_;
};

}  // namespace ingot::controllers
