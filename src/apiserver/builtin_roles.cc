// The default roles and bindings, by upstream's names and meaning (kubernetes: plugin/pkg/auth/authorizer/rbac/
// bootstrappolicy). Only what this factory serves or a common client asks about.
#include <fmt/format.h>

#include <algorithm>

#include "apiserver/rbac.h"
#include "base/assert.h"

namespace ingot::apiserver {
namespace {
using List = std::vector<std::string>;

constexpr std::string_view kExperimentLogger = "ingot:experiment-logger";

const List& read() {
  static const List kVerbs{"get", "list", "watch"};
  return kVerbs;
}
const List& write() {
  static const List kVerbs{"create", "update", "patch", "delete", "deletecollection"};
  return kVerbs;
}
PolicyRule rule(List verbs, List groups, List resources) {
  return {.verbs = std::move(verbs), .groups = std::move(groups), .resources = std::move(resources)};
}
PolicyRule urls(List paths) { return {.verbs = {"get"}, .urls = std::move(paths)}; }

// What MLflow's API is about.
const List& tracked() {
  static const List kResources{"experiments", "runs", "runs/artifacts", "loggedmodels"};
  return kResources;
}

// What a pod that trains may do with its own credential: log, and read what was logged. Not delete.
// And register models, which neither promotes nor takes away.
Rules logger_rules() {
  return {rule({"create", "get", "list", "update"}, {"factory.ingot.dev"}, tracked()),
          rule({"create", "get", "list"}, {"factory.ingot.dev"}, {"models", "modelversions"})};
}

Rules view_rules() {
  return {
      rule(read(), {""},
           {"pods", "pods/status", "pods/log", "replicationcontrollers", "replicationcontrollers/scale",
            "serviceaccounts", "services", "services/status", "endpoints", "persistentvolumeclaims",
            "persistentvolumeclaims/status", "configmaps", "limitranges", "resourcequotas",
            "resourcequotas/status", "bindings", "namespaces", "namespaces/status"}),
      rule(read(), {"", "events.k8s.io"}, {"events"}),
      rule(read(), {"discovery.k8s.io"}, {"endpointslices"}),
      rule(read(), {"apps"},
           {"controllerrevisions", "statefulsets", "statefulsets/status", "statefulsets/scale", "daemonsets",
            "daemonsets/status", "deployments", "deployments/status", "deployments/scale", "replicasets",
            "replicasets/status", "replicasets/scale"}),
      rule(read(), {"autoscaling"}, {"horizontalpodautoscalers", "horizontalpodautoscalers/status"}),
      rule(read(), {"batch"}, {"jobs", "jobs/status", "cronjobs", "cronjobs/status"}),
      rule(read(), {"policy"}, {"poddisruptionbudgets", "poddisruptionbudgets/status"}),
      rule(read(), {"networking.k8s.io"}, {"networkpolicies", "ingresses", "ingresses/status"}),
      rule(read(), {"resource.k8s.io"},
           {"resourceclaims", "resourceclaims/status", "resourceclaimtemplates"}),
      rule(read(), {"scheduling.x-k8s.io"}, {"podgroups", "podgroups/status"}),
      rule(read(), {"argoproj.io"}, {"workflows", "workflowtemplates", "cronworkflows"}),
      rule(read(), {"factory.ingot.dev"},
           {"datasets", "datasetversions", "models", "models/aliases", "modelversions", "repositories"}),
      rule({"get"}, {"factory.ingot.dev"}, {"blobs"}),
      rule(read(), {"factory.ingot.dev"}, tracked()),
      rule({"list"}, {"factory.ingot.dev"}, {"signingkeys", "lineage", "gateverdicts"}),
  };
}

Rules edit_rules() {
  Rules rules = view_rules();
  const Rules more{
      rule(read(), {""},
           {"pods/attach", "pods/proxy", "pods/exec", "pods/portforward", "secrets", "services/proxy"}),
      rule({"impersonate"}, {""}, {"serviceaccounts"}),
      rule(write(), {""},
           {"pods", "pods/attach", "pods/proxy", "pods/exec", "pods/portforward", "replicationcontrollers",
            "replicationcontrollers/scale", "serviceaccounts", "services", "services/proxy",
            "persistentvolumeclaims", "configmaps", "secrets"}),
      rule({"create"}, {""}, {"pods/eviction", "serviceaccounts/token"}),
      rule(write(), {"", "events.k8s.io"}, {"events"}),
      rule(write(), {"apps"},
           {"statefulsets", "statefulsets/scale", "daemonsets", "deployments", "deployments/scale",
            "deployments/rollback", "replicasets", "replicasets/scale"}),
      rule(write(), {"autoscaling"}, {"horizontalpodautoscalers"}),
      rule(write(), {"batch"}, {"jobs", "cronjobs"}),
      rule(write(), {"policy"}, {"poddisruptionbudgets"}),
      rule(write(), {"networking.k8s.io"}, {"networkpolicies", "ingresses"}),
      rule(write(), {"resource.k8s.io"}, {"resourceclaims", "resourceclaimtemplates"}),
      rule(write(), {"scheduling.x-k8s.io"}, {"podgroups"}),
      rule(write(), {"argoproj.io"}, {"workflows", "workflowtemplates", "cronworkflows"}),
      rule(write(), {"factory.ingot.dev"},
           {"datasets", "datasetversions", "models", "modelversions", "repositories"}),
      rule({"create"}, {"factory.ingot.dev"}, {"blobs"}),
      rule(write(), {"factory.ingot.dev"}, tracked()),
      // Whoever may not read Secrets does not see where webhooks lead: their URLs may be secrets.
      rule(read(), {"factory.ingot.dev"}, {"webhooks"}),
      rule(write(), {"factory.ingot.dev"}, {"webhooks"}),
      rule(read(), {"coordination.k8s.io"}, {"leases"}),
      rule(write(), {"coordination.k8s.io"}, {"leases"}),
  };
  rules.insert(rules.end(), more.begin(), more.end());
  return rules;
}

Rules admin_rules() {
  Rules rules = edit_rules();
  rules.push_back(rule({"create"}, {"authorization.k8s.io"}, {"localsubjectaccessreviews"}));
  rules.push_back(rule({"update", "patch", "delete"}, {"factory.ingot.dev"}, {"models/aliases"}));
  rules.push_back(rule(read(), {"rbac.authorization.k8s.io"}, {"roles", "rolebindings"}));
  rules.push_back(rule(write(), {"rbac.authorization.k8s.io"}, {"roles", "rolebindings"}));
  return rules;
}

std::vector<std::pair<std::string, Rules>> all_roles() {
  const List own{"create"};
  return {
      {"admin", admin_rules()},
      {"cluster-admin", {rule({"*"}, {"*"}, {"*"}), {.verbs = {"*"}, .urls = {"*"}}}},
      {"edit", edit_rules()},
      {std::string(kExperimentLogger), logger_rules()},
      {"system:auth-delegator",
       {rule(own, {"authentication.k8s.io"}, {"tokenreviews"}),
        rule(own, {"authorization.k8s.io"}, {"subjectaccessreviews"})}},
      {"system:basic-user",
       {rule(own, {"authorization.k8s.io"}, {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}),
        rule(own, {"authentication.k8s.io"}, {"selfsubjectreviews"})}},
      {"system:discovery",
       {urls({"/livez", "/readyz", "/healthz", "/version", "/version/", "/openapi", "/openapi/*", "/api",
              "/api/*", "/apis", "/apis/*"})}},
      // What a node may do is decided by the node authorizer alone; the role is here to be named.
      {"system:node", {}},
      {"system:public-info-viewer", {urls({"/livez", "/readyz", "/healthz", "/version", "/version/"})}},
      {"view", view_rules()},
  };
}

api::JsonObject metadata(std::string_view name, WallTime created) {
  return {{"name", name},
          {"uid", fmt::format("builtin-{}", name)},
          {"resourceVersion", "1"},
          {"creationTimestamp", to_rfc3339(created)},
          {"labels", api::JsonObject{{"kubernetes.io/bootstrapping", "rbac-defaults"}}}};
}

api::ObjectPtr stored(std::string_view resource, std::string_view name, const api::JsonObject& value) {
  return std::make_shared<const api::Object>(
      api::Object{api::Key(kRootCluster, resource, "", name), Revision{1}, api::to_text(value)});
}
}  // namespace

BuiltinRoles::BuiltinRoles(WallTime created)
    : bindings_{{"cluster-admin",
                 "cluster-admin",
                 {"system:masters", std::string(kOperators), std::string(kTenantAdmins)}},
                {std::string(kExperimentLogger), std::string(kExperimentLogger), {"system:serviceaccounts"}},
                {"system:basic-user", "system:basic-user", {std::string(kAuthenticated)}},
                {"system:discovery", "system:discovery", {std::string(kAuthenticated)}},
                {"system:public-info-viewer",
                 "system:public-info-viewer",
                 {std::string(kAuthenticated), "system:unauthenticated"}}} {
  for (auto& [name, rules] : all_roles()) {
    api::JsonArray list;
    for (const PolicyRule& entry : rules) list.push_back(write_rule(entry));
    role_objects_.push_back(stored(kClusterRoles, name,
                                   {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                                    {"kind", "ClusterRole"},
                                    {"metadata", metadata(name, created)},
                                    {"rules", std::move(list)}}));
    roles_.emplace(name, std::make_shared<const Rules>(std::move(rules)));
  }
  for (const Binding& binding : bindings_) {
    api::JsonArray subjects;
    for (const std::string& group : binding.groups)
      subjects.push_back({{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Group"}, {"name", group}});
    api::JsonObject ref{
        {"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", binding.role}};
    binding_objects_.push_back(stored(kClusterRoleBindings, binding.name,
                                      {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                                       {"kind", "ClusterRoleBinding"},
                                       {"metadata", metadata(binding.name, created)},
                                       {"roleRef", std::move(ref)},
                                       {"subjects", std::move(subjects)}}));
    ASSERT(roles_.contains(binding.role));
  }
  ASSERT(std::ranges::is_sorted(role_objects_, {}, [](const api::ObjectPtr& o) { return o->key; }));
  ASSERT(std::ranges::is_sorted(binding_objects_, {}, [](const api::ObjectPtr& o) { return o->key; }));
}

RulesPtr BuiltinRoles::cluster_role(std::string_view name) const {
  const auto it = roles_.find(name);
  return it == roles_.end() ? nullptr : it->second;
}

const std::vector<api::ObjectPtr>& BuiltinRoles::objects(std::string_view resource) const {
  static const std::vector<api::ObjectPtr> kNone;
  if (resource == kClusterRoles) return role_objects_;
  if (resource == kClusterRoleBindings) return binding_objects_;
  return kNone;
}

}  // namespace ingot::apiserver
