#include "controllers/placement_claims.h"

#include <algorithm>

#include "api/deletion.h"
#include "api/device_class.h"
#include "base/assert.h"
#include "controllers/claims.h"
#include "gpu/device_names.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;
using api::string_at;

constexpr size_t kMostUsers = 256;  // ResourceClaimReservedForMaxSize
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

void PlacementClaims::ask(const Key& pod, const Json& object, scheduler::Unit& unit, const Lookup* imagined) {
  const JsonArray& claims = api::array_at(object, {"spec", "resourceClaims"});
  if (claims.empty()) return;
  const Lookup in_turn = [this](const Key& key) { return turn_->get(key); };
  const Lookup& lookup = imagined ? *imagined : in_turn;
  Waiting waiting;
  ClaimNeeds all;
  int64_t steps = kMaxClaimSteps;
  std::string why;
  for (const Json& named : claims) {
    auto one = read(pod, object, named, lookup, waiting, all, steps);
    if (one && one->uid.empty() && !imagined) one = std::unexpected(std::string("its claims are being made"));
    if (one)
      waiting.claims.push_back(*std::move(one));
    else if (why.empty())
      why = one.error();
  }
  if (why.empty()) why = follow_others(unit, waiting);
  if (why.empty())
    if (const auto put = put_in(unit.pods.front(), std::move(all), waiting); !put) why = put.error();
  if (unit.waits.empty()) unit.waits = why;
  if (imagined) return;
  for (const std::string& key : waiting.objects) by_object_[key].insert(pod.text());
  left_.erase(pod.text());
  waiting_[pod.text()] = std::move(waiting);
}

// One entry of spec.resourceClaims; adds what it needs to `all`. Who is imagined has no claims made from templates yet.
std::expected<PlacementClaims::Named, std::string> PlacementClaims::read(const Key& pod, const Json& object,
                                                                         const Json& named,
                                                                         const Lookup& lookup,
                                                                         Waiting& waiting, ClaimNeeds& all,
                                                                         int64_t& steps) const {
  const std::string_view entry = string_at(named, {"name"});
  const auto class_of = [&](std::string_view wanted) { return device_class(lookup, pod, wanted); };
  const std::string name(claim_name(object, named));
  if (!is_name(name)) {
    const std::string source(string_at(named, {"resourceClaimTemplateName"}));
    if (is_name(source)) waiting.objects.insert(beside(pod, kClaimTemplates, source).text());
    const ObjectPtr made_from = is_name(source) ? lookup(beside(pod, kClaimTemplates, source)) : nullptr;
    if (!made_from) return std::unexpected("resourceclaimtemplate \"" + source + "\" not found");
    const Json claim = JsonObject{{"spec", api::object_at(made_from->parse(), {"spec", "spec"})}};
    if (const auto added = add_needs(all, entry, claim, class_of, kinds_, steps); !added)
      return std::unexpected("resourceclaimtemplate \"" + source + "\": " + added.error());
    return Named{.entry = std::string(entry)};
  }
  const Key key = beside(pod, kClaims, name);
  waiting.objects.insert(key.text());
  const ObjectPtr stored = lookup(key);
  if (!stored) return std::unexpected("resourceclaim \"" + name + "\" not found");
  const Json claim = stored->parse();
  const auto held = holder(pod, object, lookup, *stored, claim);
  if (!held) return std::unexpected("resourceclaim \"" + name + "\" " + held.error());
  if (held->taken && !waiting.node.empty() && waiting.node != held->node)
    return std::unexpected("its claims are held on different nodes, " + waiting.node + " and " + held->node);
  if (held->taken)
    std::tie(waiting.node, waiting.queue) = std::tie(held->node, held->queue);
  else if (const auto added = add_needs(all, entry, claim, class_of, kinds_, steps); !added)
    return std::unexpected("resourceclaim \"" + name + "\": " + added.error());
  return Named{std::string(entry), key, std::string(string_at(claim, {"metadata", "uid"})), held->taken};
}

// A pod that shares claims goes where they are. Returns why it cannot.
std::string PlacementClaims::follow_others(scheduler::Unit& unit, const Waiting& waiting) {
  if (waiting.node.empty()) return "";
  scheduler::Constraints& where = unit.pods.front().request.where;
  if (!where.node.empty() && where.node != waiting.node)
    return "its claims are held on node " + waiting.node + ", and node " + where.node + " is proposed for it";
  const auto title = [](const std::string& queue) {
    return queue.empty() ? std::string("its tenant's own queue") : "queue " + queue;
  };
  if (unit.work.queue != waiting.queue)
    return "it is of " + title(unit.work.queue) + ", and the claim that it shares counts in " +
           title(waiting.queue) + ": pods that share a claim are of one queue";
  where.node = waiting.node;
  return "";
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

// Who has the claim, if anybody, or why the pod must wait for it: "is being deleted".
std::expected<PlacementClaims::Held, std::string> PlacementClaims::holder(const Key& pod, const Json& object,
                                                                          const Lookup& lookup,
                                                                          const api::Object& stored,
                                                                          const Json& claim) const {
  const std::string_view uid = string_at(object, {"metadata", "uid"});
  if (api::is_deleting(claim)) return std::unexpected("is being deleted");
  for (const Json& owner : api::array_at(claim, {"metadata", "ownerReferences"}))
    if (string_at(owner, {"kind"}) == "Pod" && api::bool_at(owner, {"controller"}) &&
        string_at(owner, {"uid"}) != uid)
      return std::unexpected("was made for another pod");
  const JsonArray& users = api::array_at(claim, {"status", "reservedFor"});
  for (const Json& user : users) {
    const auto held = allocation_of(string_at(user, {"uid"}), pod.cluster(), lookup);
    if (held && users.size() >= kMostUsers)
      return std::unexpected("is shared by " + std::to_string(kMostUsers) +
                             " pods already, the most that may");
    if (held) return *held;
  }
  if (!users.empty()) return std::unexpected("is being given back by pods that have ended");
  const auto others = by_object_.find(stored.key.text());
  if (others == by_object_.end() || others->second.empty() || !(*others->second.begin() < pod.text()))
    return Held{};
  std::string why = "goes to pod " + std::string(Key(*others->second.begin()).name()) +
                    " first, and then to this one on the same node";
  if (scheduler::gang_of(object))
    why +=
        "; pods of a gang cannot share a claim that nobody has yet: a ResourceClaimTemplate gives each its "
        "own";
  return std::unexpected(why);
}

// None: it is not open, or another cluster's.
std::optional<PlacementClaims::Held> PlacementClaims::allocation_of(std::string_view uid,
                                                                    std::string_view cluster,
                                                                    const Lookup& lookup) const {
  if (!is_name(uid)) return std::nullopt;
  if (const ObjectPtr stored = lookup(Key(kRootCluster, kAllocations, "", uid))) {
    Json a = stored->parse();
    if (string_at(a, {"status", "phase"}) == "Released" || string_at(a, {"spec", "cluster"}) != cluster)
      return std::nullopt;
    const std::string node(string_at(a, {"spec", "node"})), queue(string_at(a, {"spec", "work", "queue"}));
    return Held{true, node, queue, std::move(a)};
  }
  // Who asks for an estimate sees its own cluster alone.
  const scheduler::Allocation* known = model_.allocation(uid);
  if (!known || known->tenant != cluster) return std::nullopt;
  return Held{true, known->node, known->work.queue, {}};
}

std::optional<Json> PlacementClaims::device_class(const Lookup& lookup, const Key& pod,
                                                  std::string_view name) {
  for (const api::BuiltinDeviceClass& builtin : api::builtin_device_classes())
    if (builtin.name == name) return api::device_class_object(builtin);
  if (!is_name(name)) return std::nullopt;
  const ObjectPtr stored = lookup({ClusterId(std::string(pod.cluster())), api::kDeviceClasses, "", name});
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
  std::vector<Key> all;
  if (const auto pods = by_object_.find(object.text()); pods != by_object_.end())
    for (const std::string& pod : pods->second) all.emplace_back(pod);
  return all;
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

// The devices of a shared claim as the one who joins has them.
void PlacementClaims::join(const Named& named, const Json& holder, JsonArray& out) {
  for (const Json& device : api::array_at(holder, {"spec", "devices"})) {
    if (string_at(device, {"claimUID"}) != named.uid) continue;
    Json mine = device;
    api::set(mine, {"claim"}, named.entry);
    api::set(mine, {"charged"}, false);
    api::erase(mine, {"from"});
    out.push_back(std::move(mine));
  }
}

std::optional<Claimed> PlacementClaims::grant(const Key& pod, const scheduler::Binding& binding,
                                              ClaimWrites& writes, WallTime now) const {
  Claimed claimed;
  const auto waiting = waiting_.find(pod.text());
  if (waiting == waiting_.end()) return claimed;
  const ObjectPtr object = turn_->get(pod);
  if (!object) return std::nullopt;
  const Json self = object->parse();
  const Lookup lookup = [this](const Key& key) { return turn_->get(key); };
  const auto boards = board_names(*turn_, binding.node);
  const std::vector<Way>& ways = waiting->second.ways;
  const Way way = ways.empty() ? Way() : ways[std::min(binding.choice, ways.size() - 1)];
  for (const Named& named : waiting->second.claims) {
    const ObjectPtr before = turn_->get(named.claim);
    if (!before) return std::nullopt;
    const auto [write, fresh] = writes.try_emplace(named.claim, ClaimWrite{before, before->parse()});
    Json& claim = write->second.after;
    const auto held = holder(pod, self, lookup, *before, write->second.before->parse());
    if (string_at(claim, {"metadata", "uid"}) != named.uid || !held || held->taken != named.joins ||
        (!fresh && !named.joins))
      return std::nullopt;
    JsonArray users = api::array_at(claim, {"status", "reservedFor"});
    users.push_back(JsonObject{{"resource", "pods"}, {"name", pod.name()}, {"uid", binding.pod}});
    api::set(claim, {"status", "reservedFor"}, std::move(users));
    if (named.joins) {
      if (held->node != binding.node) return std::nullopt;
      join(named, held->allocation, claimed.joined);
      continue;
    }
    JsonArray results;
    for (const Way::Devices& part : way.devices)
      for (int64_t i = 0; part.entry == named.entry && i < part.count; ++i) {
        ASSERT(claimed.devices.size() < binding.devices.size());
        const scheduler::Held& device = binding.devices[claimed.devices.size()];
        results.push_back(JsonObject{{"request", part.request},
                                     {"driver", api::kDeviceDriver},
                                     {"pool", binding.node},
                                     {"device", device_name(boards, device)}});
        claimed.devices.push_back({named.entry, part.request, named.uid});
      }
    api::set(claim, {"status", "allocation"},
             JsonObject{{"devices", JsonObject{{"results", std::move(results)}}},
                        {"nodeSelector", node_selector(binding.node)},
                        {"allocationTimestamp", to_rfc3339(now)}});
    api::add_finalizer(claim, kClaimFinalizer);
  }
  return claimed;
}

}  // namespace ingot::controllers
