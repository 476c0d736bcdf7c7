#include "controllers/binder.h"

#include "base/assert.h"
#include "base/encoding.h"
#include "controllers/placement_writes.h"
#include "scheduler/objects.h"

namespace ingot::controllers {

using api::Json;
using api::Key;
using api::ObjectPtr;

namespace {
Key allocation_key(std::string_view uid) { return {kRootCluster, kAllocations, "", uid}; }
}  // namespace

void Binder::clear() {
  own_.clear();
  read_.clear();
}

void Binder::keep(const Key& key, Revision revision, Json pod) {
  read_.insert_or_assign(key.text(), Read{revision, std::move(pod)});
}

Json Binder::read(const ObjectPtr& object) {
  const auto known = read_.find(object->key.text());
  if (known == read_.end() || known->second.revision != object->revision) return object->parse();
  Json pod = std::move(known->second.pod);
  read_.erase(known);
  return pod;
}

bool Binder::wrote(const Key& key, const ObjectPtr& object) {
  const auto own = own_.find(key.text());
  if (own == own_.end()) return false;
  const bool known = object && object->revision == own->second;
  own_.erase(own);
  return known;
}

bool Binder::bind(std::span<const scheduler::Binding> unit, store::Turn& turn, WallTime now) {
  std::vector<Bound> pods;
  std::vector<Key> keys;
  ClaimWrites claims;
  for (const scheduler::Binding& b : unit) {
    const WaitingPod* waiting = b_.units.waiting(b.pod);
    if (!waiting) continue;
    keys.push_back(waiting->key);
    const ObjectPtr before = turn.get(waiting->key);
    if (!before || turn.get(allocation_key(b.pod))) continue;
    Bound bound{&b, before, read(before), {}};
    auto claimed = b_.claims.grant(waiting->key, b, claims, now);
    if (!claimed || api::string_at(bound.pod, {"metadata", "uid"}) != b.pod ||
        scheduler::state_of(bound.pod) != scheduler::PodState::Pending || tenant_of(waiting->key).empty() ||
        !b_.gates.lets(bound.before->key, bound.pod, tenant_of(waiting->key)))
      continue;
    bound.claims = *std::move(claimed);
    pods.push_back(std::move(bound));
  }
  if (pods.size() == unit.size() && affords(unit) && write(pods, claims, turn, now)) return true;
  b_.gates.drop_verdicts();
  for (const scheduler::Binding& b : unit) reload_(turn, b.pod);
  for (const Key& key : keys) b_.units.set_pod(key, turn.get(key).get());
  return false;
}

// What has started since the unit was judged may leave too little for it.
bool Binder::affords(std::span<const scheduler::Binding> unit) const {
  if (b_.budgets.none()) return true;
  std::vector<std::string> uids;
  for (const scheduler::Binding& b : unit) uids.push_back(b.pod);
  const std::vector<PodName> names = b_.units.names_of(uids);
  return names.empty() || b_.budgets.admits(uids, tenant_of(*names.front().key), names);
}

// False: nothing was written (the disk is full).
bool Binder::write(std::vector<Bound>& pods, ClaimWrites& claims, store::Turn& turn, WallTime now) {
  for (Bound& bound : pods) {
    const std::string& uid = bound.binding->pod;
    const auto granted = turn.put(allocation_key(uid), allocation_object(grant(bound), now), Revision{0});
    if (!granted && &bound == &pods.front()) return false;
    bind_pod(bound.pod, bound.binding->node, now);
    const auto placed = turn.put(bound.before->key, std::move(bound.pod), bound.before->revision);
    ASSERT(granted && placed);
    if (bound.claims.any()) {
      reload_(turn, uid);  // with the claims that it has
    } else {
      const scheduler::Allocation& held = *b_.model.allocation(uid);
      b_.runs.opened(uid, bound.before->key, held.work);
      b_.budgets.opened(held, tenant_of(bound.before->key));
      own_.insert_or_assign((*granted)->key.text(), (*granted)->revision);
    }
    b_.announcer.say(turn, {bound.before->key, uid, assigned(bound.before->key, *bound.binding), now});
    b_.units.set_placed(bound.before->key, **placed);
    own_.insert_or_assign(bound.before->key.text(), (*placed)->revision);
  }
  for (auto& [key, claim] : claims) ASSERT(turn.put(key, std::move(claim.after), claim.before->revision));
  b_.gates.write_verdicts(turn, now);
  return true;
}

Grant Binder::grant(const Bound& bound) const {
  const scheduler::Binding& b = *bound.binding;
  const scheduler::Allocation* open = b_.model.allocation(b.pod);
  const scheduler::Labels& labels = b_.model.node(b.node)->labels;
  const auto simulated = labels.find("ingot.dev/simulated");
  scheduler::Work work = open->work;
  work.priority = scheduler::normal_priority(work.priority);
  return {.pod = bound.before->key,
          .pod_uid = b.pod,
          .tenant = std::string(tenant_of(bound.before->key)),
          .node = b.node,
          .uid = uuid(b_.env.entropy.next(), b_.env.entropy.next()),
          .devices = b.devices,
          .claims = bound.claims.devices,
          .joined = bound.claims.joined,
          .cpu_milli = open->cpu_milli,
          .memory_bytes = open->memory_bytes,
          .work = std::move(work),
          .why = bound.claims.joined.empty() ? b.why : "where the claim is that it shares",
          .created = std::string(api::string_at(bound.pod, {"metadata", "creationTimestamp"})),
          .models = b.devices.empty() ? std::vector<std::string>{} : scheduler::gpu_models_of(bound.pod),
          .simulated = simulated != labels.end() && simulated->second == "true"};
}

}  // namespace ingot::controllers
