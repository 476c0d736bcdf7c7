#include "controllers/placement_claims.h"

#include <algorithm>

#include "api/deletion.h"
#include "api/device_class.h"
#include "base/assert.h"
#include "controllers/claims.h"
#include "gpu/device_names.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;
using api::string_at;

constexpr std::string_view kSlices = "resourceslices.resource.k8s.io", kSliceSuffix = "-gpu.nvidia.com";

Key beside(const Key& pod, std::string_view resource, std::string_view name) {
  return {ClusterId(std::string(pod.cluster())), resource, pod.ns(), name};
}

// One way to answer the claims, with what the pod asks for anyway.
scheduler::Request request_of(const Way& way, scheduler::Request request) {
  int64_t count = 0;
  uint64_t wholes = 0;
  for (size_t i = 0; i < way.devices.size(); ++i) {
    count += way.devices[i].count;
    if (way.devices[i].profile.empty()) wholes |= uint64_t(1) << i;
  }
  request.gpus = count;
  request.all_of_node = way.all;
  const std::string& first = way.devices.front().profile;
  const bool one_kind =
      std::ranges::all_of(way.devices, [&](const Way::Devices& d) { return d.profile == first; });
  const scheduler::Rule linked{wholes, scheduler::Side::Island, false};
  const bool linked_only =
      first.empty() && std::ranges::all_of(way.rules, [&](const scheduler::Rule& r) { return r == linked; });
  request.profile = one_kind ? first : "";
  if (one_kind && (way.rules.empty() || linked_only)) {
    request.one_island |= !way.rules.empty();
    return request;
  }
  for (const Way::Devices& d : way.devices) request.parts.push_back({d.count, d.profile});
  request.profile.clear();
  request.rules = way.rules;
  if (std::exchange(request.one_island, false) && wholes != 0) request.rules.push_back(linked);
  return request;
}

// uuid → what its node's slice calls it.
std::map<std::string, std::string> board_names(const store::Turn& turn, const std::string& node) {
  std::map<std::string, std::string> names;
  const ObjectPtr slice = turn.get(Key(kRootCluster, kSlices, "", node + std::string(kSliceSuffix)));
  if (!slice) return names;
  const Json json = slice->parse();
  for (const Json& device : api::array_at(json, {"spec", "devices"}))
    names.emplace(string_at(device, {"attributes", "uuid", "string"}), string_at(device, {"name"}));
  return names;
}

std::string device_name(const std::map<std::string, std::string>& boards, const scheduler::Held& held) {
  const auto board = boards.find(held.uuid);
  const std::string name = board == boards.end() ? held.uuid : board->second;
  const gpu::Profile* profile = held.profile.empty() ? nullptr : gpu::find_profile(held.model, held.profile);
  return profile ? gpu::instance_name(name, *profile, held.start) : name;
}

Json node_selector(std::string_view node) {
  const JsonObject field{{"key", "metadata.name"}, {"operator", "In"}, {"values", JsonArray{node}}};
  const JsonObject term{{"matchFields", JsonArray{field}}};
  return JsonObject{{"nodeSelectorTerms", JsonArray{term}}};
}

}  // namespace

void PlacementClaims::clear() {
  kinds_.clear();
  waiting_.clear();
  by_object_.clear();
  left_.clear();
}

bool PlacementClaims::named(const Key& pod, const Json& object) const {
  for (const Json& named : api::array_at(object, {"spec", "resourceClaims"})) {
    if (!claim_name(object, named).empty()) continue;
    const std::string_view source = string_at(named, {"resourceClaimTemplateName"});
    if (is_name(source) && turn_->get(beside(pod, kClaimTemplates, source))) return false;
  }
  return true;
}

void PlacementClaims::ask(const Key& pod, const Json& object, scheduler::Unit& unit, bool real) {
  const JsonArray& claims = api::array_at(object, {"spec", "resourceClaims"});
  if (claims.empty()) return;
  Waiting waiting;
  ClaimNeeds all;
  int64_t steps = kMaxClaimSteps;
  std::string why;
  for (const Json& named : claims) {
    auto one = read(pod, object, named, waiting, all, steps);
    if (one)
      waiting.claims.push_back(*std::move(one));
    else if (why.empty())
      why = one.error();
  }
  if (why.empty())
    if (const auto put = put_in(unit.pods.front(), std::move(all), waiting); !put) why = put.error();
  if (unit.waits.empty()) unit.waits = why;
  if (!real) return;
  for (const std::string& key : waiting.objects) by_object_[key].insert(pod.text());
  left_.erase(pod.text());
  waiting_[pod.text()] = std::move(waiting);
}

// One entry of spec.resourceClaims; adds what it needs to `all`.
std::expected<PlacementClaims::Named, std::string> PlacementClaims::read(const Key& pod, const Json& object,
                                                                         const Json& named, Waiting& waiting,
                                                                         ClaimNeeds& all,
                                                                         int64_t& steps) const {
  const std::string name(claim_name(object, named));
  if (!is_name(name)) {
    const std::string_view source = string_at(named, {"resourceClaimTemplateName"});
    if (is_name(source)) waiting.objects.insert(beside(pod, kClaimTemplates, source).text());
    return std::unexpected("resourceclaimtemplate \"" + std::string(source) + "\" not found");
  }
  const Key key = beside(pod, kClaims, name);
  waiting.objects.insert(key.text());
  const ObjectPtr stored = turn_->get(key);
  if (!stored) return std::unexpected("resourceclaim \"" + name + "\" not found");
  const Json claim = stored->parse();
  if (auto why = busy(pod, string_at(object, {"metadata", "uid"}), *stored, claim))
    return std::unexpected(*why);
  const auto class_of = [&](std::string_view wanted) { return device_class(pod, wanted); };
  const std::string_view entry = string_at(named, {"name"});
  if (const auto added = add_needs(all, entry, claim, class_of, kinds_, steps); !added)
    return std::unexpected("resourceclaim \"" + name + "\": " + added.error());
  return Named{std::string(entry), key, std::string(string_at(claim, {"metadata", "uid"}))};
}

// What the pod's claims and its own resources ask for together; an error says why that cannot be.
std::expected<void, std::string> PlacementClaims::put_in(scheduler::PendingPod& pod, ClaimNeeds needs,
                                                         Waiting& waiting) const {
  if (needs.requests.empty()) return {};
  const scheduler::Request alone = pod.request;
  if (alone.gpus > 0 && alone.share())
    return std::unexpected("a pod cannot have a share of a GPU beside its claims");
  if (alone.gpus > 0) {
    ClaimNeeds::Option own{.count = alone.gpus};
    for (const DeviceKind& kind : kinds_.all())
      if (alone.profile == (kind.profile ? kind.profile->name : std::string_view()))
        own.kinds[alone.profile].insert(kind.model);
    if (own.kinds.empty()) return std::unexpected("no node has what it asks for beside its claims");
    needs.requests.push_back({"", {std::move(own)}});
  }
  auto ways = ways_of(needs);
  if (!ways) return std::unexpected(ways.error());
  for (size_t k = 0; k < ways->size(); ++k) {
    scheduler::Request request = request_of((*ways)[k], alone);
    scheduler::ModelSet models = 0;
    for (const std::string& name : (*ways)[k].models)
      models |= scheduler::ModelSet{1} << model_.model_id(name);
    request.models &= models;
    if (k == 0)
      pod.request = std::move(request);
    else
      pod.otherwise.push_back(std::move(request));
  }
  waiting.ways = *std::move(ways);
  return {};
}

// Why the pod must wait for its claim itself.
std::optional<std::string> PlacementClaims::busy(const Key& pod, std::string_view uid,
                                                 const api::Object& stored, const Json& claim) const {
  const std::string name(stored.key.name());
  if (api::is_deleting(claim)) return "resourceclaim \"" + name + "\" is being deleted";
  for (const Json& owner : api::array_at(claim, {"metadata", "ownerReferences"}))
    if (string_at(owner, {"kind"}) == "Pod" && api::bool_at(owner, {"controller"}) &&
        string_at(owner, {"uid"}) != uid)
      return "resourceclaim \"" + name + "\" was made for another pod";
  std::string user;
  for (const Json& consumer : api::array_at(claim, {"status", "reservedFor"}))
    if (string_at(consumer, {"uid"}) != uid) user = string_at(consumer, {"name"});
  const auto others = by_object_.find(stored.key.text());
  if (user.empty() && others != by_object_.end() && !others->second.empty() &&
      *others->second.begin() < pod.text())
    user = Key(*others->second.begin()).name();
  if (user.empty()) return std::nullopt;
  return "resourceclaim \"" + name + "\" is pod " + user +
         "'s until that has ended: a claim serves one pod at a time; a ResourceClaimTemplate gives each its "
         "own";
}

std::optional<Json> PlacementClaims::device_class(const Key& pod, std::string_view name) const {
  for (const api::BuiltinDeviceClass& builtin : api::builtin_device_classes())
    if (builtin.name == name) return api::device_class_object(builtin);
  if (!is_name(name)) return std::nullopt;
  const ObjectPtr stored = turn_->get({ClusterId(std::string(pod.cluster())), api::kDeviceClasses, "", name});
  return stored ? std::optional(stored->parse()) : std::nullopt;
}

void PlacementClaims::leave(const std::string& pod) {
  auto found = waiting_.extract(pod);
  if (!found) return;
  for (const std::string& key : found.mapped().objects) {
    const auto pods = by_object_.find(key);
    pods->second.erase(pod);
    if (pods->second.empty()) by_object_.erase(pods);
  }
  left_[pod] = std::move(found.mapped().objects);
}

std::vector<Key> PlacementClaims::waiting_in(std::string_view cluster) const {
  std::vector<Key> pods;
  for (const auto& [key, waiting] : waiting_)
    if (cluster.empty() || Key(key).cluster() == cluster) pods.emplace_back(key);
  return pods;
}

std::vector<Key> PlacementClaims::waiting_for(const Key& object) const {
  constexpr size_t kMost = 8;
  std::vector<Key> first;
  if (const auto pods = by_object_.find(object.text()); pods != by_object_.end())
    for (const std::string& pod : pods->second)
      if (first.size() < kMost) first.emplace_back(pod);
  return first;
}

std::vector<Key> PlacementClaims::after_leaving() {
  std::set<Key> pods;
  for (const auto& [pod, objects] : std::exchange(left_, {}))
    for (const std::string& object : objects)
      if (const auto others = by_object_.find(object);
          others != by_object_.end() && pod < *others->second.begin())
        pods.emplace(*others->second.begin());
  return {pods.begin(), pods.end()};
}

std::optional<Claimed> PlacementClaims::grant(const Key& pod, const scheduler::Binding& binding,
                                              std::set<Key>& taken, WallTime now) const {
  Claimed claimed;
  const auto waiting = waiting_.find(pod.text());
  if (waiting == waiting_.end()) return claimed;
  const auto boards = board_names(*turn_, binding.node);
  const std::vector<Way>& ways = waiting->second.ways;
  const Way way = ways.empty() ? Way() : ways[std::min(binding.choice, ways.size() - 1)];
  for (const Named& named : waiting->second.claims) {
    const ObjectPtr before = turn_->get(named.claim);
    if (!before || !taken.insert(named.claim).second) return std::nullopt;
    Json claim = before->parse();
    if (string_at(claim, {"metadata", "uid"}) != named.uid || busy(pod, binding.pod, *before, claim))
      return std::nullopt;
    JsonArray results;
    for (const Way::Devices& part : way.devices)
      for (int64_t i = 0; part.entry == named.entry && i < part.count; ++i) {
        ASSERT(claimed.devices.size() < binding.devices.size());
        const scheduler::Held& device = binding.devices[claimed.devices.size()];
        results.push_back(JsonObject{{"request", part.request},
                                     {"driver", api::kDeviceDriver},
                                     {"pool", binding.node},
                                     {"device", device_name(boards, device)}});
        claimed.devices.emplace_back(named.entry, part.request);
      }
    api::set(claim, {"status", "allocation"},
             JsonObject{{"devices", JsonObject{{"results", std::move(results)}}},
                        {"nodeSelector", node_selector(binding.node)},
                        {"allocationTimestamp", to_rfc3339(now)}});
    api::set(claim, {"status", "reservedFor"},
             JsonArray{JsonObject{{"resource", "pods"}, {"name", pod.name()}, {"uid", binding.pod}}});
    api::add_finalizer(claim, kClaimFinalizer);
    claimed.writes.push_back({before, std::move(claim)});
  }
  return claimed;
}

}  // namespace ingot::controllers
