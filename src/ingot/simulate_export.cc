// ingot simulate export: what the factory ran, and its nodes, as files that replay reads.
#include <fmt/format.h>

#include <cstdio>

#include "ingot/client.h"
#include "ingot/output.h"
#include "ingot/simulate.h"
#include "replay/csv.h"
#include "replay/history.h"

namespace ingot {
namespace {

using Expected = std::expected<void, std::string>;

Expected read_history(Client& client, const std::string& since, replay::History& history) {
  std::string next;
  do {
    const std::string joint = since.empty() || next.empty() ? "" : "&";
    const std::string query = since + joint + (next.empty() ? "" : "next=" + query_value(next));
    const auto page = client.get(fmt::format("{}/history{}{}", kFactoryApi, query.empty() ? "" : "?", query));
    if (!page) return std::unexpected(page.error().message);
    for (const api::Json& row : api::array_at(*page, {"rows"})) {
      if (history.add(row)) continue;
      if (history.jobs() < replay::kMaxRows) return std::unexpected("a row of the ledger cannot be read");
      return std::unexpected(
          fmt::format("more than {} jobs are too many to replay: say --since", replay::kMaxRows));
    }
    next = api::string_at(*page, {"next"});
  } while (!next.empty());
  return {};
}

Expected write_nodes(Client& client, const std::string& file) {
  const auto nodes = client.list(fmt::format("{}/api/v1/nodes", kRoot));
  if (!nodes) return std::unexpected(nodes.error().message);
  const auto slices = client.list(fmt::format("{}/apis/resource.k8s.io/v1/resourceslices", kRoot));
  if (!slices) return std::unexpected(slices.error().message);
  return write_text(file, replay::nodes_csv(replay::nodes_from(*nodes, *slices)));
}

}  // namespace

int simulate_export(const Common& common, const ExportOptions& options) {
  const auto since = since_query(options.since);
  if (!since) return failed(since.error());
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  replay::History history;
  if (const auto read = read_history(*client, *since, history); !read) return failed(read.error());
  if (!options.nodes_out.empty())
    if (const auto done = write_nodes(*client, options.nodes_out); !done) return failed(done.error());
  const std::string trace = history.csv();
  if (options.out.empty()) {
    std::fwrite(trace.data(), 1, trace.size(), stdout);
    return kOk;
  }
  if (const auto done = write_text(options.out, trace); !done) return failed(done.error());
  fmt::print("{} jobs in {}\n", history.jobs(), options.out);
  return kOk;
}

}  // namespace ingot
