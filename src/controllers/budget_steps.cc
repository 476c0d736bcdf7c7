// What the book does as time goes on: reads the ledger, turns periods, lets work go on, stops it.
#include <algorithm>

#include "controllers/budget_book.h"
#include "controllers/eviction.h"
#include "controllers/placement_told.h"
#include "controllers/placement_units.h"
#include "controllers/placement_writes.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

using api::string_at;

constexpr size_t kVisits = 32, kSeeds = 64, kOverdue = 256, kReleases = 256, kStops = 16, kLooks = 256,
                 kReorders = 64, kNotices = 16;  // a step

}  // namespace

// --- the ledger ---

void BudgetBook::read_ledger() {
  const bool wanted =
      behind_ || std::ranges::any_of(lines_, [](const auto& line) { return !line.second->counted; });
  if (!wanted || none() || tail_.asked()) return;
  uint64_t after = UINT64_MAX;
  WallTime since = WallTime::max();
  for (auto& [name, line] : lines_) {
    after = std::min(after, line->position);
    since = std::min(since, line->count.span().begin);
    line->asked = true;
  }
  behind_ = false;
  ++pages_;
  tail_.ask(after, since);
}

void BudgetBook::take(LedgerTail::Page page) {
  for (const LedgerTail::Row& row : page.rows) {
    const policy::LedgerEntry& e = row.entry;
    for (BudgetLine* line : lines_of(e.cluster, e.tenant, e.queue))
      if (line->asked && line->position < row.sequence && e.currency == line->budget.currency) {
        if (!env_.faults.fires("budgets.skip_row")) line->count.book(e);  // planted bug for the simulation
        touch(*line);
      }
    if (e.device == policy::kCpu) settle(e.pod_uid);
  }
  for (auto& [name, line] : lines_) {
    if (!line->asked) continue;
    line->asked = false;
    line->position = std::max(line->position, page.up_to);
    if (!page.end || line->counted) continue;
    line->counted = true;
    touch(*line);
  }
  if (!page.end) behind_ = true;
  // What was gone before all this was asked for was booked before, too.
  while (page.end && !gone_.empty() && gone_.front().first < pages_) {
    settle(gone_.front().second);
    gone_.pop_front();
  }
  wake_();
}

void BudgetBook::settle(std::string_view uid) {
  const auto open = open_.find(uid);
  if (open == open_.end()) return;
  for (BudgetLine* line : open->second.lines) {
    line->count.settle(uid);
    touch(*line);
  }
  open_.erase(open);
}

// What has ended and is not booked is not in the model any more: so it is the objects that are looked at.
void BudgetBook::seed(store::Turn& turn) {
  if (!seed_after_) return;
  size_t n = 0;
  bool more = false;
  turn.range(api::type_prefix(kRootCluster, kAllocations), std::string(*seed_after_),
             [&](const ObjectPtr& object) {
               if (++n > kSeeds) return !(more = true);
               seed_after_ = object->key.text();
               const Json said = object->parse();
               if (string_at(said, {"status", "phase"}) == "Released")
                 ended(object->key.name(), &said);
               else if (const scheduler::Allocation* held = model_.allocation(object->key.name()))
                 opened(*held, string_at(said, {"spec", "tenant"}), &said);
               return true;
             });
  if (more) return;
  seed_after_.reset();
  for (auto& [name, line] : lines_)
    if (!line->seeded) {
      line->seeded = true;
      touch(*line);
    }
}

// --- one budget ---

void BudgetBook::visit(store::Turn& turn, BudgetLine& line, const PlacementUnits& units, Step& step) {
  const policy::Span span = policy::span_of(line.budget.period, now());
  if (span != line.count.span()) {
    if (span.begin < line.count.span().begin) {  // clocks may be set back: then it is counted anew
      line.count.start(span);
      line.position = 0;
      line.counted = line.asked = false;
    } else {
      line.count.turn(span);
    }
    line.stale = true;
    rejudge_.push_back(line.budget);
  }
  for (size_t n = 0; n < kOverdue; ++n) {
    const auto uid = line.count.overdue(now());
    if (!uid) break;
    const scheduler::Allocation* a = model_.allocation(*uid);
    a ? line.count.expect(*uid, end_of(a->work, a->tenant, a->since, line.budget.assumed))
      : line.count.end(*uid, now());
  }
  stand(line);
  release(line, step);
  stop(turn, line, units);
  write(turn, line, units);
  plan(line);
}

void BudgetBook::stand(BudgetLine& line) {
  if (!line.ready() || line.foreign) return;
  if (!std::exchange(line.stood, true)) gates_asked_ = {};
  const policy::Standing before =
      std::exchange(line.standing, policy::standing(line.budget, line.count.spent(now())));
  if (before.lowers != line.standing.lowers) reorder_all(line);
  if (before.lowers != line.standing.lowers || before.holds != line.standing.holds)
    rejudge_.push_back(line.budget);
  if (!line.standing.stops)
    line.stop_after.reset();
  else if (!before.stops)
    line.stop_after = "";
}

// So many as fit in what is left, the cheapest first: which of them starts is the scheduler's choice.
void BudgetBook::release(BudgetLine& line, Step& step) {
  const auto most = line.budget.holds_at();
  if (line.held.empty() || !line.ready() || line.foreign) return;
  if (most && line.count.spent(now()) >= *most) return;
  int64_t left = most ? *most - std::min(line.count.foreseen(now()), *most) : INT64_MAX;
  size_t n = 0;
  while (!line.by_cost.empty() && line.by_cost.begin()->first <= left) {
    if (++n > kReleases) return touch(line);
    left -= line.by_cost.begin()->first;
    const std::string unit = line.by_cost.begin()->second;
    step.again.push_back(line.held.find(unit)->second.pod);
    forget(unit);
  }
}

// A few at a time: each ends within its grace, and keeps what it holds until its node says so.
void BudgetBook::stop(store::Turn& turn, BudgetLine& line, const PlacementUnits& units) {
  if (!line.stop_after) return;
  size_t looks = 0, stops = 0;
  bool done = true;
  line.count.each(std::string(*line.stop_after), [&](const std::string& uid) {
    if (++looks > kLooks || stops == kStops) return done = false;
    const ObjectPtr object = line.count.held(uid) ? turn.get({kRootCluster, kAllocations, "", uid}) : nullptr;
    const Json allocation = object ? object->parse() : Json{};
    const ObjectPtr pod = object ? evictable_pod(turn, allocation) : nullptr;
    if (pod) {
      const Json said = pod->parse();
      const std::string workflow = units.workflow_of(pod->key, said);
      const std::vector<PodName> name{{&pod->key, workflow}};
      const std::string_view tenant = units.tenant_of(pod->key.cluster());
      if (!exceptions_.lift(line.name(), tenant, name, now())) {
        const std::string message = stopped(line, tenant);
        if (!evict_pod(turn, pod, {"BudgetSpent", message, "Warning", "BudgetSpent", kScheduler}, now()))
          return line.stale = true, done = false;  // the disk is full: it comes again when it is written
        ++stops;
      }
    }
    line.stop_after = uid;
    return true;
  });
  if (done)
    line.stop_after.reset();
  else if (looks > kLooks || stops == kStops)
    touch(line);
}

// --- all of them ---

// What runs gives way to others where its money is short, and to nobody for that where it is not. It is raised before what
// waits is, and lowered after it, lest work gives way to work of the same budget.
void BudgetBook::reorder(store::Turn& turn, const PlacementUnits& units, bool settled) {
  if (reorder_.empty() && settled && rejudge_.empty()) reorder_.swap(lower_);
  const bool lower = settled && rejudge_.empty();
  for (size_t n = 0; n < kReorders && !reorder_.empty(); ++n) {
    const std::string uid = std::move(reorder_.extract(reorder_.begin()).value());
    const auto open = open_.find(uid);
    const scheduler::Allocation* held = model_.allocation(uid);
    if (open == open_.end()) continue;
    if (!held) {
      if (open->second.lines.empty()) open_.erase(open);
      continue;
    }
    bool lowers = false;
    for (const BudgetLine* line : open->second.lines) {
      if (!line->lowers()) continue;
      if (exceptions_.any(line->name()) && is_lifted(turn, *line, uid, units)) continue;
      lowers = true;
    }
    const int64_t priority =
        scheduler::normal_priority(held->work.priority) - (lowers ? scheduler::kLowered : 0);
    const bool preemptible = lowers || open->second.preemptible;
    if (priority != held->work.priority || preemptible != held->work.preemptible) {
      if (lowers && !lower) {
        lower_.insert(uid);
        continue;
      }
      scheduler::Allocation other = *held;
      other.work.priority = priority;
      other.work.preemptible = preemptible;
      model_.open(std::move(other));
    }
    if (open->second.lines.empty()) open_.erase(open);
  }
}

bool BudgetBook::is_lifted(const store::Turn& turn, const BudgetLine& line, std::string_view uid,
                           const PlacementUnits& units) const {
  const ObjectPtr allocation = turn.get({kRootCluster, kAllocations, "", uid});
  if (!allocation) return false;
  const Json held = allocation->parse();
  const auto at = [&](std::string_view field) { return string_at(held, {"spec", field}); };
  const Key key{ClusterId(std::string(at("cluster"))), "pods", at("namespace"), at("pod")};
  const ObjectPtr pod = turn.get(key);
  const Json said = pod ? pod->parse() : Json{};
  const std::string workflow = units.workflow_of(key, said);
  return exceptions_.lift(line.name(), units.tenant_of(key.cluster()), {{&key, workflow}}, now());
}

BudgetBook::Step BudgetBook::step(store::Turn& turn, const PlacementUnits& units, bool settled) {
  Step out;
  if (!restored_ || (none() && reorder_.empty() && lower_.empty() && rejudge_.empty())) return out;
  const WallTime at = now();
  if (expires_ && *expires_ <= at) {
    for (const std::string& budget : exceptions_.expire(at))
      if (const auto line = lines_.find(budget); line != lines_.end()) recheck(*line->second);
    expires_ = exceptions_.next();
  }
  seed(turn);
  read_ledger();
  for (auto due = agenda_.begin(); due != agenda_.end() && due->first <= at; ++due)
    dirty_.insert(due->second);
  for (size_t n = 0; n < kVisits && !dirty_.empty(); ++n) {
    const auto line = lines_.find(dirty_.extract(dirty_.begin()).value());
    if (line != lines_.end()) visit(turn, *line->second, units, out);
  }
  // Once in a while is enough: what a gate lets through is looked at again by the budgets that cover it.
  if (objected_ && (at >= gates_asked_ + kEvery || at < gates_asked_)) {
    out.gates = true;
    objected_ = false;
    gates_asked_ = at;
  }
  reorder(turn, units, settled);
  if (reorder_.empty())
    for (const policy::Budget& budget : std::exchange(rejudge_, {})) {
      if (budget.tenants.empty()) out.clusters.emplace();
      for (const std::string& tenant : budget.tenants)
        if (const std::string_view cluster = units.cluster_of(tenant); !cluster.empty())
          out.clusters.emplace(cluster);
    }
  say_some(turn);
  if (seed_after_ || !dirty_.empty() || !reorder_.empty() || !lower_.empty() || !rejudge_.empty() ||
      !notices_.empty()) {
    out.next = Duration{};
    return out;
  }
  std::optional<WallTime> next = expires_;
  const WallTime ask = std::chrono::time_point_cast<WallTime::duration>(gates_asked_ + kEvery);
  if (objected_) next = std::min(ask, next.value_or(ask));
  if (!agenda_.empty()) next = std::min(agenda_.begin()->first, next.value_or(WallTime::max()));
  if (next) out.next = std::max<Duration>(*next - at, {});
  return out;
}

void BudgetBook::say_some(store::Turn& turn) {
  for (size_t n = 0; n < kNotices && !notices_.empty(); ++n) {
    const Notice& one = notices_.front();
    say(turn, {one.about, "Budget", one.uid, one.type, one.reason, one.message, kScheduler}, now());
    notices_.pop_front();
  }
}

}  // namespace ingot::controllers
