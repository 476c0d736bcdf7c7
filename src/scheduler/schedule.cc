#include "scheduler/schedule.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/assert.h"
#include "scheduler/class.h"
#include "scheduler/explain.h"

namespace ingot::scheduler {

// One pass, phase by phase, over a model that nothing else changes meanwhile.
class Scheduling {
 public:
  Scheduling(Model& model, const Policy& policy, WallTime now) : m_(model), policy_(policy), now_(now) {}

  Placements run() {
    checks_start_ = m_.checks_;
    settle_reservation();
    queue();
    place();
    checks_placed_ = m_.checks_;
    reserve();
    explain_waiting();
    return std::move(out_);
  }

 private:
  using UnitState = Model::UnitState;
  using TenantState = Model::TenantState;
  // A tenant's place in the order, with its next unit.
  struct Turn {
    bool guaranteed;  // below its guarantee
    int64_t share;    // dominant share ÷ weight, in 10⁻⁹
    WallTime created;
    TenantState* tenant;
    std::set<TenantState::Order>::const_iterator next;
    bool operator<(const Turn& o) const {
      if (guaranteed != o.guaranteed) return guaranteed;
      if (share != o.share) return share < o.share;
      if (created != o.created) return created < o.created;
      return tenant->tenant.id < o.tenant->tenant.id;
    }
  };

  size_t work() const { return m_.checks_ - checks_start_; }
  UnitState& state(const std::string& id) { return m_.units_.find(id)->second; }

  // Phase 1: a reservation ends with its unit, its node or its time.
  void settle_reservation() {
    if (!m_.reservation_) return;
    const auto found = m_.units_.find(m_.reservation_->unit);
    const auto slot = m_.slots_.find(m_.reservation_->node);
    if (found == m_.units_.end() || slot == m_.slots_.end() ||
        !found->second.classes.front()->eligible(m_, slot->second)) {
      m_.reservation_.reset();
      return;
    }
    if (m_.reservation_->since + policy_.hold > now_) return;
    found->second.rests_until = std::chrono::time_point_cast<WallTime::duration>(now_ + policy_.patience);
    m_.reservation_.reset();
  }

  // Phase 2: the tenants that wait, in the order of their turns.
  void queue() {
    for (auto& [name, tenant] : m_.tenants_)
      if (!tenant.queue.empty()) turns_.insert(turn(tenant, tenant.queue.begin()));
  }

  Turn turn(TenantState& t, std::set<TenantState::Order>::const_iterator next) const {
    const auto part = [](int64_t held, int64_t total) {
      return total > 0 ? int64_t(__int128(held) * 1'000'000'000 / total) : 0;
    };
    const int64_t share = std::max({part(t.gpus, m_.total_gpus_), part(t.cpu_milli, m_.total_cpu_),
                                    part(t.memory_bytes, m_.total_memory_)});
    return {t.gpus < t.tenant.gpu_guarantee, share / t.tenant.weight, next->created, &t, next};
  }

  // Phase 3: unit by unit; each try is taken back whole when a part of it does not fit.
  void place() {
    while (!turns_.empty()) {
      if (placed_ >= policy_.max_units || work() >= policy_.max_checks) {
        out_.more = true;
        return;
      }
      const Turn at = *turns_.begin();
      turns_.erase(turns_.begin());
      const auto next = std::next(at.next);
      const std::string id = at.next->id;
      if (!try_unit(state(id), *at.tenant)) {
        waiting_.push_back(id);
        if (next != at.tenant->queue.end()) turns_.insert(turn(*at.tenant, next));
        continue;
      }
      ++placed_;
      const bool last = next == at.tenant->queue.end();
      m_.erase_unit(id);  // the tenant stays: it holds something now
      if (!last) turns_.insert(turn(*at.tenant, next));
    }
  }

  bool try_unit(UnitState& u, const TenantState& t) {
    if (auto refusal = refused(u, t)) {
      u.reason = std::make_shared<const std::string>(std::move(*refusal));
      return false;
    }
    if (u.failed_gain == m_.gains_ && u.classes.size() > 1) return false;  // its reason stands
    u.reason = nullptr;
    const bool owner = m_.reservation_ && m_.reservation_->unit == u.unit.id;
    const uint64_t gains = m_.gains_;
    const size_t first = out_.bindings.size();
    for (size_t i = 0; i < u.classes.size(); ++i) {
      if (take(u, i, owner, i == 0)) continue;
      if (i > 0 && policy_.plant_partial_gang) return true;
      if (u.classes.size() > 1) u.reason = gang_reason(u, i);
      for (size_t b = first; b < out_.bindings.size(); ++b) m_.close(out_.bindings[b].pod);
      out_.bindings.resize(first);
      m_.gains_ = gains;  // nothing was gained: it was taken and given back
      u.failed_gain = gains;
      return false;
    }
    if (owner) m_.reservation_.reset();
    return true;
  }

  std::optional<std::string> refused(const UnitState& u, const TenantState& t) const {
    if (!u.unit.waits.empty()) return u.unit.waits;
    if (t.tenant.terminating) return "tenant " + t.tenant.name + " is being deleted";
    if (!t.tenant.gpu_limit || u.gpus == 0 || t.gpus + u.gpus <= *t.tenant.gpu_limit) return std::nullopt;
    const std::string needs = ", needs " + std::to_string(u.gpus);
    const int64_t limit = *t.tenant.gpu_limit;
    const std::string gpus = std::to_string(limit) + (limit == 1 ? " GPU" : " GPUs");
    if (u.gpus > limit) return "tenant " + t.tenant.name + " may hold " + gpus + " at most" + needs;
    if (t.gpus >= limit) return "tenant " + t.tenant.name + " is at its limit of " + gpus + needs;
    return "tenant " + t.tenant.name + " holds " + std::to_string(t.gpus) + " of its limit of " + gpus +
           needs;
  }

  // Opens the allocation of the unit's i-th pod. `alone`: nothing of this unit is placed yet, so that a
  // failure says something about the class.
  bool take(const UnitState& u, size_t i, bool owner, bool alone) {
    Class& c = *u.classes[i];
    const PendingPod& pod = u.unit.pods[i];
    if (c.failed_gain == m_.gains_) return false;
    bool skipped = false;
    const int slot = c.best(m_, owner || c.request.gpus == 0 ? -1 : reserved_slot(), &skipped);
    if (slot < 0) {
      if (alone && !skipped) c.failed_gain = m_.gains_;
      return false;
    }
    const Model::NodeState& node = m_.nodes_[size_t(slot)];
    Binding binding{.unit = u.unit.id, .pod = pod.uid, .node = node.node.name};
    Allocation a{.uid = pod.uid, .tenant = u.unit.tenant, .node = node.node.name};
    a.cpu_milli = c.request.cpu_milli;
    a.memory_bytes = c.request.memory_bytes;
    for (const Device& d : node.node.devices) {
      if (int64_t(binding.devices.size()) == c.request.gpus) break;
      if (!d.healthy || node.held.contains(d.uuid)) continue;
      binding.devices.push_back(d);
      a.devices.push_back(d.uuid);
    }
    ASSERT(int64_t(binding.devices.size()) == c.request.gpus);
    m_.open(std::move(a));
    out_.bindings.push_back(std::move(binding));
    return true;
  }

  int reserved_slot() const { return m_.reservation_ ? m_.slots_.find(m_.reservation_->node)->second : -1; }

  // Phase 4: room for who has waited longest, and when to look again for that.
  void reserve() {
    const auto wake = [&](WallTime at) {
      if (at > now_ && (!out_.revisit || at < *out_.revisit)) out_.revisit = at;
    };
    const auto after = [](WallTime t, Duration d) {
      return std::chrono::time_point_cast<WallTime::duration>(t + d);
    };
    if (m_.reservation_) return wake(after(m_.reservation_->since, policy_.hold));
    const UnitState* longest = nullptr;
    for (const std::string& id : waiting_) {
      UnitState& u = state(id);
      if (u.reason || u.classes.size() != 1 || u.gpus == 0) continue;
      if (longest && std::tie(u.unit.created, id) > std::tie(longest->unit.created, longest->unit.id))
        continue;
      Class& c = *u.classes.front();
      if (!c.reason && may_explain()) explain_class(c);
      if (!c.lacks_room) continue;
      const WallTime due = std::max(after(u.unit.created, policy_.patience), u.rests_until);
      wake(due);
      if (due <= now_) longest = &u;
    }
    if (!longest) return;
    const Class& c = *longest->classes.front();
    int best = -1;
    for (const auto& [name, slot] : m_.slots_) {
      const Model::NodeState& n = m_.nodes_[size_t(slot)];
      const int64_t healthy = std::ranges::count(n.node.devices, true, &Device::healthy);
      if (!c.eligible(m_, slot) || healthy < c.request.gpus || n.node.cpu_milli < c.request.cpu_milli ||
          n.node.memory_bytes < c.request.memory_bytes)
        continue;
      if (best < 0 || n.free_gpus > m_.nodes_[size_t(best)].free_gpus) best = slot;
    }
    if (best < 0) return;
    m_.reservation_ = {longest->unit.id, m_.nodes_[size_t(best)].node.name, now_};
    wake(after(now_, policy_.hold));
  }

  // Phase 5: a reason for every unit that was looked at. First those without any, then, as far as the work
  // allowed for a pass goes, those whose reason is older than the last change.
  void explain_waiting() {
    for (const std::string& id : waiting_) {
      const UnitState& u = state(id);
      if (u.reason || u.classes.front()->reason) continue;
      if (may_explain())
        explain_class(*u.classes.front());
      else
        out_.more = true;
    }
    for (const std::string& id : waiting_) {
      UnitState& u = state(id);
      if (u.reason) {
        out_.waiting.push_back({id, u.reason});
        continue;
      }
      Class& c = *u.classes.front();
      if (may_explain()) explain_class(c);
      if (c.reason) out_.waiting.push_back({id, c.reason});
    }
  }

  // Explaining has as much work of its own as placing.
  bool may_explain() const { return m_.checks_ - checks_placed_ < policy_.max_checks; }
  uint64_t journal_end() const { return m_.journal_start_ + m_.journal_.size(); }

  void explain_class(Class& c) {
    if (c.reason && c.explained_at == journal_end()) return;
    look_around();
    m_.checks_ += nodes_.size();
    const bool hidden = c.request.gpus > 0 && m_.reservation_;
    Explanation e = explain(c.request, nodes_, uses_, hidden ? m_.reservation_->node : "");
    c.explained_at = journal_end();
    c.lacks_room = e.lacks_room;
    if (!c.reason || *c.reason != e.text) c.reason = std::make_shared<const std::string>(std::move(e.text));
  }

  std::shared_ptr<const std::string> gang_reason(const UnitState& u, size_t placed) {
    look_around();
    m_.checks_ += nodes_.size();
    const Explanation e = explain(u.classes[placed]->request, nodes_, uses_, "");
    return std::make_shared<const std::string>(std::to_string(placed) + " of " +
                                               std::to_string(u.classes.size()) +
                                               " pods of the gang fit: " + e.text);
  }

  // The nodes as explain() wants them, in name order.
  void look_around() {
    if (!nodes_.empty() && looked_at_ == journal_end()) return;
    looked_at_ = journal_end();
    nodes_.clear();
    uses_.clear();
    for (const auto& [name, slot] : m_.slots_) {
      const Model::NodeState& n = m_.nodes_[size_t(slot)];
      if (!n.known) continue;
      nodes_.push_back(&n.node);
      uses_.push_back({n.used_cpu, n.used_memory, n.used_pods, n.free_gpus});
    }
  }

  Model& m_;
  const Policy& policy_;
  const WallTime now_;
  size_t checks_start_ = 0, checks_placed_ = 0, placed_ = 0;
  std::set<Turn> turns_;
  std::vector<std::string> waiting_;
  std::vector<const Node*> nodes_;
  std::vector<Use> uses_;
  uint64_t looked_at_ = 0;
  Placements out_;
};

Placements schedule(Model& model, const Policy& policy, WallTime now) {
  return Scheduling(model, policy, now).run();
}

}  // namespace ingot::scheduler
