// Every namespace has the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`.
#include "api/deletion.h"
#include "controllers/table.h"

namespace ingot::controllers {
namespace {

constexpr std::string_view kAccount = "default", kCaMap = "kube-root-ca.crt";

void watch(const Seen& seen, const Enqueue& enqueue) {
  const Key& key = seen.key();
  const bool deleted = seen.change.deleted;
  if (key.resource() == "namespaces") {
    if (!deleted) enqueue(key);
  } else if ((key.resource() == "serviceaccounts" && key.name() == kAccount && deleted) ||
             (key.resource() == "configmaps" && key.name() == kCaMap && (deleted || seen.change.before))) {
    enqueue(Key(ClusterId{std::string(key.cluster())}, "namespaces", "", key.ns()));
  }
}

Json account(std::string_view ns) {
  return {{"apiVersion", "v1"},
          {"kind", "ServiceAccount"},
          {"metadata", {{"name", kAccount}, {"namespace", ns}}}};
}
Json ca_map(std::string_view ns, const std::string& ca_pem) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata",
           {{"name", kCaMap},
            {"namespace", ns},
            {"annotations",
             {{"kubernetes.io/description",
               "The certificate authority of this cluster's API server, for clients that run in pods."}}}}},
          {"data", {{"ca.crt", ca_pem}}}};
}

Plan reconcile(const Snapshot& in, const Key& key, WallTime) {
  Plan plan;
  const std::string_view ns = key.name();
  const ObjectPtr object = in.get("namespaces", "", ns);
  if (!object) return plan;
  const ObjectPtr map = in.get("configmaps", ns, kCaMap);
  const bool has_account = in.get("serviceaccounts", ns, kAccount) != nullptr;
  // The usual case costs no parsing: a text that holds the escaped certificate.
  const std::string ca_text = api::to_text(Json{{"ca.crt", in.facts().ca_pem}});
  const bool has_map =
      map && map->json.find(std::string_view(ca_text).substr(1, ca_text.size() - 2)) != std::string::npos;
  if (has_account && has_map) return plan;
  if (api::is_deleting(object->parse())) return plan;

  if (!has_account) plan.create(in, "serviceaccounts", account(ns));
  if (!map) {
    plan.create(in, "configmaps", ca_map(ns, in.facts().ca_pem));
  } else if (!has_map) {
    Json changed = map->parse();
    api::set(changed, {"data"}, JsonObject{{"ca.crt", in.facts().ca_pem}});
    if (!api::is_deleting(changed)) plan.update(map, std::move(changed));
  }
  return plan;
}

}  // namespace

const Controller kNamespaceDefaults{"namespace_defaults", watch, reconcile};

}  // namespace ingot::controllers
