#include "apiserver/tenants.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/deletion.h"
#include "apiserver/node_authorizer.h"
#include "apiserver/quotas.h"
#include "apiserver/rbac.h"
#include "apiserver/status.h"
#include "base/encoding.h"

namespace ingot::apiserver {
namespace {
using namespace std::chrono_literals;
using api::Json;
using api::JsonObject;

constexpr Duration kReapEvery = 100ms;
constexpr size_t kEraseStep = 2'000;

// 10 characters of [a-z0-9], the first a letter: 56 bits that no earlier cluster had.
ClusterId new_cluster_id(env::Entropy& entropy) {
  constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string id;
  uint64_t random = entropy.next();
  id += kDigits[random % 26];
  random /= 26;
  for (int i = 0; i < 9; ++i, random /= 36) id += kDigits[random % 36];
  return ClusterId(id);
}

Json fresh_object(Services& services, std::string_view kind, std::string_view ns, std::string_view name) {
  const uint64_t high = services.env.entropy.next();
  JsonObject metadata{{"name", name},
                      {"uid", uuid(high, services.env.entropy.next())},
                      {"creationTimestamp", to_rfc3339(services.env.clock.wall())}};
  if (!ns.empty()) metadata["namespace"] = ns;
  return JsonObject{{"apiVersion", "v1"}, {"kind", kind}, {"metadata", std::move(metadata)}};
}

// The groups a kubeconfig of `tenant` may name; what belongs to the factory is not among them.
bool may_be_granted(std::string_view group, bool root) {
  return root || (group != kOperators && group != kNodes && !group.starts_with("system:serviceaccounts"));
}

struct KubeconfigWish {
  std::string user;
  std::vector<std::string> groups;
  int64_t ttl_s = 0;
};

Result<KubeconfigWish> read_wish(Call& call, bool root) {
  constexpr int64_t kDefaultTtl = 30 * 24 * 3600, kMostTtl = 400LL * 24 * 3600;
  const auto invalid = [&](std::string_view field, std::string why) {
    Error error{.reason = Reason::Invalid, .message = fmt::format("{}: Invalid value: {}", field, why)};
    error.causes.push_back({"FieldValueInvalid", std::string(field), std::move(why)});
    return fail(about(std::move(error), call.type(), call.route().name));
  };
  static const Json kNone = JsonObject();
  const Json& body = call.in.body ? *call.in.body : kNone;
  KubeconfigWish wish{.user = std::string(api::string_at(body, {"user"})), .ttl_s = kDefaultTtl};
  if (wish.user.empty()) wish.user = call.who.name;
  if (wish.user.size() > 64 || wish.user.starts_with("system:") ||
      std::ranges::any_of(wish.user, [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; }))
    return invalid("user", "must name a person: at most 64 characters, not beginning with \"system:\"");
  for (const Json& group : api::array_at(body, {"groups"})) {
    if (!group.is_string() || group.get_string().empty() || group.get_string().size() > 64)
      return invalid("groups", "each must be a text of 1 to 64 characters");
    if (!may_be_granted(std::string_view(group.get_string()), root))
      return invalid("groups",
                     fmt::format("{} belongs to the factory", std::string_view(group.get_string())));
    wish.groups.emplace_back(group.get_string());
    if (wish.groups.size() > 32) return invalid("groups", "at most 32");
  }
  if (wish.groups.empty()) wish.groups.emplace_back(root ? kOperators : kTenantAdmins);
  if (api::find(body, {"ttlSeconds"})) {
    const std::optional<int64_t> ttl = api::int_at(body, {"ttlSeconds"});
    if (!ttl || *ttl < 60 || *ttl > kMostTtl) return invalid("ttlSeconds", "must be between 60 and 34560000");
    wish.ttl_s = *ttl;
  }
  return wish;
}

std::string quoted(std::string_view text) { return api::to_text(Json(boost::json::string(text))); }

// A kubeconfig with everything inside it. JSON text is YAML, so quoted() is safe for any name.
std::string kubeconfig_text(std::string_view server, std::string_view cluster, std::string_view user,
                            std::string_view ca_pem, const Authority::KeyPair& pair) {
  return fmt::format(
      "apiVersion: v1\nkind: Config\nclusters:\n- name: {0}\n  cluster:\n    server: {1}\n"
      "    certificate-authority-data: {2}\nusers:\n- name: {3}\n  user:\n    client-certificate-data: {4}\n"
      "    client-key-data: {5}\ncontexts:\n- name: {0}\n  context:\n    cluster: {0}\n    user: {3}\n"
      "    namespace: default\ncurrent-context: {0}\n",
      quoted(cluster), quoted(server), base64(ca_pem), quoted(user), base64(pair.certificate_pem),
      base64(pair.key_pem));
}
}  // namespace

Result<void> admit_tenant(Call& call, Json& object) {
  const std::string_view name = api::string_at(object, {"metadata", "name"});
  if (name == "root") return fail(forbidden(call.type(), name, "root is the factory's own control plane"));
  if (name.size() > 63 || name.find('.') != name.npos) {
    Error error{
        .reason = Reason::Invalid,
        .message = fmt::format("Tenant.factory.ingot.dev \"{}\" is invalid: metadata.name: Invalid value: "
                               "\"{}\": must be a DNS label: at most 63 of [a-z0-9-]",
                               name, name)};
    error.causes.push_back({"FieldValueInvalid", "metadata.name", "must be a DNS label"});
    return fail(about(std::move(error), call.type(), name));
  }
  api::set(object, {"status"},
           {{"phase", "Active"}, {"cluster", new_cluster_id(call.services.env.entropy).value}});
  Json* metadata = object.as_object().if_contains("metadata");
  api::set(*metadata, {"finalizers"}, api::JsonArray{kTenantFinalizer});
  return admit_quota(call, nullptr, object);
}

Result<void> admit_tenant_update(Call& call, const Json& before, Json& after) {
  if (call.route().subresource == "status")
    return fail(
        forbidden(call.type(), call.route().name, "a tenant's status is written by the factory alone"));
  // Only the keeper lets go of a tenant, when its cluster is empty.
  api::add_finalizer(after, kTenantFinalizer);
  return admit_quota(call, &before, after);
}

Result<void> make_cluster(ClusterView cluster, Services& services) {
  for (const std::string_view ns : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    Json object = fresh_object(services, "Namespace", "", ns);
    api::set(object, {"metadata", "labels", "kubernetes.io/metadata.name"}, ns);
    api::set(object, {"spec", "finalizers"}, api::JsonArray{"kubernetes"});
    api::set(object, {"status", "phase"}, "Active");
    if (const auto put = cluster.put("namespaces", "", ns, std::move(object)); !put) return fail(put.error());
  }
  Json ca = fresh_object(services, "ConfigMap", "default", "kube-root-ca.crt");
  api::set(ca, {"data", "ca.crt"}, services.authority.ca_pem());
  if (const auto put = cluster.put("configmaps", "default", "kube-root-ca.crt", std::move(ca)); !put)
    return fail(put.error());
  const auto account = cluster.put("serviceaccounts", "default", "default",
                                   fresh_object(services, "ServiceAccount", "default", "default"));
  return account ? Result<void>{} : fail(account.error());
}

Result<Outcome> make_kubeconfig(Call& call) {
  const std::string& name = call.route().name;
  const bool root = name == "root";
  ClusterId home = kRootCluster;
  Revision shows{};
  if (!root) {
    const api::ObjectPtr tenant = call.factory.tenant(name);
    if (!tenant) return fail(not_found(call.type(), name));
    home = ClusterId(std::string(api::string_at(tenant->parse(), {"status", "cluster"})));
    shows = tenant->revision;
  } else if (!is_operator(call.who)) {
    return fail(forbidden(call.type(), name, "only an operator hands out the operator's credentials"));
  }
  const Result<KubeconfigWish> wish = read_wish(call, root);
  if (!wish) return fail(wish.error());
  const Identity identity{.name = wish->user, .groups = wish->groups, .home = home};
  Result<Authority::KeyPair> pair =
      call.services.authority.client_certificate(identity, std::chrono::seconds(wish->ttl_s));
  if (!pair) return fail(pair.error());
  const std::string server = fmt::format("{}/clusters/{}", call.services.options.external_url, name);
  const std::string text = kubeconfig_text(server, name, wish->user, call.services.authority.ca_pem(), *pair);
  return Answer{json_reply(201, JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                           {"kind", "TenantKubeconfig"},
                                           {"metadata", {{"name", name}}},
                                           {"kubeconfig", text}}),
                shows};
}

TenantKeeper::TenantKeeper(Services& services)
    : services_(services),
      tenants_(services.env, services.shard,
               {.cluster = kRootCluster.value, .resource = std::string(Factory::kTenants)}, true,
               {.reset = [this] { by_cluster_.clear(); },
                .change = [this](const store::Change& change) { changed(change); }}) {}

TenantKeeper::~TenantKeeper() {
  if (timer_) services_.env.loop.cancel(timer_);
}

void TenantKeeper::changed(const store::Change& change) {
  const Json value = change.object->parse();
  const std::string cluster(api::string_at(value, {"status", "cluster"}));
  if (change.deleted) {
    by_cluster_.erase(cluster);
    return;
  }
  const std::string name(change.object->key.name());
  const bool ending = !api::string_at(value, {"metadata", "deletionTimestamp"}).empty();
  by_cluster_[cluster] = {name, ending};
  if (!ending) return;
  ending_.insert(name);
  if (!timer_) tick_at(services_.env.clock.now());
}

const TenantKeeper::Known* TenantKeeper::find(const ClusterId& cluster) const {
  const auto it = by_cluster_.find(cluster.value);
  return it == by_cluster_.end() ? nullptr : &it->second;
}

void TenantKeeper::tick_at(Instant when) {
  timer_ = services_.env.loop.at(when, [this] { tick(); });
}

void TenantKeeper::tick() {
  timer_ = 0;
  if (ending_.empty()) return;
  tick_at(services_.env.clock.now() + kReapEvery);
  for (const std::string& tenant : ending_) {
    // A full queue: the next tick tries again.
    const Result<void> taken =
        services_.shard.submit([this, alive = std::weak_ptr<bool>(alive_), tenant](store::Turn& turn) {
          if (alive.lock()) step(turn, tenant);
        });
    if (!taken) return;
  }
}

// One bounded step. Idempotent: what it does follows from the objects alone.
void TenantKeeper::step(store::Turn& turn, const std::string& tenant) {
  ClusterView root(turn, kRootCluster);
  const api::ObjectPtr object = root.get(Factory::kTenants, "", tenant);
  if (!object) {
    ending_.erase(tenant);
    return;
  }
  const Json value = object->parse();
  const ClusterId cluster(std::string(api::string_at(value, {"status", "cluster"})));
  if (api::string_at(value, {"metadata", "deletionTimestamp"}).empty() || cluster.value.empty() ||
      cluster == kRootCluster) {
    ending_.erase(tenant);
    return;
  }
  for (const std::string_view resource : {"jobs.batch", "pods"})
    if (turn.erase_range(api::type_prefix(cluster, resource), kEraseStep) > 0) return;
  bool held = !services_.holdings->ready() || services_.holdings->any_in(cluster.value);
  root.range(Factory::kAllocations, "", "", [&](const api::ObjectPtr& allocation) {
    held = held || api::string_at(allocation->parse(), {"spec", "cluster"}) == cluster.value;
    return !held;
  });
  if (held || turn.erase_range(api::cluster_prefix(cluster), kEraseStep) > 0) return;
  services_.rbac.changed(cluster.value);
  if (const auto erased = root.erase(Factory::kTenants, "", tenant); erased)
    services_.env.log.info("tenant.erased", {{"tenant", tenant}, {"cluster", cluster.value}});
}

}  // namespace ingot::apiserver
