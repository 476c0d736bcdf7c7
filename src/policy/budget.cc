#include "policy/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/prices.h"

namespace ingot::policy {
namespace {

using api::Json;
using api::string_at;
using namespace std::chrono;

constexpr std::array<std::string_view, 4> kActions{"Notify", "LowerPriority", "HoldNew", "Stop"};
constexpr std::array<std::string_view, 3> kPeriods{"day", "week", "month"};
constexpr std::array<std::string_view, 5> kPhases{"Counting", "Ok", "Soft", "Hard", "Unknown"};

template <size_t N>
size_t place_of(const std::array<std::string_view, N>& names, std::string_view name, size_t otherwise) {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? otherwise : size_t(found - names.begin());
}

std::set<std::string, std::less<>> names_at(const Json& spec, std::string_view field) {
  std::set<std::string, std::less<>> names;
  for (const Json& one : api::array_at(spec, {"scope", field})) names.emplace(string_at(one, {}));
  return names;
}

std::optional<BudgetLimit> limit_at(const Json& spec, std::string_view field, int64_t amount) {
  std::string_view at = string_at(spec, {"limits", field, "at"});
  if (at.empty()) return std::nullopt;
  BudgetLimit limit{.action = BudgetAction(place_of(kActions, string_at(spec, {"limits", field, "action"}),
                                                    size_t(BudgetAction::HoldNew)))};
  if (!at.ends_with('%')) {
    limit.at = parse_amount(at).value_or(amount);
    return limit;
  }
  at.remove_suffix(1);
  constexpr int64_t kWhole = 100 * int64_t(1'000'000);
  const __int128 part = __int128(amount) * parse_amount(at).value_or(kWhole) / kWhole;
  limit.at = int64_t(std::min<__int128>(part, std::numeric_limits<int64_t>::max()));
  return limit;
}

}  // namespace

std::string_view name_of(BudgetAction action) { return kActions[size_t(action)]; }
std::string_view name_of(BudgetPeriod period) { return kPeriods[size_t(period)]; }
std::string_view name_of(BudgetPhase phase) { return kPhases[size_t(phase)]; }

std::optional<int64_t> Budget::holds_at() const {
  std::optional<int64_t> least;
  if (hard.action >= BudgetAction::HoldNew) least = hard.at;
  if (soft && soft->action >= BudgetAction::HoldNew) least = std::min(soft->at, least.value_or(soft->at));
  return least;
}

std::string Budget::counts() const {
  std::string text = fmt::format("{} {}", currency, name_of(period));
  for (const auto& [what, names] : {std::pair("tenants", &tenants), std::pair("queues", &queues)}) {
    text += fmt::format(" {}:", what);
    for (const std::string& name : *names) text += name + ",";
  }
  return text;
}

Budget budget_from(const Json& object) {
  Budget b;
  const Json* spec = api::find(object, {"spec"});
  if (!spec) return b;
  b.tenants = names_at(*spec, "tenants");
  b.queues = names_at(*spec, "queues");
  b.amount = parse_amount(string_at(*spec, {"amount"})).value_or(0);
  b.currency = string_at(*spec, {"currency"});
  b.period = BudgetPeriod(place_of(kPeriods, string_at(*spec, {"period"}), size_t(BudgetPeriod::Month)));
  b.soft = limit_at(*spec, "soft", b.amount);
  b.hard = limit_at(*spec, "hard", b.amount).value_or(BudgetLimit{b.amount, BudgetAction::HoldNew});
  b.assumed = std::clamp<Duration>(parse_duration(string_at(*spec, {"assumedRunTime"})).value_or(hours(1)),
                                   seconds(1), days(31));
  return b;
}

Span span_of(BudgetPeriod period, WallTime now) {
  const sys_days today = floor<days>(now);
  if (period == BudgetPeriod::Day) return {today, today + days(1)};
  if (period == BudgetPeriod::Week) {
    const sys_days monday = today - (weekday(today) - Monday);
    return {monday, monday + days(7)};
  }
  const year_month_day date(today);
  const year_month month = date.year() / date.month();
  return {sys_days(month / day(1)), sys_days((month + months(1)) / day(1))};
}

Standing standing(const Budget& b, int64_t spent) {
  Standing s;
  const auto reached = [&](const BudgetLimit& limit, BudgetPhase phase) {
    if (spent < limit.at) {
      s.next = std::min(limit.at, s.next.value_or(limit.at));
      return;
    }
    s.phase = phase;
    s.lowers = s.lowers || limit.action == BudgetAction::LowerPriority;
    s.holds = s.holds || limit.action >= BudgetAction::HoldNew;
    s.stops = s.stops || limit.action == BudgetAction::Stop;
  };
  if (b.soft) reached(*b.soft, BudgetPhase::Soft);
  reached(b.hard, BudgetPhase::Hard);
  return s;
}

std::string why_held(const Asked& a) {
  const std::optional<int64_t> most = a.budget.holds_at();
  if (!most || (a.spent < *most && a.cost <= *most - std::min(a.foreseen, *most))) return "";
  const std::string until = to_rfc3339(a.until);
  const std::string out = fmt::format(
      "wait until {}, ask an operator for more (spec.amount of Budget {}), or for an exception "
      "(GateException with "
      "spec.budget {})",
      until, a.name, a.name);
  if (!a.figures) {
    if (a.spent >= *most) return fmt::format("budget {} is spent until {}: {}", a.name, until, out);
    return fmt::format(
        "budget {}: what is left until {} is less than the up to {} {} that this costs ({}): {}", a.name,
        until, shown_micro(a.cost), a.budget.currency, a.why, out);
  }
  std::string spent = fmt::format("budget {}: spent {} of {} {} until {}", a.name, shown_micro(a.spent),
                                  shown_micro(*most), a.budget.currency, until);
  if (a.spent >= *most) return fmt::format("{}: {}", spent, out);
  return fmt::format("{}, {} more committed to what runs, and this costs up to {} ({}): {}", spent,
                     shown_micro(std::max<int64_t>(a.foreseen - a.spent, 0)), shown_micro(a.cost), a.why,
                     out);
}

}  // namespace ingot::policy
