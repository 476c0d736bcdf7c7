// ingot model key list|export|rotate
#include <fmt/format.h>

#include "base/time.h"
#include "host/disk_file.h"
#include "ingot/model.h"
#include "ingot/output.h"

namespace ingot {
namespace {

constexpr std::string_view kPath = "/apis/factory.ingot.dev/v1alpha1/signingkeys";

env::SigningKey key_from(const api::Json& json) {
  return {.id = std::string(api::string_at(json, {"id"})),
          .pem = std::string(api::string_at(json, {"pem"})),
          .since = parse_rfc3339(api::string_at(json, {"since"})).value_or(WallTime{}),
          .current = api::bool_at(json, {"current"})};
}

}  // namespace

Result<std::vector<env::SigningKey>> factory_keys(Client& client, const std::string& tenant) {
  auto answer = client.get(fmt::format("/clusters/{}{}", tenant, kPath));
  if (!answer) return fail(answer.error());
  std::vector<env::SigningKey> keys;
  for (const api::Json& one : api::array_at(*answer, {"keys"})) keys.push_back(key_from(one));
  return keys;
}

int model_key_list(const Common& common, const ModelOptions&) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  if (common.json) {
    auto answer = client->get(fmt::format("{}{}", kRoot, kPath));
    if (!answer) return failed(answer.error());
    print_json(*api::find(*answer, {"keys"}));
    return kOk;
  }
  auto keys = factory_keys(*client, "root");
  if (!keys) return failed(keys.error());
  Table table({"KEY", "SIGNS", "SINCE"});
  for (const env::SigningKey& key : *keys)
    table.row({key.id, key.current ? "yes" : "no more", to_rfc3339(key.since)});
  table.print();
  return kOk;
}

int model_key_export(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto keys = factory_keys(*client, "root");
  if (!keys) return failed(keys.error());
  for (const env::SigningKey& key : *keys) {
    if (options.name.empty() ? !key.current : !key.id.starts_with(options.name)) continue;
    if (options.path.empty()) {
      fmt::print("{}", key.pem);
      return kOk;
    }
    if (auto written = host::write_file(options.path, key.pem, 0644); !written)
      return failed(written.error());
    fmt::print("key {} in {}\n", short_key(key.id), options.path);
    return kOk;
  }
  return failed(
      fmt::format("there is no key {}\n  `ingot model key list` shows what there is", options.name));
}

int model_key_rotate(const Common& common, const ModelOptions&) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto answer = client->call("POST", fmt::format("{}{}", kRoot, kPath));
  if (!answer) return failed(answer.error());
  if (common.json) {
    print_json(*answer);
    return kOk;
  }
  fmt::print("key {} signs from now on; what the old ones signed stays valid\n",
             short_key(api::string_at(*answer, {"id"})));
  return kOk;
}

}  // namespace ingot
