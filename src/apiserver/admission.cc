#include "apiserver/admission.h"
#include "apiserver/workflows.h"

#include <fmt/format.h>

#include "api/deletion.h"
#include "api/reserved.h"
#include "apiserver/device_admission.h"
#include "apiserver/gates.h"
#include "apiserver/models.h"
#include "apiserver/node_authorizer.h"
#include "apiserver/quotas.h"
#include "apiserver/source.h"
#include "apiserver/status.h"
#include "apiserver/tenants.h"
#include "apiserver/webhooks.h"
#include "policy/pod_admission.h"

namespace ingot::apiserver {
namespace {
using api::Json;

bool is_immortal(std::string_view ns) {
  return ns == "default" || ns == "kube-system" || ns == "kube-public";
}

using Parsed = std::shared_ptr<const Json>;

// Of what admission looks at again and again.
Parsed parsed(Call& call, const api::ObjectPtr& object) {
  if (!object) return nullptr;
  return call.services.parsed.of(object,
                                 [](Json value) { return std::make_shared<const Json>(std::move(value)); });
}

Result<Parsed> living_namespace(Call& call, std::string_view name) {
  const api::ObjectPtr object = call.view.get("namespaces", "", call.route().ns);
  if (!object) {
    Error error{.reason = Reason::NotFound,
                .message = fmt::format("namespaces \"{}\" not found", call.route().ns)};
    error.kind = "namespaces";
    error.name = call.route().ns;
    return fail(std::move(error));
  }
  const Parsed ns = parsed(call, object);
  if (api::string_at(*ns, {"status", "phase"}) != "Terminating" && !api::is_deleting(*ns)) return ns;
  Error error =
      forbidden(call.type(), name,
                fmt::format("unable to create new content in namespace {} because it is being terminated",
                            call.route().ns));
  error.causes.push_back({"NamespaceTerminating", "metadata.namespace",
                          fmt::format("namespace {} is being terminated", call.route().ns)});
  return fail(std::move(error));
}

Parsed default_priority_class(Call& call) {
  Parsed found;
  call.view.range(kPriorityClasses, "", "", [&](const api::ObjectPtr& object) {
    Parsed value = parsed(call, object);
    if (api::bool_at(*value, {"globalDefault"})) found = std::move(value);
    return !found;
  });
  return found;
}

Result<void> admit_pod(Call& call, Json& pod, const Json& ns) {
  const policy::AdmissionFacts facts{
      .service_account =
          [&](std::string_view name) {
            return parsed(call, call.view.get("serviceaccounts", call.route().ns, name));
          },
      .priority_class =
          [&](std::string_view name) { return parsed(call, call.view.get(kPriorityClasses, "", name)); },
      .default_priority_class = [&] { return default_priority_class(call); },
      .newest_version =
          [&](std::string_view dataset) {
            policy::NewestVersion newest(dataset);
            const std::string after = fmt::format("{}/{}", call.route().ns, newest.prefix());
            call.view.range("datasetversions.factory.ingot.dev", call.route().ns, after,
                            [&](const api::ObjectPtr& o) { return newest.see(o->key.name()); });
            return newest.found();
          },
      .namespace_object = ns,
      .of_the_factory = call.view.is_root() && call.route().ns == "kube-system",
      .random = call.services.env.entropy.next()};
  Result<std::vector<std::string>> warnings = policy::admit_pod(pod, facts);
  if (!warnings) return fail(about(warnings.error(), call.type(), api::string_at(pod, {"metadata", "name"})));
  std::ranges::move(*warnings, std::back_inserter(call.warnings));
  return {};
}

void complete_namespace(Json& object) {
  api::set(object, {"metadata", "labels", "kubernetes.io/metadata.name"},
           std::string(api::string_at(object, {"metadata", "name"})));
  api::set(object, {"spec", "finalizers"}, api::JsonArray{"kubernetes"});
  api::set(object, {"status"}, {{"phase", "Active"}});
}

void keep_reserved(Call& call, std::string_view resource, const Json* before, Json& after) {
  for (const std::string& field : api::keep_reserved(resource, before, after))
    call.warnings.push_back(field + " is the factory's own: what you say of it has no effect");
}

Result<void> admit_pod_update(Call& call, const Json& before, Json& after) {
  const std::string_view name = call.route().name;
  if (api::find(before, {"spec", "nodeName"}) != nullptr ||
      api::find(after, {"spec", "nodeName"}) != nullptr) {
    if (api::string_at(before, {"spec", "nodeName"}) != api::string_at(after, {"spec", "nodeName"}))
      return fail(forbidden(call.type(), name,
                            fmt::format("spec.nodeName is written by the scheduler alone; propose a node in "
                                        "annotation {}",
                                        policy::kProposedNodeAnnotation)));
  }
  if (call.route().subresource == "status" && !holds_pod(call, before))
    return fail(forbidden(call.type(), name, "only the node that runs a pod may write its status"));
  return call.route().subresource.empty() ? keep_images(call, before, after) : Result<void>{};
}
// What a claim holds follows from Allocations; who could write it would tell others what they do not have.
Result<void> admit_claim_update(Call& call, const Json& before, const Json& after) {
  for (const std::string_view field : {"allocation", "reservedFor"}) {
    const Json *was = api::find(before, {"status", field}), *now = api::find(after, {"status", field});
    if (!was != !now || (was && *was != *now))
      return fail(forbidden(call.type(), call.route().name,
                            fmt::format("status.{} is written by the scheduler alone", field)));
  }
  return {};
}

// What the author of new work may expect of the scheduler.
void foretell(Call& call, const Json& object) {
  if (!call.services.expectation) return;
  std::string text = call.services.expectation(call.view, object, call.factory.prices());
  if (!text.empty()) call.warnings.push_back(std::move(text));
}

// Fields that other schedulers need and this one does not.
void warn_of_ignored(Call& call, const Json& group) {
  for (const auto& [field, why] :
       {std::pair{"scheduleTimeoutSeconds", "gangs are placed whole or not at all, and wait until they are"},
        std::pair{"minResources", "gangs are placed whole or not at all, by what their pods ask for"}})
    if (api::find(group, {"spec", field}))
      call.warnings.push_back(fmt::format("spec.{} is ignored: {}", field, why));
}
}  // namespace

Result<void> check_writable(Call& call, std::string_view name) {
  const Source source(call, call.type());
  if (source.projected())
    return fail(
        forbidden(call.type(), name,
                  "nodes and their devices belong to the factory: a tenant's view of them is read-only"));
  if (!name.empty() && source.is_builtin(name) && call.in.verb != "create")
    return fail(forbidden(call.type(), name,
                          "it is built in and shared by all clusters: make one of your own instead"));
  return {};
}

Result<void> admit_create(Call& call, Json& object) {
  const std::string resource = call.type().resource();
  const std::string_view name = api::string_at(object, {"metadata", "name"});
  if (const Result<void> own = admit_node_write(call, nullptr, object); !own) return own;
  if (const TenantKeeper::Known* tenant = call.services.tenants->find(call.view.cluster());
      tenant && tenant->ending)
    return fail(forbidden(call.type(), name, fmt::format("tenant {} is being deleted", tenant->name)));
  if (call.type().namespaced) {
    const Result<Parsed> ns = living_namespace(call, name);
    if (!ns) return fail(ns.error());
    if (resource == "pods") {
      const Result<void> admitted = admit_pod(call, object, **ns);
      if (admitted) foretell(call, object);
      return admitted;
    }
    if (const Json* pod = api::find(object, {"spec", "template"}); pod && resource == "jobs.batch") {
      std::ranges::move(policy::template_warnings(*pod, **ns), std::back_inserter(call.warnings));
      foretell(call, object);
    }
  }
  if (holds_templates(call.type())) {
    api::erase(object, {"status"});
    keep_reserved(call, resource, nullptr, object);
    return check_templates(call, object);
  }
  if (is_model(call.type())) return admit_model_create(call, object);
  if (is_webhook(call.type())) return admit_webhook(call, Json(), object);
  if (resource == "podgroups.scheduling.x-k8s.io") warn_of_ignored(call, object);
  if (resource == "namespaces") complete_namespace(object);
  if (resource == Factory::kTenants) return admit_tenant(call, object);
  if (resource == kQueues) return admit_quota(call, nullptr, object);
  if (resource == kPools) return admit_pool(call, nullptr, object);
  if (resource == kBudgets || resource == kGates) return admit_gate(call, object);
  if (resource == kGateExceptions) return admit_exception(call, object);
  if (resource == kPriorityClasses && name.starts_with("system-"))
    return fail(forbidden(call.type(), name,
                          "priority class names with 'system-' prefix are reserved for system use only"));
  if (is_rbac(resource)) return check_escalation(call, object);
  std::ranges::move(ignored_of_devices(call.type(), object, nullptr), std::back_inserter(call.warnings));
  return check_selectors(call.type(), object, nullptr);
}

Result<void> admit_update(Call& call, const Json& before, Json& after) {
  const std::string resource = call.type().resource();
  if (const Result<void> own = admit_node_write(call, &before, after); !own) return own;
  keep_reserved(call, resource, &before, after);
  if (resource == "pods") return admit_pod_update(call, before, after);
  if (is_workflow(call.type())) return check_begun(call, before, after);
  if (holds_templates(call.type())) return check_templates(call, after, &before);
  if (resource == "resourceclaims.resource.k8s.io") return admit_claim_update(call, before, after);
  if (is_rbac(resource)) return check_escalation(call, after);
  if (resource == Factory::kTenants) return admit_tenant_update(call, before, after);
  if (is_model(call.type())) return admit_model_update(call, before, after);
  if (is_webhook(call.type())) return admit_webhook(call, before, after);
  if ((resource == kQueues || resource == kBudgets) && call.route().subresource == "status")
    return fail(
        forbidden(call.type(), call.route().name,
                  fmt::format("a {}'s status is written by the factory alone", call.type().singular)));
  if (resource == kQueues) return admit_quota(call, &before, after);
  if (resource == kPools) return admit_pool(call, &before, after);
  if (resource == kBudgets || resource == kGates) return admit_gate(call, after);
  if (resource == Factory::kAllocations && node_of(call.who).empty())
    return fail(
        forbidden(call.type(), call.route().name,
                  "only the node that holds it says when it ends; delete the Node of one that is gone"));
  if (resource == "namespaces" && call.route().subresource.empty())
    api::set(after, {"metadata", "labels", "kubernetes.io/metadata.name"}, call.route().name);
  std::ranges::move(ignored_of_devices(call.type(), after, &before), std::back_inserter(call.warnings));
  return check_selectors(call.type(), after, &before);
}

Result<void> admit_delete(Call& call, const api::ObjectPtr& stored) {
  const std::string_view name = stored->key.name();
  if (stored->key.resource() == "namespaces" && is_immortal(name))
    return fail(forbidden(call.type(), name, "this namespace may not be deleted"));
  if (stored->key.resource() == kQueues) return admit_queue_delete(call, name);
  return {};
}

Result<void> after_create(Call& call, const api::ObjectPtr& stored) {
  if (is_model(call.type())) return after_model_create(call, stored);
  if (stored->key.resource() != Factory::kTenants) return {};
  const ClusterId cluster(std::string(api::string_at(stored->parse(), {"status", "cluster"})));
  return make_cluster(call.factory.fresh_cluster(cluster), call.services);
}

Result<void> after_update(Call& call, const Json& before, const Json& after) {
  if (is_model(call.type())) return after_model_update(call, before, after);
  return {};
}

Result<void> after_erase(Call& call, const api::ObjectPtr& object) {
  if (is_webhook(call.type())) return forget_webhook(call, object->key.name());
  return {};
}

Result<void> check_escalation(Call& call, const Json& object) {
  const std::string_view kind = api::string_at(object, {"kind"});
  const std::string_view ns = call.route().ns, name = api::string_at(object, {"metadata", "name"});
  const Rbac& rbac = call.services.rbac;
  const bool binding = kind.ends_with("Binding");
  Rules wanted;
  if (binding) {
    const std::string_view role_kind = api::string_at(object, {"roleRef", "kind"});
    const std::string_view role = api::string_at(object, {"roleRef", "name"});
    if (call.allowed({.verb = "bind",
                      .group = "rbac.authorization.k8s.io",
                      .resource = role_kind == "Role" ? "roles" : "clusterroles",
                      .ns = ns,
                      .name = role}))
      return {};
    wanted = rbac.rules_of(call.view, role_kind, ns, role);
  } else {
    if (call.allowed({.verb = "escalate",
                      .group = "rbac.authorization.k8s.io",
                      .resource = call.type().plural,
                      .ns = ns,
                      .name = name}))
      return {};
    for (const Json& rule : api::array_at(object, {"rules"})) wanted.push_back(read_rule(rule));
    // An aggregated role holds whatever its selectors find, now and later: only who may do everything may make one.
    if (!api::object_at(object, {"aggregationRule"}).empty())
      wanted.push_back({.verbs = {"*"}, .groups = {"*"}, .resources = {"*"}});
  }
  const std::string missing = rbac.first_uncovered(*call.access, call.who, ns, wanted);
  if (missing.empty()) return {};
  return fail(forbidden(
      call.type(), name,
      fmt::format("user \"{}\" (groups={}) is attempting to grant RBAC permissions not currently "
                  "held:\n{}",
                  call.who.name, api::to_text(api::JsonArray(call.who.groups.begin(), call.who.groups.end())),
                  missing)));
}

}  // namespace ingot::apiserver
