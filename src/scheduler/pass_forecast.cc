#include <algorithm>

#include "scheduler/forecast.h"
#include "scheduler/pass.h"

namespace ingot::scheduler {

// A unit as a pass sees it, whether the model knows it or not.
struct Pass::Guest {
  Guest(Model& model, const Unit& unit) : m(model) {
    const auto found = m.units_.find(unit.id);
    known = found != m.units_.end();
    if (known) {
      state = &found->second;
      return;
    }
    own.unit = unit;
    own.leaf = m.leaf_of(unit.tenant, unit.work.queue);
    own.order = {unit.priority, 0, unit.created, unit.id};
    m.ask_for(own, unit);
  }
  ~Guest() { m.release(own); }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  Model& m;
  bool known = false;
  UnitState own;
  UnitState* state = &own;
};

void Pass::keep_all() {
  for (const auto& [id, r] : m_.reservations_)
    if (const auto owner = m_.units_.find(r.unit); owner != m_.units_.end() && holds(r, owner->second))
      keep(r, owner->second);
}

std::string Pass::model_at(int slot) const {
  const std::vector<Device>& devices = m_.nodes_[size_t(slot)].node.devices;
  return devices.empty() ? "" : devices.front().model;
}

// Of units of one pod: what fits now, the first choice or another.
std::optional<Forecast> Pass::now_or_never(UnitState& u, const Amounts& claimed) {
  if (u.classes.size() > 1 || subject(u, 0) >= 0) return std::nullopt;
  bool passed_over = false;
  std::optional<Forecast> out;
  for (size_t k = 0; k <= u.others.size() && !out; ++k) {
    if (k > 0) choose(u, k - 1);
    Class& c = *u.classes.front();
    const bool may = !refused(u, claimed);
    if (const int slot = may ? c.best(
                                   m_, [&](int at) { return admits(u, c, at); }, &passed_over)
                             : -1;
        slot >= 0)
      out = Forecast{.starts = now_,
                     .model = c.request.gpus > 0 ? model_at(slot) : "",
                     .gpu_milli = gpu_milli(c, slot),
                     .choice = k};
    if (k > 0) choose(u, k - 1);
  }
  return out;
}

int64_t Pass::gpu_milli(const Class& c, int slot) const {
  const Shape shape = c.shape(m_, slot);
  if (shape.layout) return shape.gpu_milli();
  const Shape one{.gpus = 1, .milli = shape.milli, .slice = shape.slice};
  return shape.gpus * one.gpu_milli();  // each is rounded, as the bill does
}

Forecast Pass::forecast(UnitState& u, bool quick) {
  Forecast out;
  out.gpu_milli = m_.amounts(largest(u).request).gpu_milli;
  const auto reserved = m_.reservations_.find(u.unit.id);
  const bool has_room = reserved != m_.reservations_.end();
  const Amounts claimed = has_room ? reserved->second.claimed : Amounts{};
  if (auto now = now_or_never(u, claimed)) return *std::move(now);
  if (auto refusal = refused(u, claimed)) {
    out.reason = *std::move(refusal);
    return out;
  }
  Class& c = *u.classes.front();
  if (quick) {
    out.reason = u.reason ? *u.reason : c.reason ? *c.reason : "it does not fit now";
    return out;
  }
  out.reason = u.reason ? *u.reason : explain_now(largest(u)).text;
  if (has_room) {
    out.starts = reserved->second.starts;
    out.after = reserved->second.after;
    return out;
  }
  out.others_yield = policy_.preempt && may_preempt(u) && !entangled(u);
  const auto room = entangled(u) ? std::nullopt : earliest_room(u);
  if (!room) return out;
  out.starts = room->starts;
  out.after = room->after;
  if (room->starts && *room->starts <= now_) out.reason.clear();
  if (!room->pods.empty() && largest(u).request.gpus > 0)
    out.model = model_at(m_.slots_.find(room->pods.begin()->first)->second);
  if (!room->pods.empty())
    out.gpu_milli = gpu_milli(largest(u), m_.slots_.find(room->pods.begin()->first)->second);
  return out;
}

std::vector<NodeLine> Pass::node_lines(const UnitState& u, size_t* more) {
  const Class& c = largest(u);
  std::vector<NodeLine> all;
  for (const auto& [name, slot] : m_.slots_) {
    if (!c.eligible(m_, slot) || !allowed(u, 0, slot)) continue;
    const NodeState& state = m_.nodes_[size_t(slot)];
    const auto kept = kept_.find(slot);
    NodeLine line{.node = name,
                  .free = c.places(m_, slot, false),
                  .of = c.places(m_, slot, true),
                  .kept = kept != kept_.end() && kept->second.by->unit != u.unit.id};
    for (const std::string& uid : state.pods) {
      const Allocation& a = m_.allocations_.find(uid)->second;
      const int64_t milli = m_.amounts(a).gpu_milli;
      if (milli > 0) line.holders.emplace_back(uid, milli);
    }
    all.push_back(std::move(line));
  }
  std::ranges::sort(all, {}, [](const NodeLine& n) { return std::pair(-n.free, std::string_view(n.node)); });
  *more = all.size() - std::min(all.size(), Prospect::kMost);
  all.resize(all.size() - *more);
  return all;
}

std::string Pass::preemption(const UnitState& u) const {
  const std::string title = m_.queues_.title(u.leaf);
  if (const auto r = m_.reservations_.find(u.unit.id); r != m_.reservations_.end() && r->second.evicting)
    return "others give way to it and are ending";
  if (!policy_.preempt) return "nothing gives way: preemption is off";
  if (entangled(u))
    return "nothing gives way: its pods keep one another apart, so room is known only by trying";
  if (may_preempt(u))
    return title +
           " is due more than it holds, or holds work of lower priority, but none of it may give way where "
           "the "
           "room would help";
  return "would preempt nothing: " + title +
         " has no guarantee left for it and runs nothing of lower priority; lent GPUs are not taken for lent "
         "GPUs";
}

std::optional<Prospect> Pass::prospect(std::string_view id) {
  const auto found = m_.units_.find(id);
  if (found == m_.units_.end()) return std::nullopt;
  UnitState& u = found->second;
  keep_all();
  Prospect out{.forecast = forecast(u, false), .queue = m_.queues_.title(u.leaf)};
  const Model::Line& line = m_.lines_.find(u.leaf)->second;
  out.line = line.size();
  out.position = size_t(std::distance(line.begin(), line.find(u.order))) + 1;
  if (const auto r = m_.reservations_.find(u.unit.id); r != m_.reservations_.end()) out.reserved = r->second;
  if (!lacks_room(u)) return out;  // others are not in its way
  out.nodes = node_lines(u, &out.more_nodes);
  out.preemption = preemption(u);
  return out;
}

Forecast Pass::forecast(const Unit& unit, bool quick) {
  // Nobody has heard of the tenant: it was made a moment ago.
  if (!m_.tenants_.contains(unit.tenant)) return {};
  Guest guest(m_, unit);
  keep_all();
  return forecast(*guest.state, quick);
}

std::vector<QueueLine> Pass::queue_lines() const {
  std::map<std::string, size_t> waiting;
  for (const auto& [leaf, line] : m_.lines_)
    for (const std::string& queue : m_.queues_.path(leaf)) waiting[queue] += line.size();
  std::vector<QueueLine> out;
  for (const std::string& name : m_.queues_.names()) {
    const Queue& queue = *m_.queues_.find(name);
    QueueLine line{.name = name,
                   .parent = queue.parent,
                   .weight = queue.weight,
                   .guarantee = m_.queues_.guarantee(name),
                   .used = m_.queues_.usage(name),
                   .limit = queue.limit,
                   .pending = waiting[name]};
    line.lent_gpu_milli = std::max<int64_t>(0, line.used.gpu_milli - line.guarantee.gpu_milli);
    if (const auto own = m_.lines_.find(name); own != m_.lines_.end()) line.head = own->second.begin()->id;
    if (name.starts_with('~')) {
      const auto tenant = m_.tenants_.find(std::string_view(name).substr(1));
      line.tenant = tenant == m_.tenants_.end() ? name.substr(1) : tenant->second.tenant.name;
      line.name.clear();
    }
    out.push_back(std::move(line));
  }
  return out;
}

Forecast forecast(Model& model, const Policy& policy, const Unit& unit, WallTime now, bool quick) {
  return Pass(model, policy, now).forecast(unit, quick);
}

std::optional<Prospect> prospect(Model& model, const Policy& policy, std::string_view unit, WallTime now) {
  return Pass(model, policy, now).prospect(unit);
}

std::vector<QueueLine> queue_lines(Model& model) {
  const Policy policy;
  return Pass(model, policy, {}).queue_lines();
}

}  // namespace ingot::scheduler
