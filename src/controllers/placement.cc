#include "controllers/placement.h"

#include <algorithm>
#include <map>
#include <set>

#include "api/device_class.h"
#include "controllers/announcer.h"
#include "controllers/binder.h"
#include "controllers/claim_charge.h"
#include "controllers/claims.h"
#include "controllers/gatekeeper.h"
#include "controllers/group_book.h"
#include "controllers/nominations.h"
#include "controllers/placement_claims.h"
#include "controllers/placement_scopes.h"
#include "controllers/placement_told.h"
#include "controllers/placement_units.h"
#include "controllers/placement_writes.h"
#include "controllers/queue_book.h"
#include "controllers/reservation_book.h"
#include "controllers/run_book.h"
#include "controllers/usage_book.h"
#include "scheduler/objects.h"
#include "scheduler/objects_affinity.h"
#include "store/follower.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;

constexpr size_t kKeysPerTurn = 8;  // half a millisecond, as are the units of a pass
constexpr size_t kLongQueue = 1'000, kLaterPerTurn = 100;
constexpr Duration kPassPerUnit =
    std::chrono::microseconds(20);  // ten times what a waiting unit costs a pass
// How many estimates may look at every node in that time, and how many are made at all: a flood of new work is told of none.
constexpr size_t kEstimates = 10, kQuickEstimates = 250;
constexpr Duration kEstimatesEvery = std::chrono::seconds(1);
constexpr Duration kRejectedAgain = std::chrono::seconds(1);

Key root_key(std::string_view resource, std::string_view name) { return {kRootCluster, resource, "", name}; }

}  // namespace

class Placement::Impl final : store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard, PlacementOptions options)
      : env_(env),
        options_(options),
        budgets_(env, shard, model_, [this] { follower_.wake(); }),
        announcer_(env, shard),
        follower_(env, shard, {placement_scopes(), kKeysPerTurn}, *this) {
    gates_.set_desk(&budgets_);
    gates_.set_cost([this](const scheduler::Unit& unit) {
      return std::optional(EstimatedCost{budgets_.estimate(unit), budgets_.currency()});
    });
  }

  Scene scene() { return {model_, units_, options_.policy, env_.clock.wall()}; }

  std::optional<Estimate> estimate(const ClusterId& cluster, const Json& object, const Lookup& own) {
    const Instant now = env_.clock.now();
    if (now >= estimates_since_ + kEstimatesEvery) {
      estimates_since_ = now;
      estimates_ = 0;
    }
    if (++estimates_ > kQuickEstimates) return std::nullopt;
    return controllers::estimate(scene(), cluster, object, own, estimates_ > kEstimates);
  }

  PlacementStats stats() const {
    PlacementStats s = stats_;
    s.waiting = units_.size();
    return s;
  }
  std::vector<scheduler::QueueLine> queue_lines() { return scheduler::queue_lines(model_); }
  const BudgetBook& budgets() const { return budgets_; }

  std::optional<RunJudged> judge_run(const store::Turn& turn, const RunAsked& asked) {
    if (!loaded_) return std::nullopt;
    const Lookup lookup = [&](const Key& key) { return turn.get(key); };
    return gates_.judge_run(asked, units_.tenant_of(asked.key.cluster()), lookup,
                            [&](const Json& pod) { return units_.unit_of(asked.key, pod, "", &lookup); });
  }
  void on_gates(std::function<void()> call) { on_gates_ = std::move(call); }

 private:
  void reset() override {
    model_ = {};
    book_.clear();
    reserved_.clear();
    usage_.clear();
    runs_.clear();
    told_.clear();
    units_.clear();
    budgets_.clear();
    claims_.clear();
    later_.clear();
    binder_.clear();
    gates_.clear();
    announcer_.clear();
    loaded_ = again_ = starting_ = false;
    passed_ = 0;
  }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool rest) override {
    claims_.enter(turn);
    gates_.enter(turn);
    if (loaded_) usage_.advance(env_.clock.wall());
    if (!changed.empty()) binder_.forget_read();
    for (const Key& key : changed) load(turn, key);
    judge_again();
    settle(turn);
    take_later(turn);
    if (gates_.write(turn, env_.clock.wall())) follower_.wake();
    // The first pass waits for every object: an Allocation not yet seen would be a device given twice.
    if (rest && !loaded_) return false;
    if (!loaded_) {
      reserved_.restore();
      usage_.restore(env_.clock.wall());
      runs_.restore();
      budgets_.restore();
      if (on_gates_) on_gates_();
    }
    loaded_ = true;
    const bool judging = step_budgets(turn);
    if (!charge_others(turn)) return false;
    if (const auto more = usage_.write(turn, env_.clock.wall())) wake_after(*more);
    if (const auto more = runs_.write(turn, env_.clock.wall())) wake_after(*more);
    if (const auto more = told_.write(turn, env_.clock.wall())) wake_after(*more);
    // After a restart nobody is told what is not known yet.
    starting_ = budgets_.starting() || (starting_ && (judging || !later_.empty()));
    if (starting_) return wake_after(kRejectedAgain), false;
    const bool asked = again_ || changed.empty();
    if (model_.units() == 0) tell_reservations(turn);
    if (model_.units() == 0 || (!asked && model_.version() == passed_)) return again_ = false;
    // A pass looks at all who wait: with a long queue it may take a tenth of the loop, not all of it.
    const Instant now = env_.clock.now(), next = passed_at_ + kPassPerUnit * model_.units();
    if (!again_ && model_.units() > kLongQueue && now < next) {
      follower_.wake_at(next);
      return false;
    }
    again_ = pass(turn);
    passed_ = model_.version();
    passed_at_ = now;
    return again_;
  }

  // --- the model follows the objects ---

  void load(store::Turn& turn, const Key& key) {
    const ObjectPtr object = turn.get(key);
    const std::string_view resource = key.resource();
    if (binder_.wrote(key, object)) return;
    if (resource == kPods) return load_pod(key, object);
    if (resource == kNamespaces) return load_namespace(key, object);
    if (resource == kGroups) {
      told_.set_group(key);
      return units_.set_group(key,
                              object ? api::int_at(object->parse(), {"spec", "minMember"}) : std::nullopt);
    }
    if (resource == kClaims || resource == kClaimTemplates)
      return set_waiting(turn, claims_.waiting_for(key));
    if (resource == kClasses) return set_later(claims_.waiting_in(key.cluster()));
    if (resource == policy::kGateExceptions) budgets_.load_exception(key, object);
    if (gates_.load(key, object)) return;
    if (key.cluster() != kRootCluster.value) return;
    if (resource == kAllocations) return load_allocation(turn, key, object);
    if (resource == kTenants) return load_tenant(turn, key, object);
    if (resource == kQueues) return load_queue(turn, key, object);
    if (resource == kPools) return load_pool(key, object);
    if (resource == kReservations) return reserved_.load(key, object);
    if (resource == kBudgets) return budgets_.load_budget(key, object);
    if (resource == kPriceLists) return budgets_.load_prices(object);
    if (resource == kPastRuns) return loaded_ ? void() : runs_.load(key, object);
    if (resource == kNodes) return load_node(turn, key.name());
    if (resource == kSlices && key.name().ends_with(kSliceSuffix))
      load_node(turn, key.name().substr(0, key.name().size() - kSliceSuffix.size()));
  }

  void load_pod(const Key& key, const ObjectPtr& object) {
    if (Json pod = units_.set_pod(key, object.get()); pod.is_object())
      binder_.keep(key, object->revision, std::move(pod));
  }

  void load_allocation(const store::Turn& turn, const Key& key, const ObjectPtr& object) {
    const Json allocation = object ? object->parse() : Json{};
    if (!object || api::string_at(allocation, {"status", "phase"}) == "Released") {
      runs_.closing(turn, key.name(), object ? &allocation : nullptr, env_.clock.wall());
      budgets_.ended(key.name(), object ? &allocation : nullptr);
      units_.ended(key.name());
      return model_.close(key.name());
    }
    scheduler::Allocation open = scheduler::allocation_from(allocation);
    open.leaving = units_.is_leaving(open.uid);
    const auto at = [&](std::string_view field) { return api::string_at(allocation, {"spec", field}); };
    runs_.opened(open.uid, Key{ClusterId(std::string(at("cluster"))), kPods, at("namespace"), at("pod")},
                 open.work);
    budgets_.opened(model_.open(std::move(open)), at("tenant"), &allocation);
  }

  // Whether more is to be judged again than is known yet.
  bool step_budgets(store::Turn& turn) {
    BudgetBook::Step step = budgets_.step(turn, units_, later_.empty());
    set_later(std::move(step.again));
    for (const std::string& cluster : step.clusters) set_later(units_.waiting_in(cluster));
    if (step.gates) {
      gates_.all_again();
      follower_.wake();
    }
    if (!later_.empty()) follower_.wake();
    if (step.next) wake_after(*step.next);
    return step.gates;
  }

  // Before the devices of a shared claim could be given anew. False: the disk is full, and nothing may be placed.
  bool charge_others(store::Turn& turn) {
    while (!model_.uncharged().empty() && !env_.faults.fires("placement.charge_nobody"))
      if (const auto heir = charge_heir(turn, model_, env_.clock.wall()))
        load_allocation(turn, *heir);
      else
        return wake_after(kRejectedAgain), false;
    return true;
  }

  // Affinity may select pods by their namespace's labels.
  void load_namespace(const Key& key, const ObjectPtr& object) {
    const std::string cluster(key.cluster()), name(key.name());
    if (!object) return model_.erase_space(cluster, name);
    model_.set_space(cluster, name, scheduler::labels_of(object->parse()));
  }

  void load_tenant(store::Turn& turn, const Key& key, const ObjectPtr& object) {
    const Json said = object ? object->parse() : Json{};
    auto tenant = object ? std::optional(scheduler::tenant_from(said)) : std::nullopt;
    usage_.load(key, tenant ? scheduler::Model::own_leaf(tenant->id) : "", object ? &said : nullptr);
    if (tenant && env_.faults.fires("placement.forget_limit")) tenant->gpu_limit.reset();
    const bool queues = tenant ? book_.set_tenant(key.name(), tenant->id, tenant->queue)
                               : book_.set_tenant(key.name(), "", "");
    gates_.set_tenant(key.name(), tenant ? tenant->id : "", object ? &said : nullptr);
    set_again(turn, units_.set_tenant(key.name(), std::move(tenant)));
    if (queues) queues_changed(turn);
  }

  void load_queue(store::Turn& turn, const Key& key, const ObjectPtr& object) {
    Json queue = object ? object->parse() : Json{};
    usage_.load(key, std::string(key.name()), object ? &queue : nullptr);
    if (object && env_.faults.fires("placement.any_queue")) open_to_all(turn, queue);
    if (book_.set_queue(key.name(), object ? &queue : nullptr)) queues_changed(turn);
  }

  void queues_changed(store::Turn& turn) {
    set_again(turn, units_.of_named_queues());
    gates_.all_again();
    budgets_.regroup();
  }

  // Planted bug for the simulation.
  static void open_to_all(store::Turn& turn, Json& queue) {
    JsonArray tenants;
    turn.range(api::type_prefix(kRootCluster, kTenants), "", [&](const ObjectPtr& tenant) {
      tenants.emplace_back(tenant->key.name());
      return true;
    });
    api::set(queue, {"spec", "tenants"}, std::move(tenants));
  }

  void load_pool(const Key& key, const ObjectPtr& object) {
    if (env_.faults.fires("placement.forget_pool")) return;
    const Json pool = object ? object->parse() : Json{};
    book_.set_pool(key.name(), object ? &pool : nullptr);
  }

  // Pods that waited for another's claim come again when that pod has gone its way.
  void settle(store::Turn& turn) {
    for (auto pods = claims_.after_leaving(); !pods.empty(); pods = claims_.after_leaving())
      set_again(turn, pods);
    units_.settle();
  }

  // What concerns all who wait for claims is a few of them a turn: others' requests come between.
  void set_later(std::vector<Key> pods) { later_.insert(pods.begin(), pods.end()); }
  void take_later(store::Turn& turn) {
    for (size_t i = 0; i < kLaterPerTurn && !later_.empty(); ++i)
      set_again(turn, {later_.extract(later_.begin()).value()});
    settle(turn);
    if (!later_.empty()) follower_.wake();
  }

  // Who waits under gates that have changed, or that time has.
  void judge_again() {
    const Gatekeeper::Again again = gates_.take_again(env_.clock.wall());
    set_later({again.pods.begin(), again.pods.end()});
    for (const std::string& cluster : again.clusters) set_later(units_.waiting_in(cluster));
    if (again.changed && on_gates_) on_gates_();
    if (const auto due = gates_.next_due()) wake_after(*due - env_.clock.wall());
  }

  // The first few at once: it is they who can get it.
  void set_waiting(store::Turn& turn, std::vector<Key> pods) {
    constexpr size_t kAtOnce = 8;
    const size_t now = std::min(kAtOnce, pods.size());
    set_later({pods.begin() + std::ptrdiff_t(now), pods.end()});
    pods.resize(now);
    set_again(turn, pods);
  }

  void set_again(store::Turn& turn, const std::vector<Key>& pods) {
    for (const Key& pod : pods) units_.set_pod(pod, turn.get(pod).get());
  }

  void load_node(store::Turn& turn, std::string_view name) {
    const ObjectPtr node = turn.get(root_key(kNodes, name));
    if (!node) {
      if (claims_.set_slice(name, nullptr)) set_later(claims_.waiting_in(""));
      return model_.erase_node(name);
    }
    const ObjectPtr slice = turn.get(root_key(kSlices, std::string(name) + std::string(kSliceSuffix)));
    const Json devices = slice ? slice->parse() : Json{};
    model_.set_node(scheduler::node_from(node->parse(), slice ? &devices : nullptr));
    if (claims_.set_slice(name, slice ? &devices : nullptr)) set_later(claims_.waiting_in(""));
  }

  // --- one pass, and its writes ---

  bool pass(store::Turn& turn) {
    ++stats_.passes;
    scheduler::Policy policy = options_.policy;
    policy.plant_equal_preemption = env_.faults.fires("scheduler.preempt_equals");
    if (units_.gangs() > 0) policy.plant_partial_gang = env_.faults.fires("scheduler.partial_gang");
    if (!model_.allocations().empty() && env_.faults.fires("placement.double_grant")) forget_a_grant();
    const WallTime now = env_.clock.wall();
    const Instant began = env_.clock.now();
    const scheduler::Placements placements = schedule(model_, policy, now);
    count_pass(env_.clock.now() - began);

    const auto& bindings = placements.bindings;
    for (auto first = bindings.begin(); first != bindings.end();) {
      const auto last =
          std::find_if(first, bindings.end(), [&](const auto& b) { return b.unit != first->unit; });
      if (binder_.bind({first, last}, turn, now)) {
        stats_.bound += size_t(last - first);
      } else {
        ++stats_.rejected;
        wake_after(kRejectedAgain);
      }
      settle(turn);
      first = last;
    }
    for (const scheduler::Eviction& e : placements.evictions) {
      const Told told = tell_to_go(turn, e, now);
      stats_.evicted += told == Told::Yes;
      if (told == Told::No) load_allocation(turn, e.pod);
    }
    tell_reservations(turn);
    bool untold = write_nominations(turn, model_, units_);
    untold |= tell(placements.waiting, turn, now);
    if (placements.revisit) wake_after(*placements.revisit - now);
    return placements.more || untold;
  }

  void tell_reservations(store::Turn& turn) {
    const auto whose = [&](const scheduler::Unit& unit) {
      const WaitingPod* first = units_.waiting(unit.pods.front().uid);
      JsonObject out{{"tenant", units_.tenant_of(unit.tenant)}, {"pods", unit.pods.size()}};
      if (!first) return out;
      out["namespace"] = first->key.ns();
      out["pod"] = first->key.name();
      return out;
    };
    reserved_.write(turn, whose, env_.clock.wall());
  }

  void count_pass(Duration took) {
    const double seconds = std::chrono::duration<double>(took).count();
    ++stats_.pass_took[size_t(std::ranges::lower_bound(kPassBuckets, seconds) - kPassBuckets.begin())];
    stats_.pass_seconds += seconds;
  }

  // Planted bug for the simulation: as if an Allocation with devices did not exist.
  void forget_a_grant() {
    for (const auto& [uid, allocation] : model_.allocations()) {
      if (allocation.devices.empty()) continue;
      model_.close(std::string(uid));
      return;
    }
  }

  void load_allocation(store::Turn& turn, std::string_view uid) {
    const Key key = root_key(kAllocations, uid);
    load_allocation(turn, key, turn.get(key));
  }

  // Returns whether reasons are left that may be written now.
  bool tell(const std::vector<scheduler::Waiting>& waiting, store::Turn& turn, WallTime now) {
    const ReasonLimits limits{options_.reasons_per_turn, options_.reason_every};
    const Reasons told = write_reasons(turn, waiting, model_, units_, limits, now);
    stats_.refused += told.written;
    if (told.next) wake_after(*told.next - now);
    return told.more;
  }

  void wake_after(Duration wait) { follower_.wake_at(env_.clock.now() + std::max<Duration>(wait, {})); }

  env::Env& env_;
  const PlacementOptions options_;
  scheduler::Model model_;
  QueueBook book_{model_};
  ReservationBook reserved_{model_};
  UsageBook usage_{model_};
  RunBook runs_{model_};
  PlacementClaims claims_{model_};
  GroupBook told_;
  Gatekeeper gates_{env_, book_};
  BudgetBook budgets_;
  PlacementUnits units_{model_, book_, claims_, gates_, told_, budgets_};
  std::set<Key> later_;  // pods to be set again
  bool loaded_ = false;
  bool starting_ = false;  // what was spent is not known yet
  bool again_ = false;     // the last pass left something to do
  uint64_t passed_ = 0;    // the model's version it left
  Instant passed_at_{};
  Instant estimates_since_{};
  size_t estimates_ = 0;
  PlacementStats stats_;
  std::function<void()> on_gates_;
  Announcer announcer_;
  Binder binder_{{env_, model_, units_, claims_, gates_, budgets_, runs_, announcer_},
                 [this](store::Turn& turn, std::string_view uid) { load_allocation(turn, uid); }};
  store::Follower follower_;  // last: what it calls outlives it
};

Placement::Placement(env::Env& env, store::Shard& shard, PlacementOptions options)
    : impl_(std::make_unique<Impl>(env, shard, options)) {}
Placement::~Placement() = default;
PlacementStats Placement::stats() const { return impl_->stats(); }
std::vector<scheduler::QueueLine> Placement::queue_lines() { return impl_->queue_lines(); }
std::vector<BudgetView> Placement::budgets() const { return impl_->budgets().views(); }
api::JsonArray Placement::budgets(const store::Turn& turn, std::string_view tenant,
                                  std::string_view name) const {
  return impl_->budgets().summaries(turn, tenant, name);
}

Result<Json> Placement::explain(const store::Turn& turn, const Key& pod, bool everyone) {
  return pod_story(impl_->scene(), turn, pod, everyone);
}
api::JsonArray Placement::queues(const store::Turn& turn, std::string_view tenant) {
  return queue_story(impl_->scene(), turn, tenant);
}
std::optional<RunJudged> Placement::judge_run(const store::Turn& turn, const RunAsked& asked) {
  return impl_->judge_run(turn, asked);
}
void Placement::on_gates(std::function<void()> call) { impl_->on_gates(std::move(call)); }
std::optional<Estimate> Placement::estimate(const ClusterId& cluster, const Json& object, const Lookup& own) {
  return impl_->estimate(cluster, object, own);
}

}  // namespace ingot::controllers
