#include "controllers/placement_units.h"

#include <algorithm>
#include <utility>

#include "scheduler/objects.h"
#include "scheduler/objects_affinity.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::string_at;
using scheduler::Affinity;
using scheduler::Constraints;
using scheduler::Labels;
using scheduler::PodState;
using scheduler::Subject;

std::shared_ptr<const std::string> told_reason(const Json& pod) {
  for (const Json& c : api::array_at(pod, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "PodScheduled" && string_at(c, {"status"}) == "False")
      return std::make_shared<const std::string>(string_at(c, {"message"}));
  return nullptr;
}

std::string gang_id(std::string_view cluster, std::string_view ns, std::string_view name) {
  return std::string(cluster) + '/' + std::string(ns) + '/' + std::string(name);
}

// What pods of one gang must have in common, for it waits in one place.
std::string contradiction(const scheduler::Unit& first, const scheduler::Unit& other,
                          const std::string& gang) {
  const auto differ = [&](std::string_view noun, const std::string& a, const std::string& b) {
    return "pods of gang " + gang + " have different " + std::string(noun) + " (" + a + ", " + b +
           "): give all of them the same";
  };
  const auto queue = [](const scheduler::Unit& u) {
    return u.work.queue.empty() ? std::string("its tenant's own") : u.work.queue;
  };
  if (first.work.queue != other.work.queue) return differ("queues", queue(first), queue(other));
  if (first.priority != other.priority)
    return differ("priorities", std::to_string(first.priority), std::to_string(other.priority));
  return "";
}

// What of its topology's annotations says something about a pod alone: its GPUs in one island.
void ask_alone(scheduler::Unit& unit, const Labels& annotations, const scheduler::TopologyTree& tree) {
  if (annotations.empty()) return;
  const auto ask = scheduler::topology_ask(annotations, 1, tree);
  if (!ask)
    unit.waits = ask.error();
  else if (ask->mode == scheduler::TopologyAsk::Mode::Required && ask->level == tree.island())
    unit.pods[0].request.one_island = true;
}

}  // namespace

scheduler::Unit PlacementUnits::unit_of(const api::Key& key, const Json& pod, std::string uid,
                                        const Lookup* imagined) const {
  scheduler::Unit unit{.id = uid, .tenant = std::string(key.cluster())};
  unit.work = scheduler::work_of(pod);
  const std::string_view tenant = tenant_of(key.cluster());
  auto queue = book_.resolve(tenant, unit.work.queue);
  if (!queue) unit.waits = std::move(queue.error());
  unit.work.queue = queue.value_or("");
  unit.work.least_run = book_.least_run(tenant, unit.work.queue);
  unit.priority = unit.work.priority;
  unit.created = parse_rfc3339(string_at(pod, {"metadata", "creationTimestamp"})).value_or(WallTime{});
  unit.pods.push_back({std::move(uid), scheduler::request_of(pod)});
  unit.pods[0].request.models = scheduler::models_of(unit.pods[0].request.where, model_);
  claims_.ask(key, pod, unit, imagined);
  unit.work.origin = scheduler::origin_of(key.ns(), pod, unit.pods[0].request);
  gates_.judge(key, pod, tenant, unit, imagined);
  const auto asks = scheduler::affinity_of(pod);
  const Subject subject =
      scheduler::subject_of(key.cluster(), pod, asks.value_or(Affinity()), unit.pods[0].request.where);
  if (!asks)
    unit.waits = asks.error();
  else if (auto never = scheduler::contradiction(*asks, subject.where, subject.space, subject.labels))
    unit.waits = *std::move(never);
  return unit;
}

std::string_view PlacementUnits::tenant_of(std::string_view cluster) const {
  if (cluster == kRootCluster.value) return cluster;
  const auto found = tenants_.find(cluster);
  return found == tenants_.end() ? std::string_view{} : found->second;
}

std::string_view PlacementUnits::cluster_of(std::string_view tenant) const {
  if (tenant == kRootCluster.value) return tenant;
  const auto found = clusters_.find(tenant);
  return found == clusters_.end() ? std::string_view{} : found->second;
}

std::vector<PodName> PlacementUnits::names_of(const std::vector<std::string>& uids) const {
  std::vector<PodName> names;
  for (const std::string& uid : uids)
    if (const auto found = waiting_.find(uid); found != waiting_.end())
      names.push_back({&found->second.key, found->second.workflow});
  return names;
}

std::string PlacementUnits::workflow_of(const api::Key& key, const Json& pod) const {
  return gates_.workflow_of(key, pod);
}

void PlacementUnits::set_unit(scheduler::Unit unit) {
  if (!budgets_.none()) {
    std::vector<std::string> uids;
    for (const scheduler::PendingPod& pod : unit.pods) uids.push_back(pod.uid);
    budgets_.judge(unit, tenant_of(unit.tenant), names_of(uids));
  }
  model_.set_unit(std::move(unit));
}

WaitingPod* PlacementUnits::waiting(std::string_view uid) {
  const auto found = waiting_.find(uid);
  return found == waiting_.end() ? nullptr : &found->second;
}

void PlacementUnits::set_nominated(const std::string& uid, std::string_view node) {
  const auto waits = waiting_.find(uid);
  if (waits == waiting_.end() || node.empty())
    nominated_.erase(uid);
  else
    nominated_.insert(uid);
  if (waits != waiting_.end()) waits->second.nominated = node;
}

std::string PlacementUnits::unit_name(std::string_view uid) const {
  const auto waits = waiting_.find(uid);
  if (waits == waiting_.end()) return "";
  const auto place = places_.find(waits->second.key.text());
  return place == places_.end() || place->second.gang.empty() ? std::string(uid) : place->second.gang;
}

void PlacementUnits::clear() {
  waiting_.clear();
  nominated_.clear();
  places_.clear();
  named_.clear();
  leaving_.clear();
  subjects_.clear();
  strays_.clear();
  gangs_.clear();
  groups_.clear();
  changed_.clear();
  tenants_.clear();
  clusters_.clear();
}

std::vector<api::Key> PlacementUnits::set_tenant(std::string_view name,
                                                 std::optional<scheduler::Tenant> tenant) {
  const auto known = clusters_.find(name);
  if (known != clusters_.end() && (!tenant || tenant->id != known->second)) {
    forget_cluster(known->second);
    clusters_.erase(known);
  }
  if (!tenant || tenant->id.empty()) return {};
  tenants_[tenant->id] = name;
  clusters_[std::string(name)] = tenant->id;
  std::vector<api::Key> came_before;
  if (auto strays = strays_.extract(tenant->id))
    for (const std::string& key : strays.mapped()) came_before.emplace_back(key);
  model_.set_tenant(std::move(*tenant));
  return came_before;
}

// Its pods are nobody's: they become strays.
void PlacementUnits::forget_cluster(const std::string& cluster) {
  const std::string prefix = cluster + "/";
  std::set<std::string> keys;
  for (auto at = places_.lower_bound(prefix); at != places_.end() && at->first.starts_with(prefix); ++at)
    keys.insert(at->first);
  for (const std::string& key : keys) forget(key);
  for (auto at = subjects_.lower_bound(prefix); at != subjects_.end() && at->first.starts_with(prefix);) {
    keys.insert(at->first);
    model_.erase_subject(at->second);
    at = subjects_.erase(at);
  }
  if (!keys.empty()) strays_[cluster].merge(keys);
  model_.erase_tenant(cluster);
  tenants_.erase(cluster);
}

void PlacementUnits::forget(const std::string& key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return;
  const Place place = std::move(found->second);
  places_.erase(found);
  named_.erase(key);
  gates_.leave(key);
  waiting_.erase(place.uid);
  nominated_.erase(place.uid);
  if (place.gang.empty()) {
    budgets_.forget(place.uid);
    model_.erase_unit(place.uid);
    return;
  }
  Gang& gang = gangs_[place.gang];
  gang.pending.erase(key);
  gang.settled.erase(key);
  changed_.insert(place.gang);
}

std::vector<api::Key> PlacementUnits::of_named_queues() const {
  std::vector<api::Key> keys;
  for (const std::string& key : named_) keys.emplace_back(key);
  return keys;
}

std::vector<api::Key> PlacementUnits::waiting_in(std::string_view cluster) const {
  const std::string prefix = cluster.empty() ? "" : std::string(cluster) + "/";
  std::vector<api::Key> keys;
  for (auto at = places_.ordered().lower_bound(prefix); at != places_.end() && at->first.starts_with(prefix);
       ++at)
    if (const auto waits = waiting_.find(at->second.uid);
        waits != waiting_.end() && waits->second.key.text() == at->first)
      keys.emplace_back(at->first);
  return keys;
}

void PlacementUnits::leave(const std::string& uid, bool gone) {
  if (gone && !model_.allocation(uid)) return ended(uid);
  leaving_.insert(uid);
  model_.set_leaving(uid);
}

void PlacementUnits::ended(std::string_view uid) {
  if (const auto found = leaving_.find(uid); found != leaving_.end()) leaving_.erase(found);
}

void PlacementUnits::settle() {
  for (const std::string& id : std::exchange(changed_, {})) settle_gang(id);
}

Json PlacementUnits::set_pod(const api::Key& key, const api::Object* object) {
  if (!object) told_.forget_pod(key);
  claims_.leave(key.text());
  const std::string cluster(key.cluster());
  if (tenant_of(cluster).empty()) {
    if (object)
      strays_[cluster].insert(key.text());
    else if (const auto strays = strays_.find(cluster);
             strays != strays_.end() && strays->second.erase(key.text()))
      if (strays->second.empty()) strays_.erase(strays);
    return {};
  }
  if (!object) {
    if (const auto uid = subjects_.find(key.text()); uid != subjects_.end()) leave(uid->second, true);
    forget_subject(key.text());
    forget(key.text());
    return {};
  }
  Json pod = object->parse();
  set_pod(key, pod);
  return pod;
}

void PlacementUnits::set_pod(const api::Key& key, const Json& pod) {
  const std::string cluster(key.cluster());
  const PodState state = scheduler::state_of(pod);
  set_subject(key, pod, state);
  const auto gang = scheduler::gang_of(pod);
  told_.set_pod(key, gang ? gang->name : "", pod);
  const bool succeeded = string_at(pod, {"status", "phase"}) == "Succeeded";
  const bool pending = state == PodState::Pending && claims_.named(key, pod);
  // What is being deleted is none of its gang any more: what replaces it waits for the others that are left.
  const bool deleting = api::find(pod, {"metadata", "deletionTimestamp"});
  const bool stays = state == PodState::Placed && !deleting;
  if (state == PodState::Placed && deleting) leave(std::string(string_at(pod, {"metadata", "uid"})), false);
  if (!pending && !(gang && (stays || succeeded))) return forget(key.text());
  Place now{std::string(string_at(pod, {"metadata", "uid"})), "", 0};
  if (gang && !gang->name.empty()) {
    now.gang = gang_id(cluster, key.ns(), gang->name);
    now.gang_size = gang->size;
    now.gang_least = gang->least;
  }
  if (gang) now.fault = gang->fault;
  const auto before = places_.find(key.text());
  if (before != places_.end() && (before->second.uid != now.uid || before->second.gang != now.gang))
    forget(key.text());
  place(key, pod, std::move(now), pending);
}

void PlacementUnits::set_placed(const api::Key& key, const api::Object& object) {
  const auto place = places_.find(key.text());
  if (place == places_.end() || !place->second.gang.empty()) return void(set_pod(key, &object));
  claims_.leave(key.text());
  forget(key.text());
}

void PlacementUnits::place(const api::Key& key, const Json& pod, Place now, bool pending) {
  if (pending) {
    WaitingPod& waits = waiting_[now.uid];
    waits.key = key;
    waits.told = told_reason(pod);
    waits.workflow = budgets_.none() ? "" : workflow_of(key, pod);
    set_nominated(now.uid, string_at(pod, {"status", "nominatedNodeName"}));
    if (!string_at(pod, {"metadata", "labels", scheduler::kQueueLabel}).empty()) named_.insert(key.text());
  } else {
    waiting_.erase(now.uid);
    nominated_.erase(now.uid);
    named_.erase(key.text());
    gates_.leave(key.text());
  }
  if (now.gang.empty()) {
    scheduler::Unit unit = unit_of(key, pod, now.uid);
    ask_alone(unit, scheduler::topology_annotations(pod), model_.topology());
    if (!now.fault.empty()) unit.waits = now.fault;
    set_unit(std::move(unit));
  } else {
    Gang& gang = gangs_[now.gang];
    if (now.gang_size >= gang.size)
      std::tie(gang.size, gang.least) = std::pair(now.gang_size, now.gang_least);
    gang.pending.erase(key.text());
    gang.settled.erase(key.text());
    if (pending)
      gang.pending.emplace(key.text(), Member{unit_of(key, pod, now.uid), scheduler::rank_of(pod),
                                              scheduler::topology_annotations(pod), now.fault});
    else
      gang.settled.insert(key.text());
    changed_.insert(now.gang);
  }
  places_[key.text()] = std::move(now);
}

// The gang's unit in the model is what of it still waits; it may be placed once as many pods exist as it needs.
void PlacementUnits::settle_gang(const std::string& id) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end()) return;
  Gang& gang = found->second;
  if (gang.pending.empty()) {
    budgets_.forget(id);
    model_.erase_unit(id);
    if (gang.settled.empty()) gangs_.erase(found);
    return;
  }
  scheduler::Unit unit = gang.pending.begin()->second.unit;
  unit.id = id;
  const Labels& topology = gang.pending.begin()->second.topology;
  unit.pods.clear();
  const std::string name = id.substr(id.rfind('/') + 1);
  const auto group = groups_.find(id);
  std::map<std::pair<int64_t, std::string_view>, const scheduler::PendingPod*> ranked;
  for (const auto& [key, alone] : gang.pending) {
    unit.created = std::min(unit.created, alone.unit.created);
    if (unit.waits.empty()) unit.waits = alone.unit.waits;
    if (unit.waits.empty() && group == groups_.end()) unit.waits = alone.fault;
    if (unit.waits.empty()) unit.waits = contradiction(unit, alone.unit, name);
    ranked.emplace(std::pair(alone.rank, std::string_view(key)), &alone.unit.pods.front());
  }
  for (const auto& [rank, pod] : ranked) unit.pods.push_back(*pod);

  const auto settled = int64_t(gang.settled.size()), pending = int64_t(gang.pending.size());
  const int64_t least = group != groups_.end() ? group->second
                        : gang.size > 0        ? gang.least
                                               : settled + pending;
  const int64_t announced = std::max(group != groups_.end() ? group->second : gang.size, least);
  if (settled + pending < least || (group == groups_.end() && settled + pending < announced))
    unit.waits = std::to_string(settled + pending) + " of " + std::to_string(announced) + " pods of gang " +
                 name + " exist";
  const auto ask =
      scheduler::topology_ask(topology, std::max(announced, settled + pending), model_.topology());
  if (ask)
    unit.topology = *ask;
  else
    unit.waits = ask.error();
  unit.least = std::clamp<int64_t>(least - settled, 1, pending);
  unit.work.unit = id;
  unit.work.least = least;
  unit.work.origin = scheduler::gang_origin(unit.work.origin, least);
  set_unit(std::move(unit));
}

// What other pods' affinity looks at: every pod that waits or runs.
void PlacementUnits::set_subject(const api::Key& key, const Json& pod, PodState state) {
  const std::string uid(string_at(pod, {"metadata", "uid"}));
  if (const auto before = subjects_.find(key.text()); before != subjects_.end() && before->second != uid)
    forget_subject(key.text());
  if (state == PodState::Finished) return forget_subject(key.text());
  subjects_[key.text()] = uid;
  auto asks = scheduler::affinity_of(pod);
  Constraints where = asks && !asks->spread.empty() ? scheduler::request_of(pod).where : Constraints();
  model_.set_subject(
      uid, scheduler::subject_of(key.cluster(), pod, asks ? *std::move(asks) : Affinity(), std::move(where)),
      api::find(pod, {"metadata", "deletionTimestamp"}) != nullptr);
}

void PlacementUnits::forget_subject(const std::string& key) {
  const auto found = subjects_.find(key);
  if (found == subjects_.end()) return;
  model_.erase_subject(found->second);
  subjects_.erase(found);
}

void PlacementUnits::set_group(const api::Key& key, std::optional<int64_t> least) {
  const std::string id = gang_id(key.cluster(), key.ns(), key.name());
  if (least)
    groups_[id] = std::clamp<int64_t>(*least, 1, 1024);
  else
    groups_.erase(id);
  if (gangs_.contains(id)) changed_.insert(id);
}

}  // namespace ingot::controllers
