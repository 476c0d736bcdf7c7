#include "controllers/queue.h"

#include <algorithm>

namespace ingot::controllers {

bool WorkQueue::add(const Item& item) {
  if (ready_.contains(item)) return true;
  if (size() >= limit_) return false;
  make_ready(item);
  return true;
}

bool WorkQueue::add_at(const Item& item, Instant when) {
  if (const auto it = due_.find(item); it != due_.end()) {
    if (it->second <= when) return true;
    by_time_.erase({it->second, item});
    due_.erase(it);
  } else if (size() >= limit_) {
    return false;
  }
  due_.emplace(item, when);
  by_time_.emplace(when, item);
  return true;
}

std::vector<Item> WorkQueue::take(size_t count, Instant now) {
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    const Item item = by_time_.begin()->second;
    by_time_.erase(by_time_.begin());
    due_.erase(item);
    if (!ready_.contains(item)) make_ready(item);
  }
  std::vector<Item> taken;
  while (taken.size() < count && !turn_.empty()) {
    const std::string cluster = std::move(turn_.front());
    turn_.pop_front();
    const auto line = lines_.find(cluster);
    taken.push_back(std::move(line->second.front()));
    line->second.pop_front();
    ready_.erase(taken.back());
    if (line->second.empty()) {
      lines_.erase(line);
    } else {
      turn_.push_back(cluster);
    }
  }
  return taken;
}

void WorkQueue::failed(const Item& item, Instant now) {
  int& count = failures_[item];
  const auto pause = std::chrono::milliseconds(10) * (int64_t(1) << std::min(count, 15));
  count = std::min(count + 1, 16);
  add_at(item, now + std::min<Duration>(pause, std::chrono::minutes(5)));
}

void WorkQueue::succeeded(const Item& item) { failures_.erase(item); }

bool WorkQueue::idle(Instant now) const {
  return ready_.empty() && (by_time_.empty() || by_time_.begin()->first > now);
}

std::optional<Instant> WorkQueue::next_due() const {
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

void WorkQueue::clear() {
  ready_.clear();
  lines_.clear();
  turn_.clear();
  due_.clear();
  by_time_.clear();
  failures_.clear();
}

void WorkQueue::make_ready(const Item& item) {
  ready_.insert(item);
  const auto [line, fresh] = lines_.try_emplace(std::string(item.key.cluster()));
  if (fresh) turn_.push_back(line->first);
  line->second.push_back(item);
}

}  // namespace ingot::controllers
