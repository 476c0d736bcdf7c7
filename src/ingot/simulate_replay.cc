// ingot simulate replay: jobs of a trace on virtual time, beside what would change it.
#include <fmt/format.h>

#include <algorithm>

#include "ingot/commands.h"
#include "ingot/output.h"
#include "ingot/simulate.h"
#include "replay/figures.h"

namespace ingot {
namespace {

using replay::Outcome;
using replay::Scenario;
using replay::TraceJob;

std::expected<std::vector<replay::TraceNode>, std::string> cluster(const ReplayArguments& in) {
  if (in.nodes.empty() && in.gpus == 0)
    return std::unexpected("say on what: --gpus N, or --nodes with a file of nodes");
  if (in.gpus > 0) return replay::plain_nodes(in.gpus);
  const auto text = read_text(in.nodes);
  if (!text) return std::unexpected(text.error());
  auto nodes = replay::openb_nodes(in.nodes, *text);
  if (nodes && nodes->empty()) return std::unexpected(in.nodes + " has no node with GPUs");
  return nodes;
}

std::expected<std::vector<TraceJob>, std::string> read_jobs(const ReplayArguments& in,
                                                            const std::vector<replay::TraceNode>& nodes) {
  const auto text = read_text(in.trace);
  if (!text) return std::unexpected(text.error());
  auto jobs = in.format == "muri" ? replay::muri_jobs(in.trace, *text)
                                  : replay::openb_pods(in.trace, *text, in.gpus > 0 ? nullptr : &nodes, true);
  if (jobs && jobs->empty()) return std::unexpected(in.trace + " has no jobs");
  return jobs;
}

// Today first, then each change of it.
std::expected<std::vector<Scenario>, std::string> scenarios(const ReplayArguments& in,
                                                            std::vector<replay::TraceNode> nodes) {
  Scenario today{.title = "TODAY", .nodes = std::move(nodes)};
  today.options.policy = replay::replay_policy(in.policy);
  today.options.known_runtimes = in.known_runtimes;
  today.options.seed = in.seed;
  today.options.tenants = in.tenants;
  if (!in.quotas.empty()) {
    const auto text = read_text(in.quotas);
    if (!text) return std::unexpected(text.error());
    auto queues = replay::queues_from(in.quotas, *text);
    if (!queues) return std::unexpected(queues.error());
    today.options.queues = std::move(*queues);
  }
  std::vector<Scenario> out{std::move(today)};
  for (const std::string& change : in.changes) {
    auto scenario = replay::changed(out.front(), change, read_text);
    if (!scenario) return std::unexpected(scenario.error());
    out.push_back(std::move(*scenario));
  }
  return out;
}

void print_table(const std::vector<Outcome>& outcomes) {
  std::vector<std::string> header{""};
  for (const Outcome& o : outcomes) header.push_back(outcomes.size() > 1 ? o.scenario.title : "");
  Table table(std::move(header));
  std::vector<std::vector<std::pair<std::string, std::string>>> columns;
  for (const Outcome& o : outcomes) columns.push_back(replay::figures_text(o.result));
  for (size_t column = 1; column <= outcomes.size(); ++column) table.right(column);
  for (const auto& [name, value] : columns.front()) {
    std::vector<std::string> row{name};
    for (const auto& column : columns) {
      const auto found = std::ranges::find(column, name, [](const auto& cell) { return cell.first; });
      row.push_back(found == column.end() ? "" : found->second);
    }
    table.row(std::move(row));
  }
  table.print();
}

void print_figures(const ReplayArguments& in, const std::vector<Outcome>& outcomes) {
  api::JsonObject out = replay::figures_json(outcomes.front().result);
  if (!in.changes.empty()) {
    api::JsonArray changes;
    for (size_t i = 0; i < in.changes.size(); ++i) {
      api::JsonObject one = replay::figures_json(outcomes[i + 1].result);
      one["change"] = in.changes[i];
      changes.push_back(std::move(one));
    }
    out["changes"] = std::move(changes);
  }
  print_json(std::move(out));
}

}  // namespace

int simulate_replay(const Common& common, const ReplayArguments& in) {
  auto nodes = cluster(in);
  if (!nodes) return failed(nodes.error());
  const auto jobs = read_jobs(in, *nodes);
  if (!jobs) return failed(jobs.error());
  auto all = scenarios(in, std::move(*nodes));
  if (!all) return failed(all.error());

  std::vector<Outcome> outcomes;
  Progress progress(common.json);
  for (Scenario& scenario : *all) {
    const std::string where = outcomes.empty() ? "" : scenario.title + ": ";
    if (auto reason = replay::too_large(in.trace, scenario.nodes, *jobs)) return failed(where + *reason);
    auto result = replay::replay(scenario.nodes, *jobs, scenario.options, [&](double part) {
      progress.say(fmt::format("{}: {:.0f} % of the jobs ended", scenario.title, 100 * part));
    });
    if (!result) return failed(where + in.trace + ": " + result.error());
    outcomes.push_back({std::move(scenario), std::move(*result)});
  }
  if (!in.csv.empty())
    if (const auto done = write_text(in.csv, replay::figures_csv(outcomes, *jobs)); !done)
      return failed(done.error());
  if (!in.report.empty())
    if (const auto done = write_text(in.report, replay::report_html("Replay of " + in.trace, outcomes));
        !done)
      return failed(done.error());
  if (common.json)
    print_figures(in, outcomes);
  else
    print_table(outcomes);
  if (!common.json && !in.report.empty()) fmt::print("report: {}\n", in.report);
  return kOk;
}

}  // namespace ingot
