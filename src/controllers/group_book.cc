#include "controllers/group_book.h"

#include <algorithm>

#include "base/time.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonObject;
using api::Key;
using api::string_at;

constexpr size_t kWritesPerTurn = 32;

}  // namespace

void GroupBook::set_pod(const Key& pod, std::string_view group, const Json& object) {
  const auto before = of_.find(pod.text());
  if (before != of_.end() && before->second.name() != group) forget_pod(pod);
  if (group.empty()) return;
  const Key key{ClusterId(std::string(pod.cluster())), "podgroups.scheduling.x-k8s.io", pod.ns(), group};
  static constexpr std::pair<std::string_view, Member::Phase> kPhases[] = {
      {"Running", Member::Phase::Running},
      {"Succeeded", Member::Phase::Succeeded},
      {"Failed", Member::Phase::Failed}};
  Member now{!string_at(object, {"spec", "nodeName"}).empty()};
  for (const auto& [name, phase] : kPhases)
    if (string_at(object, {"status", "phase"}) == name) now.phase = phase;
  Group& of = groups_[key];
  const auto [at, fresh] = of.pods.try_emplace(pod.text());
  if (!fresh && at->second == now) return;
  at->second = now;
  of_.insert_or_assign(pod.text(), key);
  due_.insert(key);
  if (!of.occupied.empty()) return;
  std::set<std::string> owners;
  for (const Json& owner : api::array_at(object, {"metadata", "ownerReferences"}))
    owners.insert(std::string(pod.ns()) + "/" + std::string(string_at(owner, {"name"})));
  for (const std::string& owner : owners) of.occupied += (of.occupied.empty() ? "" : ",") + owner;
}

void GroupBook::forget_pod(const Key& pod) {
  const auto of = of_.extract(pod.text());
  if (of.empty()) return;
  const auto group = groups_.find(of.mapped());
  due_.insert(group->first);
  group->second.pods.erase(pod.text());
  if (group->second.pods.empty()) groups_.erase(group);
}

void GroupBook::clear() {
  groups_.clear();
  of_.clear();
  due_.clear();
  written_.clear();
}

Json GroupBook::status(const Group* group, const Json& object, WallTime now) const {
  const int64_t least = api::int_at(object, {"spec", "minMember"}).value_or(1);
  int64_t pods = 0, scheduled = 0, running = 0, succeeded = 0, failed = 0;
  if (group)
    for (const auto& [key, member] : group->pods) {
      ++pods;
      scheduled += member.scheduled;
      running += member.phase == Member::Phase::Running;
      succeeded += member.phase == Member::Phase::Succeeded;
      failed += member.phase == Member::Phase::Failed;
    }
  const Json* before = api::find(object, {"status"});
  const std::string_view was = string_at(object, {"status", "phase"});
  if (pods < least && was == "Finished") return *before;
  // The later ones go before.
  const std::pair<bool, std::string_view> kPhases[] = {
      {succeeded >= least, "Finished"},
      {running + succeeded >= least, "Running"},
      {pods >= least && failed > 0 && failed + running + succeeded >= least, "Failed"},
      {pods >= least && scheduled >= least, "Scheduled"},
      {pods >= least, "Scheduling"},
      {true, "Pending"}};
  Json out = before && before->is_object() ? *before : Json(JsonObject{});
  const std::string_view phase =
      std::ranges::find(kPhases, true, &std::pair<bool, std::string_view>::first)->second;
  api::set(out, {"phase"}, phase);
  for (const auto& [name, n] : {std::pair{"scheduled", scheduled},
                                {"running", running},
                                {"succeeded", succeeded},
                                {"failed", failed}})
    api::set(out, {name}, n);
  if (group && !group->occupied.empty()) api::set(out, {"occupiedBy"}, group->occupied);
  if (pods >= least && !api::find(out, {"scheduleStartTime"}))
    api::set(out, {"scheduleStartTime"}, to_rfc3339(now));
  return out;
}

std::optional<Duration> GroupBook::write(store::Turn& turn, WallTime now) {
  std::erase_if(written_, [&](const auto& w) { return now < w.second || now >= w.second + kEvery; });
  std::optional<Duration> next;
  size_t writes = 0;
  for (auto at = due_.begin(); at != due_.end();) {
    if (const auto w = written_.find(*at); w != written_.end()) {
      const Duration wait = w->second + kEvery - now;
      next = next ? std::min(*next, wait) : wait;
      ++at;
      continue;
    }
    if (writes == kWritesPerTurn) return Duration{};
    if (const api::ObjectPtr before = turn.get(*at)) {
      Json object = before->parse();
      const auto group = groups_.find(*at);
      Json status = this->status(group == groups_.end() ? nullptr : &group->second, object, now);
      const Json* said = api::find(object, {"status"});
      if (!said || !api::same(*said, status)) {
        ++writes;
        api::set(object, {"status"}, std::move(status));
        if (!turn.put(*at, std::move(object), before->revision)) return kEvery;
        written_.insert_or_assign(*at, now);
      }
    }
    at = due_.erase(at);
  }
  return next;
}

}  // namespace ingot::controllers
