#include "replay/figures.h"

#include <fmt/format.h>

#include <cmath>

#include "scheduler/order.h"

namespace ingot::replay {
namespace {

double rounded(double value, double unit) { return std::round(value / unit) * unit; }
double thousandths(double value) { return std::round(value * 1000) / 1000; }

double mean_fragmentation(const ReplayResult& r) {
  double sum = 0;
  for (const Sample& s : r.samples) sum += s.fragmented_pct;
  return r.samples.empty() ? 0 : sum / double(r.samples.size());
}

std::string grouped(size_t n) {
  std::string out = std::to_string(n);
  for (int at = int(out.size()) - 3; at > 0; at -= 3) out.insert(size_t(at), ",");
  return out;
}

// A cell of RFC 4180.
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == text.npos) return text;
  std::string out = "\"";
  for (const char c : text) (out += c) += c == '"' ? "\"" : "";
  return out + '"';
}

}  // namespace

std::string span_text(double s) {
  if (s < 120) return fmt::format("{:.0f} s", s);
  if (s < 120 * 60) return fmt::format("{:.0f} min", s / 60);
  if (s < 48 * 3600) return fmt::format("{:.1f} h", s / 3600);
  return fmt::format("{:.1f} d", s / 86400);
}

api::JsonObject figures_json(const ReplayResult& r) {
  api::JsonObject tenants;
  for (const auto& [name, t] : r.tenants) {
    api::JsonObject one{{"jobs", t.jobs},
                        {"avg_wait_s", rounded(t.avg_wait_s, 1)},
                        {"p95_wait_s", rounded(t.p95_wait_s, 1)},
                        {"max_wait_s", rounded(t.max_wait_s, 1)},
                        {"gpu_hours", thousandths(t.gpu_s / 3600)}};
    if (t.worst_share >= 0) one["worst_day_share"] = thousandths(t.worst_share);
    tenants[name] = std::move(one);
  }
  api::JsonObject out{{"jobs", r.jobs.size()},
                      {"avg_jct_s", rounded(r.avg_jct_s, 1)},
                      {"median_jct_s", rounded(r.median_jct_s, 1)},
                      {"p99_jct_s", rounded(r.p99_jct_s, 1)},
                      {"avg_wait_s", rounded(r.avg_wait_s, 1)},
                      {"max_wait_s", rounded(r.max_wait_s, 1)},
                      {"makespan_s", rounded(r.makespan_s, 1)},
                      {"utilization", thousandths(r.utilization)},
                      {"tenants", std::move(tenants)}};
  if (r.bound)
    out["starvation"] = api::JsonObject{
        {"patience_s",
         std::chrono::duration_cast<std::chrono::seconds>(scheduler::Elders::kPatience).count()},
        {"elders", r.bound->elders},
        {"past_bound", r.bound->past},
        {"worst_part_of_bound", thousandths(r.bound->worst)}};
  return out;
}

std::vector<std::pair<std::string, std::string>> figures_text(const ReplayResult& r) {
  std::vector<std::pair<std::string, std::string>> out{
      {"allocation", fmt::format("{:.1f} %", 100 * r.utilization)},
      {"fragmentation", fmt::format("{:.1f} %", mean_fragmentation(r))},
      {"average completion", span_text(r.avg_jct_s)},
      {"median completion", span_text(r.median_jct_s)},
      {"p99 completion", span_text(r.p99_jct_s)},
      {"average queue wait", span_text(r.avg_wait_s)},
      {"p95 queue wait", span_text(r.p95_wait_s)},
      {"longest queue wait", span_text(r.max_wait_s)}};
  if (r.tenants.size() > 1 && r.tenants.size() <= 16)
    for (const auto& [name, t] : r.tenants) out.emplace_back("p95 wait of " + name, span_text(t.p95_wait_s));
  out.emplace_back("all work done in", span_text(r.makespan_s));
  out.emplace_back("preemptions", grouped(r.preemptions));
  out.emplace_back("jobs finished", grouped(r.jobs.size()));
  return out;
}

std::string figures_csv(const std::vector<Outcome>& outcomes, const std::vector<TraceJob>& jobs) {
  std::string out = "scenario,job,tenant,gpus,submit_s,start_s,end_s,wait_s,run_s,preemptions\n";
  for (const Outcome& o : outcomes)
    for (size_t i = 0; i < jobs.size(); ++i) {
      const JobOutcome& j = o.result.jobs[i];
      out += fmt::format("{},{},{},{},{:.3f},{:.3f},{:.3f},{:.3f},{:.3f},{}\n", cell(o.scenario.title),
                         cell(jobs[i].name), cell(j.tenant), jobs[i].gpus * jobs[i].milli / 1000.0,
                         jobs[i].submit_s, j.start_s, j.end_s, j.waited_s, jobs[i].run_s, j.preemptions);
    }
  return out;
}

}  // namespace ingot::replay
