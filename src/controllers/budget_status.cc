// What the book writes and says of its Budgets.
#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "controllers/budget_book.h"
#include "controllers/placement_units.h"
#include "policy/prices.h"

namespace ingot::controllers {
namespace {

using api::string_at;
using policy::BudgetAction;
using policy::BudgetPhase;
using policy::shown_micro;

constexpr Duration kCounting = std::chrono::seconds(1);  // it says so if that takes longer
constexpr size_t kMostTold = 64, kMostNotices = 1'000;

std::string_view effect(BudgetAction action) {
  switch (action) {
    case BudgetAction::Notify:
      return "nothing is held for it";
    case BudgetAction::LowerPriority:
      return "its work comes after all other";
    case BudgetAction::HoldNew:
      return "new work waits";
    case BudgetAction::Stop:
      return "new work waits, and what runs is stopped";
  }
  return "";
}

}  // namespace

std::string budget_hash(const policy::Budget& budget) { return hex(sha256(budget.counts())).substr(0, 16); }

BudgetPhase BudgetBook::phase_of(const BudgetLine& line) const {
  if (line.foreign) return BudgetPhase::Unknown;
  return line.ready() ? line.standing.phase : BudgetPhase::Counting;
}

std::string BudgetBook::story(const BudgetLine& line, BudgetPhase phase) const {
  const policy::Budget& b = line.budget;
  const std::string until = to_rfc3339(line.count.span().end);
  if (phase == BudgetPhase::Unknown)
    return fmt::format("prices are in {}, the budget in {}: make both the same{}", prices_.currency,
                       b.currency, b.holds_at() ? "; until then new work waits" : "");
  if (phase == BudgetPhase::Counting)
    return fmt::format("what was spent since {} is being counted{}", to_rfc3339(line.count.span().begin),
                       b.holds_at() ? "; until then new work waits" : "");
  const std::string spent = fmt::format("spent {} of {} {} until {}", shown_micro(line.count.spent(now())),
                                        shown_micro(b.amount), b.currency, until);
  if (phase == BudgetPhase::Ok) return spent;
  const policy::BudgetLimit& limit = phase == BudgetPhase::Hard ? b.hard : *b.soft;
  return fmt::format("{}: the {} limit of {} {} is reached, {}", spent,
                     phase == BudgetPhase::Hard ? "hard" : "soft", shown_micro(limit.at), b.currency,
                     effect(limit.action));
}

std::string BudgetBook::stopped(const BudgetLine& line, std::string_view tenant) const {
  const policy::Budget& b = line.budget;
  const std::string figures = b.tenants.size() == 1 && b.tenants.contains(tenant)
                                  ? fmt::format(": {} {} until {}", shown_micro(line.count.spent(now())),
                                                b.currency, to_rfc3339(line.count.span().end))
                                  : fmt::format(" until {}", to_rfc3339(line.count.span().end));
  return fmt::format("stopped: budget {} is spent{}; ask an operator for more, or for an exception",
                     line.name(), figures);
}

void BudgetBook::write(store::Turn& turn, BudgetLine& line, const PlacementUnits& units) {
  const WallTime at = now();
  const BudgetPhase phase = phase_of(line);
  if (phase == BudgetPhase::Counting && (line.said || at < line.began + kCounting)) return;
  const bool other = !line.said || phase != line.phase;
  line.stale = line.stale || other || line.count.rate() > 0;
  if (!line.stale || (!other && at < line.written + kEvery && at >= line.written)) return;
  const ObjectPtr before = turn.get(line.key);
  if (!before) return;
  Json object = before->parse();
  if (other) line.since = at;
  const int64_t spent = line.count.spent(at);
  JsonObject status{{"phase", policy::name_of(phase)},
                    {"since", to_rfc3339(line.since)},
                    {"spent", shown_micro(spent)},
                    {"committed", shown_micro(line.count.foreseen(at) - spent)},
                    {"remaining", shown_micro(std::max<int64_t>(line.budget.amount - spent, 0))},
                    {"message", story(line, phase)},
                    {"periodStart", to_rfc3339(line.count.span().begin)},
                    {"periodEnd", to_rfc3339(line.count.span().end)}};
  if (line.counted)
    status["counted"] = JsonObject{{"of", budget_hash(line.budget)},
                                   {"from", to_rfc3339(line.count.span().begin)},
                                   {"upTo", int64_t(line.position)},
                                   {"amount", policy::format_micro(line.count.booked())}};
  const std::string uid(string_at(object, {"metadata", "uid"}));
  line.written = at;
  if (const Json* said = api::find(object, {"status"}); !said || *said != Json(status)) {
    const std::string message = story(line, phase);
    api::set(object, {"status"}, std::move(status));
    if (!turn.put(line.key, std::move(object), before->revision))
      return;  // the disk is full: again in kEvery
    if (other && (phase > BudgetPhase::Ok || (line.said && line.phase > BudgetPhase::Ok)))
      announce(line, uid, phase, message, units);
  }
  line.stale = false;
  line.said = true;
  line.phase = phase;
}

// Operators by an Event of the Budget; the tenants that it names by one in their cluster, for they do not see the object.
void BudgetBook::announce(const BudgetLine& line, std::string_view uid, BudgetPhase phase,
                          const std::string& message, const PlacementUnits& units) {
  const std::string reason = "Budget" + std::string(policy::name_of(phase));
  const std::string type = phase == BudgetPhase::Ok ? "Normal" : "Warning";
  const auto tell = [&](Key about, std::string text) {
    if (notices_.size() < kMostNotices)
      notices_.push_back({std::move(about), std::string(uid), type, reason, std::move(text)});
  };
  tell(line.key, message);
  size_t told = 0;
  const bool alone = line.budget.tenants.size() == 1;
  for (const std::string& tenant : line.budget.tenants) {
    const std::string_view cluster = units.cluster_of(tenant);
    if (cluster.empty() || cluster == kRootCluster.value || ++told > kMostTold) continue;
    std::string text = message;
    if (!alone) text = fmt::format("{} since {}", policy::name_of(phase), to_rfc3339(now()));
    tell(Key{ClusterId(std::string(cluster)), kBudgets, "", line.name()}, std::move(text));
  }
}

void BudgetBook::plan(BudgetLine& line) {
  const WallTime at = now();
  if (line.due) agenda_.erase({*line.due, std::string(line.name())});
  WallTime due = line.count.span().end;
  const auto sooner = [&](std::optional<WallTime> when) {
    if (when) due = std::min(due, *when);
  };
  sooner(line.count.next_end());
  const auto wall = [](auto t) { return std::chrono::time_point_cast<WallTime::duration>(t); };
  if (line.ready() && !line.foreign && line.standing.next)
    sooner(line.count.reaches(*line.standing.next, at));
  if (!line.said && !line.ready()) sooner(wall(line.began + kCounting));
  if (line.stale || line.count.rate() > 0) sooner(wall(line.written + kEvery));
  // What is due at once was looked at just now.
  line.due = std::max(due, wall(at + std::chrono::milliseconds(1)));
  agenda_.emplace(*line.due, line.name());
}

}  // namespace ingot::controllers
