#include "controllers/budget_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gpu/mig.h"

namespace ingot::controllers {
namespace {

using api::string_at;
using policy::Rate;
using scheduler::Model;

template <class Time>
WallTime wall(Time t) {
  return std::chrono::time_point_cast<WallTime::duration>(t);
}

int64_t started_mib(int64_t bytes) { return bytes / (1 << 20) + (bytes % (1 << 20) > 0); }

// A device that another was charged for before says since when it is this one's.
bool joined_later(const Json& allocation) {
  return std::ranges::any_of(api::array_at(allocation, {"spec", "devices"}),
                             [](const Json& device) { return api::find(device, {"from"}) != nullptr; });
}

}  // namespace

void BudgetLine::drop(std::string_view unit) {
  const auto found = held.find(unit);
  if (found == held.end()) return;
  by_cost.erase({found->second.cost, found->first});
  held.erase(found);
}

BudgetBook::BudgetBook(env::Env& env, store::Shard& shard, Model& model, std::function<void()> wake)
    : env_(env),
      model_(model),
      wake_(std::move(wake)),
      tail_(env, shard, [this](LedgerTail::Page page) { take(std::move(page)); }) {}

// --- objects ---

void BudgetBook::load_budget(const Key& key, const ObjectPtr& object) {
  const auto found = lines_.find(key.name());
  if (!object) {
    if (found == lines_.end()) return;
    BudgetLine& gone = *found->second;
    rejudge_.push_back(gone.budget);
    for (const auto& [unit, held] : gone.held) waiting_.erase(unit);
    gone.count.each("", [&](const std::string& uid) {
      if (const auto open = open_.find(uid); open != open_.end()) std::erase(open->second.lines, &gone);
      return reorder_.insert(uid), true;
    });
    if (gone.due) agenda_.erase({*gone.due, std::string(gone.name())});
    dirty_.erase(std::string(gone.name()));
    lines_.erase(found);
    matched_.clear();
    if (none()) gone_.clear();
    return;
  }
  const Json said = object->parse();
  policy::Budget budget = policy::budget_from(said);
  if (found != lines_.end() && found->second->budget == budget) return;
  if (found != lines_.end() && found->second->budget.counts() == budget.counts()) {
    rejudge_.push_back(budget);
    found->second->budget = std::move(budget);
    found->second->stale = true;
    return touch(*found->second);
  }
  if (found != lines_.end()) {  // another count: as if it were new
    load_budget(key, nullptr);
    return load_budget(key, object);
  }
  BudgetLine& line = *lines_.emplace(key.name(), std::make_unique<BudgetLine>()).first->second;
  line.key = key;
  line.budget = std::move(budget);
  line.began = now();
  line.foreign = priced_ && prices_.currency != line.budget.currency;
  const auto status = [&](auto... path) { return string_at(said, {"status", path...}); };
  const policy::Span span = policy::span_of(line.budget.period, now());
  // What was read of the ledger before today's period began has nothing to do with it.
  const auto from = parse_rfc3339(status("counted", "from"));
  const bool kept = from && *from <= span.begin && status("counted", "of") == budget_hash(line.budget);
  const int64_t amount = policy::parse_amount(status("counted", "amount")).value_or(0);
  line.position =
      kept ? uint64_t(std::max<int64_t>(api::int_at(said, {"status", "counted", "upTo"}).value_or(0), 0)) : 0;
  line.count.start(span, kept && *from == span.begin ? amount : 0);
  for (const auto phase : {policy::BudgetPhase::Ok, policy::BudgetPhase::Soft, policy::BudgetPhase::Hard,
                           policy::BudgetPhase::Unknown})
    if (policy::name_of(phase) == status("phase")) line.phase = phase;
  line.said = !status("phase").empty();
  line.since = parse_rfc3339(status("since")).value_or(now());
  rejudge_.push_back(line.budget);
  matched_.clear();
  seed_after_ = "";
  touch(line);
}

void BudgetBook::load_exception(const Key& key, const ObjectPtr& object) {
  const Json said = object ? object->parse() : Json{};
  for (const std::string& budget : exceptions_.set(key.name(), object ? &said : nullptr))
    if (const auto line = lines_.find(budget); line != lines_.end()) recheck(*line->second);
  expires_ = exceptions_.next();
}

// Who may go on without its money is another.
void BudgetBook::recheck(BudgetLine& line) {
  rejudge_.push_back(line.budget);
  if (line.standing.stops) line.stop_after = "";
  if (line.lowers()) reorder_all(line);
  touch(line);
}

void BudgetBook::reorder_all(const BudgetLine& line) {
  line.count.each("", [&](const std::string& uid) { return reorder_.insert(uid), true; });
}

void BudgetBook::load_prices(const ObjectPtr& object) {
  const Json said = object ? object->parse() : Json{};
  prices_ = policy::prices_from(object ? &said : nullptr);
  priced_ = object != nullptr;
  for (auto& [name, line] : lines_) {
    const bool foreign = priced_ && prices_.currency != line->budget.currency;
    if (foreign != line->foreign) rejudge_.push_back(line->budget);
    line->foreign = foreign;
    line->stale = true;
    touch(*line);
  }
  seed_after_ = "";
}

void BudgetBook::regroup() {
  if (none()) return;
  matched_.clear();
  if (std::ranges::none_of(lines_, [](const auto& line) { return !line.second->budget.queues.empty(); }))
    return;
  seed_after_ = "";
}

void BudgetBook::clear() {
  lines_.clear();
  matched_.clear();
  exceptions_.clear();
  expires_.reset();
  prices_ = {};
  priced_ = objected_ = false;
  open_.clear();
  waiting_.clear();
  gone_.clear();
  tail_.clear();
  behind_ = restored_ = false;
  seed_after_.reset();
  dirty_.clear();
  agenda_.clear();
  reorder_.clear();
  lower_.clear();
  rejudge_.clear();
  notices_.clear();
}

void BudgetBook::restore() {
  seed_after_ = "";  // now that it is known how long things run
  restored_ = true;
  restored_at_ = env_.clock.now();
}

bool BudgetBook::starting() const {
  constexpr Duration kPatience = std::chrono::seconds(1);  // then who needs what is not counted waits alone
  if (none() || !restored_at_ || env_.clock.now() >= *restored_at_ + kPatience) return false;
  return std::ranges::any_of(lines_, [](const auto& line) { return !line.second->ready(); });
}

// --- who counts where ---

bool BudgetBook::covers(const BudgetLine& line, std::string_view cluster, std::string_view tenant,
                        std::string_view queue) const {
  if (!line.budget.covers(tenant)) return false;
  if (line.budget.queues.empty()) return true;
  const std::string leaf = queue.empty() ? Model::own_leaf(cluster) : std::string(queue);
  if (line.budget.queues.contains(leaf)) return true;
  return model_.queues().contains(leaf) &&
         std::ranges::any_of(model_.queues().path(leaf),
                             [&](const std::string& above) { return line.budget.queues.contains(above); });
}

const BudgetBook::Lines& BudgetBook::lines_of(std::string_view cluster, std::string_view tenant,
                                              std::string_view queue) {
  constexpr size_t kMostMatched = 10'000;  // clusters: those of rows may be gone for long
  auto of = matched_.find(cluster);
  if (of != matched_.end())
    if (const auto lines = of->second.find(queue); lines != of->second.end()) return lines->second;
  if (matched_.size() >= kMostMatched) matched_.clear();
  Lines& found = matched_[std::string(cluster)][std::string(queue)];
  for (const auto& [name, line] : lines_)
    if (covers(*line, cluster, tenant, queue)) found.push_back(line.get());
  return found;
}

// --- what is held ---

policy::Holding BudgetBook::holding_of(const scheduler::Allocation& a) const {
  Rate all = policy::rate_of(prices_.cpu_hour, a.cpu_milli, 1000) +
             policy::rate_of(prices_.memory_gib_hour, started_mib(a.memory_bytes), 1024);
  for (const scheduler::Held& h : a.devices)
    all += policy::rate_of(prices_.gpu(h.model), gpu::board_milli(h.model, h.profile, h.milli), 1000);
  policy::Holding held;
  held.add(a.since, all);
  return held;
}

// What the factory knows of how long it runs; what it does not know, the budget assumes.
WallTime BudgetBook::end_of(const scheduler::Work& work, std::string_view cluster, WallTime since,
                            Duration assumed) const {
  constexpr Duration kSoon = std::chrono::seconds(30);
  const WallTime at = now();
  std::optional<WallTime> end;
  if (const auto learnt = model_.past_runs().expected(cluster, work.origin))
    end = scheduler::expected_end(since, work.attained, *learnt, at);
  if (work.run_time) {
    WallTime deadline = wall(since + *work.run_time);
    if (deadline <= at && since < at) deadline = wall(at + kSoon);
    return std::min(deadline, end.value_or(deadline));
  }
  if (!end) end = scheduler::expected_end(since, {}, assumed, at);
  return end.value_or(wall(at + assumed));
}

void BudgetBook::opened(const scheduler::Allocation& a, std::string_view tenant, const Json* object) {
  if (none()) return;
  Lines lines = lines_of(a.tenant, tenant, a.work.queue);
  const auto before = open_.find(a.uid);
  if (before != open_.end())
    for (BudgetLine* line : before->second.lines)
      if (std::ranges::count(lines, line) == 0) line->count.settle(a.uid), touch(*line);
  if (lines.empty()) {
    if (before == open_.end()) return;
    before->second.lines.clear();  // as soon as its priority is its own again it is forgotten
    return void(reorder_.insert(a.uid));
  }
  policy::Holding held = object && joined_later(*object)
                             ? policy::holding_of(policy::entries_of(*object, now(), prices_))
                             : holding_of(a);
  bool lowers = scheduler::is_lowered(a.work.priority);
  for (BudgetLine* line : lines) {
    held.ends = end_of(a.work, a.tenant, a.since, line->budget.assumed);
    line->count.hold(a.uid, held);
    lowers = lowers || line->lowers();
    touch(*line);
  }
  if (lowers) reorder_.insert(a.uid);
  if (before == open_.end())
    open_.emplace(a.uid, Open{std::move(lines), a.work.preemptible});
  else
    before->second.lines = std::move(lines);
}

void BudgetBook::ended(std::string_view uid, const Json* released) {
  if (none()) return;
  auto open = open_.find(uid);
  if (released && open == open_.end()) {  // it ended before this was known, and is not booked yet
    const auto at = [&](std::string_view field) { return string_at(*released, {"spec", field}); };
    Lines lines = lines_of(at("cluster"), at("tenant"), string_at(*released, {"spec", "work", "queue"}));
    if (lines.empty()) return;
    const policy::Holding held = policy::holding_of(policy::entries_of(*released, now(), prices_));
    for (BudgetLine* line : lines) line->count.hold(std::string(uid), held);
    open = open_.emplace(std::string(uid), Open{std::move(lines)}).first;
  }
  if (open == open_.end()) return;
  const WallTime to = released ? policy::end_of(*released, now()) : now();
  for (BudgetLine* line : open->second.lines) {
    line->count.end(uid, to);
    touch(*line);
  }
  if (released) return;
  gone_.emplace_back(pages_, std::string(uid));
  behind_ = true;
}

// --- what waits ---

Rate BudgetBook::rate_of(const scheduler::Request& r) const {
  Rate gpus = 0;
  for (const auto& [model, milli] : model_.takes(r))
    gpus = std::max(gpus, policy::rate_of(prices_.gpu(model_.model_name(model)), milli, 1000));
  return gpus + policy::rate_of(prices_.cpu_hour, r.cpu_milli, 1000) +
         policy::rate_of(prices_.memory_gib_hour, started_mib(r.memory_bytes), 1024);
}

Rate BudgetBook::rate_of(const scheduler::Unit& unit) const {
  Rate all = 0;
  for (const scheduler::PendingPod& pod : unit.pods) {
    Rate most = rate_of(pod.request);
    for (const scheduler::Request& other : pod.otherwise) most = std::max(most, rate_of(other));
    all += most;
  }
  return all;
}

std::string BudgetBook::why_held(BudgetLine& line, const scheduler::Unit& unit, std::string_view tenant,
                                 int64_t& cost) const {
  if (!line.budget.holds_at()) return "";
  if (line.foreign)
    return fmt::format(
        "budget {} is of {}, and prices are of {}, so nobody knows what is left of it: an operator makes "
        "both the same",
        line.name(), line.budget.currency, prices_.currency);
  if (!line.ready())
    return fmt::format("budget {}: what was spent since {} is being counted; it goes on once that is known",
                       line.name(), to_rfc3339(line.count.span().begin));
  const WallTime at = now();
  const WallTime end = end_of(unit.work, unit.tenant, at, line.budget.assumed);
  cost = policy::cost_of(rate_of(unit), std::min(end, line.count.span().end) - at);
  int64_t gpus = 0;
  for (const scheduler::PendingPod& pod : unit.pods) gpus += pod.request.gpus;
  const bool learnt = model_.past_runs().expected(unit.tenant, unit.work.origin).has_value();
  const std::string why = fmt::format(
      "{} for {}, {}",
      gpus > 0 ? fmt::format("{} GPU{}", gpus, gpus == 1 ? "" : "s") : std::string("CPUs and memory"),
      human_duration(end - at),
      learnt               ? "as such work ran before"
      : unit.work.run_time ? "its deadline"
                           : "as the budget assumes of what sets no deadline");
  return policy::why_held(
      {.name = line.name(),
       .budget = line.budget,
       .spent = line.count.spent(at),
       .foreseen = line.count.foreseen(at),
       .cost = cost,
       .why = why,
       .until = line.count.span().end,
       .figures = tenant == kRootCluster.value ||
                  (line.budget.tenants.size() == 1 && line.budget.tenants.contains(tenant))});
}

void BudgetBook::judge(scheduler::Unit& unit, std::string_view tenant, const std::vector<PodName>& pods) {
  if (none() || env_.faults.fires("placement.ignore_budgets")) return;
  forget(unit.id);
  bool lowers = false;
  for (BudgetLine* line : lines_of(unit.tenant, tenant, unit.work.queue)) {
    if (exceptions_.any(line->name()) && exceptions_.lift(line->name(), tenant, pods, now())) continue;
    lowers = lowers || line->lowers();
    if (!unit.waits.empty()) continue;
    int64_t cost = 0;
    unit.waits = why_held(*line, unit, tenant, cost);
    if (unit.waits.empty()) continue;
    line->held.insert_or_assign(unit.id, BudgetLine::Held{cost, *pods.front().key});
    line->by_cost.emplace(cost, unit.id);
    waiting_.insert_or_assign(unit.id, line);
  }
  if (lowers) unit.priority -= scheduler::kLowered;
}

void BudgetBook::forget(std::string_view unit) {
  const auto found = waiting_.find(unit);
  if (found == waiting_.end()) return;
  found->second->drop(unit);
  waiting_.erase(found);
}

bool BudgetBook::admits(const std::vector<std::string>& uids, std::string_view tenant,
                        const std::vector<PodName>& pods) {
  if (none() || uids.empty() || env_.faults.fires("placement.ignore_budgets")) return true;
  const scheduler::Allocation* first = model_.allocation(uids.front());
  if (!first) return true;
  const WallTime at = now();
  for (BudgetLine* line : lines_of(first->tenant, tenant, first->work.queue)) {
    const auto most = line->budget.holds_at();
    if (!most || (exceptions_.any(line->name()) && exceptions_.lift(line->name(), tenant, pods, at)))
      continue;
    if (line->foreign || !line->ready() || line->count.spent(at) >= *most) return false;
    const WallTime end =
        std::min(end_of(first->work, first->tenant, at, line->budget.assumed), line->count.span().end);
    Rate rate = 0;
    for (const std::string& uid : uids)
      if (const scheduler::Allocation* a = model_.allocation(uid)) rate += holding_of(*a).rate();
    const int64_t cost = policy::cost_of(rate, end - at);
    if (cost > *most - std::min(line->count.foreseen(at), *most)) return false;
  }
  return true;
}

// --- for gates ---

int64_t BudgetBook::estimate(const scheduler::Unit& unit) const {
  constexpr Duration kAssumed = std::chrono::hours(1);
  const WallTime at = now();
  return policy::cost_of(rate_of(unit), end_of(unit.work, unit.tenant, at, kAssumed) - at);
}

std::optional<policy::Objection> BudgetBook::object(std::string_view budget, const policy::Facts& facts,
                                                    WallTime at) const {
  const auto found = lines_.find(budget);
  const bool before = std::exchange(objected_, true);
  if (found == lines_.end())
    return policy::Objection{fmt::format("budget {} does not exist", budget),
                             "an operator makes it, or takes it out of the gate"};
  const BudgetLine& line = *found->second;
  const policy::Budget& b = line.budget;
  if (line.foreign || !line.ready())
    return policy::Objection{fmt::format("nobody knows what is left of budget {}", budget),
                             line.foreign ? "an operator makes its currency that of the prices"
                                          : "it is being counted: wait a moment"};
  const int64_t most = b.holds_at().value_or(b.amount), spent = line.count.spent(at),
                left = most - std::min(line.count.foreseen(at), most), cost = facts.cost_micros.value_or(0);
  if (spent < most && cost <= left) {
    objected_ = before;
    return std::nullopt;
  }
  const bool figures = b.tenants.size() == 1 && b.tenants.contains(facts.tenant);
  std::string reason = spent >= most ? fmt::format("budget {} is spent", budget)
                                     : fmt::format("it may cost {} {}, more than is left of budget {}",
                                                   policy::shown_micro(cost), b.currency, budget);
  if (figures)
    reason +=
        fmt::format(" ({} of {} {})", policy::shown_micro(spent), policy::shown_micro(most), b.currency);
  return policy::Objection{std::move(reason), fmt::format("wait until {}, ask an operator for more",
                                                          to_rfc3339(line.count.span().end))};
}

std::vector<BudgetView> BudgetBook::views() const {
  std::vector<BudgetView> all;
  const WallTime at = now();
  for (const auto& [name, line] : lines_)
    all.push_back({.name = name,
                   .currency = line->budget.currency,
                   .only_tenant = line->budget.tenants.size() == 1 ? *line->budget.tenants.begin() : "",
                   .phase = phase_of(*line),
                   .span = line->count.span(),
                   .amount = line->budget.amount,
                   .spent = line->count.spent(at),
                   .foreseen = line->count.foreseen(at),
                   .per_hour = policy::cost_of(line->count.rate(), Duration(std::chrono::hours(1))),
                   .running = line->count.size(),
                   .held = line->held.size()});
  return all;
}

}  // namespace ingot::controllers
