// ingot usage
#include <fmt/format.h>

#include <algorithm>

#include "ingot/client.h"
#include "ingot/output.h"

namespace ingot {
namespace {

constexpr double kHour_s = 3600;

double number_at(const api::Json& object, std::string_view name) {
  const api::Json* value = api::find(object, {name});
  return value && value->is_number() ? value->to_number<double>() : 0;
}

// Hours once anything is worth calling hours; seconds before.
void print_table(const api::JsonArray& tenants) {
  double longest = 0;
  for (const api::Json& tenant : tenants)
    longest = std::max({longest, number_at(tenant, "gpuSeconds"), number_at(tenant, "cpuSeconds")});
  const bool hours = longest >= kHour_s;
  const std::string unit = hours ? "HOURS" : "SECONDS";
  const double divisor = hours ? kHour_s : 1;
  Table table({"TENANT", "GPU-" + unit, "HELD BUT IDLE", "CPU-" + unit, "COST"});
  table.right(1).right(2).right(3).right(4);
  for (const api::Json& tenant : tenants) {
    const std::string cost(api::string_at(tenant, {"cost"}));
    const std::string currency(api::string_at(tenant, {"currency"}));
    table.row({std::string(api::string_at(tenant, {"tenant"})),
               fmt::format("{:.1f}", number_at(tenant, "gpuSeconds") / divisor),
               fmt::format("{:.1f}", number_at(tenant, "idleGpuSeconds") / divisor),
               fmt::format("{:.1f}", number_at(tenant, "cpuSeconds") / divisor),
               (currency == "USD" ? "$ " : currency + " ") + shown_cost(cost)});
  }
  table.print();
}

}  // namespace

int usage(const Common& common, const UsageOptions& options) {
  const auto since = since_query(options.since);
  if (!since) return failed(since.error());
  std::string query = since->empty() ? "" : "?" + *since;
  if (!options.tenant.empty())
    query += (query.empty() ? "?tenant=" : "&tenant=") + query_value(options.tenant);
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto report = client->get(fmt::format("{}/usage{}", client->own_api(), query));
  if (!report) return failed(report.error());
  if (!options.tenant.empty() && api::array_at(*report, {"tenants"}).empty())
    if (auto there = client->get(fmt::format("{}/tenants/{}", kFactoryApi, query_value(options.tenant)));
        !there)
      return failed(there.error());
  if (common.json)
    print_json(*report);
  else
    print_table(api::array_at(*report, {"tenants"}));
  return kOk;
}

}  // namespace ingot
