// Role-based access control. An Index is what a cluster's roles and bindings allow, compiled once and shared until
// one of them changes; the built-in roles and bindings exist once and lie under every cluster's own.
// Thread rule: the loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/cluster_view.h"
#include "apiserver/lru.h"
#include "apiserver/request.h"

namespace ingot::apiserver {

// What is asked for. Resource requests have `resource`; others only `path`.
struct Attributes {
  std::string_view verb, group, resource, subresource, ns, name;
  std::string_view path;
};

// rbac.authorization.k8s.io/v1 PolicyRule.
struct PolicyRule {
  std::vector<std::string> verbs, groups, resources, names, urls;
  bool allows(const Attributes&) const;
};
PolicyRule read_rule(const api::Json&);
api::JsonObject write_rule(const PolicyRule&);
using Rules = std::vector<PolicyRule>;
using RulesPtr = std::shared_ptr<const Rules>;

// The roles and bindings every cluster has without storing them.
class BuiltinRoles {
 public:
  explicit BuiltinRoles(WallTime created);
  RulesPtr cluster_role(std::string_view name) const;  // nullptr: no such role
  // As objects, in name order: "clusterroles.…" and "clusterrolebindings.…".
  const std::vector<api::ObjectPtr>& objects(std::string_view resource) const;
  struct Binding {
    std::string name, role;
    std::vector<std::string> groups;
  };
  const std::vector<Binding>& bindings() const { return bindings_; }

 private:
  std::map<std::string, RulesPtr, std::less<>> roles_;
  std::vector<Binding> bindings_;
  std::vector<api::ObjectPtr> role_objects_, binding_objects_;
};

class Index {
 public:
  // Every rule that holds for `who` in namespace `ns` (cluster-wide ones always); false stops.
  using VisitRule = std::function<bool(const PolicyRule&)>;
  void rules_for(const Identity& who, std::string_view ns, const VisitRule&) const;
  bool allows(const Identity& who, const Attributes&) const;

 private:
  friend class Rbac;
  struct Grant {
    std::string ns;  // "" = cluster-wide
    RulesPtr rules;
  };
  std::shared_ptr<const Index> below_;
  std::map<std::string, std::vector<Grant>, std::less<>> users_, groups_;
};

class Rbac {
 public:
  explicit Rbac(WallTime created);
  const BuiltinRoles& builtin() const { return builtin_; }

  std::shared_ptr<const Index> index(const ClusterView&);
  void changed(const std::string& cluster) { cache_.erase(cluster); }
  void forget_all() { cache_.clear(); }

  // Rules of a stored or built-in role; empty when it does not exist. For escalation checks.
  Rules rules_of(const ClusterView&, std::string_view kind, std::string_view ns, std::string_view name) const;
  // The first rule of `wanted` that `who` does not hold already in `ns`, as text; "" when all are covered.
  std::string first_uncovered(const Index&, const Identity& who, std::string_view ns,
                              const Rules& wanted) const;

 private:
  std::shared_ptr<const Index> compile(const ClusterView&) const;
  void add_bindings(Index&, const ClusterView&, std::string_view resource) const;

  BuiltinRoles builtin_;
  std::shared_ptr<const Index> base_;
  Lru<std::string, std::shared_ptr<const Index>> cache_{1024};
};

inline constexpr std::string_view kRoles = "roles.rbac.authorization.k8s.io";
inline constexpr std::string_view kRoleBindings = "rolebindings.rbac.authorization.k8s.io";
inline constexpr std::string_view kClusterRoles = "clusterroles.rbac.authorization.k8s.io";
inline constexpr std::string_view kClusterRoleBindings = "clusterrolebindings.rbac.authorization.k8s.io";
bool is_rbac(std::string_view resource);

inline constexpr std::string_view kOperators = "ingot:operators";
inline constexpr std::string_view kTenantAdmins = "ingot:tenant-admins";
inline constexpr std::string_view kNodes = "system:nodes";
inline constexpr std::string_view kAuthenticated = "system:authenticated";

bool in_group(const Identity&, std::string_view group);
bool is_operator(const Identity&);
// The node's name when `who` is a node of the factory; "" otherwise.
std::string_view node_of(const Identity&);

}  // namespace ingot::apiserver
