// ingot audit
#include <fmt/format.h>

#include "ingot/client.h"
#include "ingot/output.h"

namespace ingot {
namespace {

constexpr size_t kMostRows = 100'000;

std::string what_of(const api::Json& row) {
  const auto field = [&](std::string_view name) { return api::string_at(row, {name}); };
  if (field("resource").empty()) return std::string(field("path"));
  std::string text =
      fmt::format("{}{}{}", field("resource"), field("subresource").empty() ? "" : "/", field("subresource"));
  const bool both = !field("namespace").empty() && !field("name").empty();
  if (!field("namespace").empty() || !field("name").empty())
    text += fmt::format(" {}{}{}", field("namespace"), both ? "/" : "", field("name"));
  return text;
}

// What users chose must not speak to the terminal.
std::string plain(std::string text) {
  for (char& c : text)
    if (uint8_t(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

Result<api::JsonArray> read_rows(Client& client, const std::string& path, int64_t most) {
  api::JsonArray all;
  std::string next;
  do {
    auto page = client.get(next.empty() ? path : path + "&next=" + next);
    if (!page) return fail(page.error());
    for (const api::Json& row : api::array_at(*page, {"rows"})) all.push_back(row);
    next = api::string_at(*page, {"next"});
  } while (!next.empty() && all.size() < kMostRows);
  if (most > 0 && int64_t(all.size()) > most) all.erase(all.begin(), all.end() - most);
  return all;
}

}  // namespace

int audit(const Common& common, const AuditOptions& options) {
  const auto since = since_query(options.since);
  if (!since) return failed(since.error());
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  std::string path = fmt::format("/clusters/{}/apis/factory.ingot.dev/v1alpha1/audit?{}",
                                 options.tenant.empty() ? client->home() : options.tenant, *since);
  for (const auto& [name, value] :
       {std::pair("user", &options.user), std::pair("verb", &options.verb),
        std::pair("resource", &options.resource), std::pair("name", &options.name)})
    if (!value->empty()) path += fmt::format("&{}={}", name, query_value(*value));
  if (options.denied) path += "&denied=true";
  if (options.changes) path += "&changes=true";
  auto rows = read_rows(*client, path, options.last);
  if (!rows) return failed(rows.error());
  if (common.json) {
    print_json(*rows);
    return kOk;
  }
  Table table({"TIME", "TENANT", "USER", "VERB", "WHAT", "CODE", "FROM"});
  for (const api::Json& row : *rows) {
    const auto field = [&](std::string_view name) { return plain(std::string(api::string_at(row, {name}))); };
    table.row({field("at").substr(0, 19) + "Z", field("tenant").empty() ? field("cluster") : field("tenant"),
               field("user"), field("verb"), plain(what_of(row)),
               std::to_string(api::int_at(row, {"code"}).value_or(0)), field("remote")});
  }
  table.print();
  return kOk;
}

}  // namespace ingot
