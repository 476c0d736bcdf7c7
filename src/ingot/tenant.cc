// ingot tenant create|list|delete|kubeconfig
#include <fmt/format.h>

#include <chrono>

#include "api/json.h"
#include "base/encoding.h"
#include "base/time.h"
#include "host/disk_file.h"
#include "ingot/client.h"
#include "ingot/output.h"

namespace ingot {
namespace {

std::string tenant_path(const std::string& name) { return fmt::format("{}/tenants/{}", kFactoryApi, name); }

// The transaction that makes a tenant makes its namespaces, so this is there at once; a watch covers the rest.
Result<void> wait_for_default_namespace(Client& client, const std::string& name) {
  const std::string base = fmt::format("/clusters/{}/api/v1/namespaces", name);
  auto found = client.get(base + "/default");
  if (found) return {};
  if (found.error().reason != Reason::NotFound) return fail(found.error());
  bool seen = false;
  auto watched = client.watch(base + "?watch=1&fieldSelector=metadata.name%3Ddefault&timeoutSeconds=30",
                              [&](const api::Json&) { return !(seen = true); });
  if (!watched) return watched;
  if (!seen) return fail(Reason::Timeout, fmt::format("tenant {} has no namespace default after 30 s", name));
  return {};
}

std::string limit_text(const api::Json& tenant) {
  const auto limit = api::int_at(tenant, {"spec", "gpus", "limit"});
  return limit ? std::to_string(*limit) : "none";
}

std::string age_of(const api::Json& object) {
  const auto made = parse_rfc3339(api::string_at(object, {"metadata", "creationTimestamp"}));
  if (!made) return "";
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  return human_duration(now - *made);
}

// Into that file, whose path is then said; "-": the text itself, for who may not read what root writes.
int give(const std::string& out, const std::string& text) {
  if (out != "-")
    if (auto written = host::write_file(out, text, 0600); !written) return failed(written.error());
  fmt::print("{}{}", out == "-" ? text : out, out == "-" && text.ends_with('\n') ? "" : "\n");
  return kOk;
}

// The operator's own file; its path is all that is asked for.
int operator_kubeconfig(const Common& common, const KubeconfigOptions& options) {
  const std::string own = common.data + "/operator.kubeconfig";
  auto text = host::read_file(own);
  if (!text) return failed(text.error());
  if (!options.out.empty()) return give(options.out, *text);
  fmt::print("{}\n", own);
  return kOk;
}

}  // namespace

int tenant_create(const Common& common, const TenantOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  api::JsonObject gpus{{"guarantee", options.gpus}};
  if (options.gpus_limit) gpus["limit"] = *options.gpus_limit;
  api::JsonObject spec{{"gpus", gpus}, {"weight", options.weight}};
  if (!options.queue.empty()) spec["queue"] = options.queue;
  if (!options.storage.empty()) spec["storage"] = api::JsonObject{{"limit", options.storage}};
  const api::Json tenant = api::JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                           {"kind", "Tenant"},
                                           {"metadata", api::JsonObject{{"name", options.name}}},
                                           {"spec", std::move(spec)}};
  // Connected before the clock starts: the figure is the factory's, not the handshake's.
  if (auto reached = client->get("/version"); !reached) return failed(reached.error());
  const auto started = std::chrono::steady_clock::now();
  auto created = client->call("POST", fmt::format("{}/tenants", kFactoryApi), &tenant);
  if (!created) return failed(created.error());
  if (auto ready = wait_for_default_namespace(*client, options.name); !ready) return failed(ready.error());
  const auto took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started);
  if (common.json) {
    print_json(*created);
  } else {
    fmt::print("tenant {} created in {:.0f} ms\n", options.name, std::max(1.0, took.count()));
    fmt::print("  export KUBECONFIG=$(ingot tenant kubeconfig {})\n", options.name);
  }
  return kOk;
}

int tenant_list(const Common& common) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto tenants = client->list(fmt::format("{}/tenants", kFactoryApi));
  if (!tenants) return failed(tenants.error());
  if (common.json) {
    print_json(*tenants);
    return kOk;
  }
  Table table({"NAME", "GUARANTEE", "LIMIT", "WEIGHT", "STATUS", "AGE"});
  for (const api::Json& tenant : *tenants)
    table.row({std::string(api::string_at(tenant, {"metadata", "name"})),
               std::to_string(api::int_at(tenant, {"spec", "gpus", "guarantee"}).value_or(0)),
               limit_text(tenant), std::to_string(api::int_at(tenant, {"spec", "weight"}).value_or(1)),
               std::string(api::string_at(tenant, {"status", "phase"})), age_of(tenant)});
  table.print();
  return kOk;
}

int tenant_delete(const Common& common, const std::string& name, bool wait) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto deleted = client->call("DELETE", tenant_path(name));
  if (!deleted) return failed(deleted.error());
  if (wait) {
    auto left = client->get(tenant_path(name));
    // Without a revision the watch starts with what is there, so an end between the two is not missed.
    if (left) {
      auto watched = client->watch(
          fmt::format("{}/tenants?watch=1&fieldSelector=metadata.name%3D{}&resourceVersion={}", kFactoryApi,
                      name, api::string_at(*left, {"metadata", "resourceVersion"})),
          [](const api::Json& event) { return api::string_at(event, {"type"}) != "DELETED"; });
      if (!watched) return failed(watched.error());
    }
  }
  fmt::print("tenant {} {}\n", name, wait ? "deleted" : "is being deleted");
  return kOk;
}

int tenant_kubeconfig(const Common& common, const KubeconfigOptions& options) {
  if (options.tenant == kRootCluster.value) return operator_kubeconfig(common, options);
  const auto ttl = parse_duration(options.ttl);
  if (!ttl || *ttl <= Duration::zero())
    return failed(fmt::format("--ttl \"{}\" is not a duration such as 12h or 30d", options.ttl));
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  api::JsonArray groups;
  for (const std::string& group : options.groups) groups.emplace_back(group);
  const api::Json wish =
      api::JsonObject{{"user", options.user},
                      {"groups", std::move(groups)},
                      {"ttlSeconds", std::chrono::duration_cast<std::chrono::seconds>(*ttl).count()}};
  auto made = client->call("POST", tenant_path(query_value(options.tenant)) + "/kubeconfig", &wish);
  if (!made) return failed(made.error());
  std::string out = options.out;
  if (out.empty()) {
    const std::string directory = common.data + "/kubeconfigs";
    if (auto ready = host::make_directory(directory, 0700); !ready) return failed(ready.error());
    out = fmt::format("{}/{}-{}.kubeconfig", directory, options.tenant, query_value(options.user));
  }
  return give(out, std::string(api::string_at(*made, {"kubeconfig"})));
}

}  // namespace ingot
