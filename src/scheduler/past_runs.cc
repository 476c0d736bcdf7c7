#include "scheduler/past_runs.h"

#include <algorithm>
#include <tuple>

namespace ingot::scheduler {

using std::chrono::seconds;

void PastRuns::Line::derive() {
  last = {};
  std::vector<seconds> ran;
  for (const PastRun& run : runs) {
    ran.push_back(run.ran);
    last = std::max(last, run.from + run.ran);
  }
  expected.reset();
  if (ran.size() < kEnough) return;
  const size_t rank = ran.size() - 1 - ran.size() / kPassedOver;
  std::ranges::nth_element(ran, ran.begin() + std::ptrdiff_t(rank));
  expected = ran[rank] + seconds((ran[rank].count() + kMargin - 1) / kMargin);
}

void PastRuns::add(std::string_view tenant, std::string_view origin, WallTime from, Duration ran,
                   bool ended) {
  if (origin.empty()) return;
  const PastRun run{from, std::max(seconds(1), std::chrono::ceil<seconds>(ran))};
  if (!ended && run.ran <= expected(tenant, origin).value_or(Duration::max())) return;
  Lines& lines = lines_[std::string(tenant)];
  const auto [at, fresh] = lines.try_emplace(std::string(origin));
  size_ += fresh;
  RunList& runs = at->second.runs;
  const auto beside = std::ranges::find(runs, from, &PastRun::from);
  if (beside != runs.end() && beside->ran >= run.ran) return;
  if (beside != runs.end())
    beside->ran = run.ran;
  else
    runs.push_back(run);
  if (runs.size() > kRuns) runs.erase(runs.begin());
  at->second.derive();
  changed_.emplace(tenant, origin);
  if (fresh) bound(tenant);
}

void PastRuns::restore(std::string_view tenant, std::string_view origin, RunList runs) {
  if (origin.empty() || runs.empty()) return;
  if (runs.size() > kRuns) runs.erase(runs.begin(), runs.end() - std::ptrdiff_t(kRuns));
  const auto [at, fresh] = lines_[std::string(tenant)].try_emplace(std::string(origin));
  size_ += fresh;
  at->second.runs = std::move(runs);
  at->second.derive();
  if (fresh) bound(tenant);
}

void PastRuns::bound(std::string_view tenant) {
  const auto older = [](const auto& a, const auto& b) { return a.second.last < b.second.last; };
  const Lines& own = lines_.find(tenant)->second;
  if (own.size() > kPerTenant) return erase(tenant, std::ranges::min_element(own, older)->first);
  if (size_ <= kMost) return;
  const std::string* whose = nullptr;
  const Lines::value_type* oldest = nullptr;
  for (const auto& [name, lines] : lines_)
    for (const auto& line : lines)
      if (!oldest || older(line, *oldest)) std::tie(whose, oldest) = std::pair(&name, &line);
  erase(*whose, oldest->first);
}

void PastRuns::erase(std::string_view tenant, std::string_view origin) {
  const auto lines = lines_.find(tenant);
  const auto at = lines->second.find(origin);
  changed_.emplace(lines->first, at->first);
  lines->second.erase(at);
  --size_;
  if (lines->second.empty()) lines_.erase(lines);
}

void PastRuns::forget(std::string_view tenant) {
  const auto lines = lines_.extract(std::string(tenant));
  if (lines.empty()) return;
  size_ -= lines.mapped().size();
  for (const auto& [origin, line] : lines.mapped()) changed_.emplace(lines.key(), origin);
}

const PastRuns::Line* PastRuns::find(std::string_view tenant, std::string_view origin) const {
  if (origin.empty()) return nullptr;
  const auto lines = lines_.find(tenant);
  if (lines == lines_.end()) return nullptr;
  const auto line = lines->second.find(origin);
  return line == lines->second.end() ? nullptr : &line->second;
}

std::optional<Duration> PastRuns::expected(std::string_view tenant, std::string_view origin) const {
  const Line* line = find(tenant, origin);
  return line ? line->expected : std::nullopt;
}

const RunList* PastRuns::runs(std::string_view tenant, std::string_view origin) const {
  const Line* line = find(tenant, origin);
  return line ? &line->runs : nullptr;
}

std::optional<WallTime> expected_end(WallTime since, Duration attained, Duration expected, WallTime now) {
  for (int times = 1; times <= PastRuns::kGiveUp; times *= 2) {
    const auto end = std::chrono::time_point_cast<WallTime::duration>(since + expected * times - attained);
    if (end > now) return end;
  }
  return std::nullopt;
}

}  // namespace ingot::scheduler
