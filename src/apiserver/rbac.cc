#include "apiserver/rbac.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace ingot::apiserver {
namespace {
using api::Json;
using api::JsonArray;
using api::JsonObject;

bool has(const std::vector<std::string>& list, std::string_view value) {
  return std::ranges::find(list, value) != list.end();
}
bool has_or_star(const std::vector<std::string>& list, std::string_view value) {
  return std::ranges::any_of(list, [&](const std::string& entry) { return entry == value || entry == "*"; });
}

// "pods", "pods/log", "*", "*/scale" (rbac/v1 helpers: ResourceMatches).
bool resource_matches(const std::vector<std::string>& rules, std::string_view resource,
                      std::string_view sub) {
  for (const std::string& rule : rules) {
    if (rule == "*") return true;
    if (sub.empty() ? rule == resource
                    : rule.size() == resource.size() + 1 + sub.size() && rule.starts_with(resource) &&
                          rule[resource.size()] == '/' && rule.ends_with(sub))
      return true;
    if (!sub.empty() && rule.starts_with("*/") && std::string_view(rule).substr(2) == sub) return true;
  }
  return false;
}

bool url_matches(const std::vector<std::string>& rules, std::string_view path) {
  for (const std::string& rule : rules) {
    if (rule == "*" || rule == path) return true;
    if (rule.ends_with('*') && path.starts_with(std::string_view(rule).substr(0, rule.size() - 1)))
      return true;
  }
  return false;
}

std::vector<std::string> strings(const Json& value, std::string_view field) {
  std::vector<std::string> out;
  for (const Json& entry : api::array_at(value, {field}))
    if (entry.is_string()) out.emplace_back(entry.get_string());
  return out;
}

void write_strings(JsonObject& out, std::string_view field, const std::vector<std::string>& values) {
  if (!values.empty()) out[field] = JsonArray(values.begin(), values.end());
}

Rules read_rules(const Json& role) {
  Rules rules;
  for (const Json& rule : api::array_at(role, {"rules"})) rules.push_back(read_rule(rule));
  return rules;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kAggregated{{
    {"admin", "rbac.authorization.k8s.io/aggregate-to-admin"},
    {"edit", "rbac.authorization.k8s.io/aggregate-to-edit"},
    {"view", "rbac.authorization.k8s.io/aggregate-to-view"},
}};
}  // namespace

bool PolicyRule::allows(const Attributes& a) const {
  if (!has_or_star(verbs, a.verb)) return false;
  if (a.resource.empty()) return url_matches(urls, a.path);
  return has_or_star(groups, a.group) && resource_matches(resources, a.resource, a.subresource) &&
         (names.empty() || has(names, a.name));
}

PolicyRule read_rule(const Json& rule) {
  return {.verbs = strings(rule, "verbs"),
          .groups = strings(rule, "apiGroups"),
          .resources = strings(rule, "resources"),
          .names = strings(rule, "resourceNames"),
          .urls = strings(rule, "nonResourceURLs")};
}

JsonObject write_rule(const PolicyRule& rule) {
  JsonObject out;
  write_strings(out, "verbs", rule.verbs);
  write_strings(out, "apiGroups", rule.groups);
  write_strings(out, "resources", rule.resources);
  write_strings(out, "resourceNames", rule.names);
  write_strings(out, "nonResourceURLs", rule.urls);
  return out;
}

void Index::rules_for(const Identity& who, std::string_view ns, const VisitRule& visit) const {
  const auto each = [&](const auto& grants, std::string_view subject) {
    const auto it = grants.find(subject);
    if (it == grants.end()) return true;
    for (const Grant& grant : it->second) {
      if (!grant.ns.empty() && grant.ns != ns) continue;
      for (const PolicyRule& rule : *grant.rules)
        if (!visit(rule)) return false;
    }
    return true;
  };
  for (const Index* index = this; index; index = index->below_.get()) {
    if (!each(index->users_, who.name)) return;
    for (const std::string& group : who.groups)
      if (!each(index->groups_, group)) return;
  }
}

bool Index::allows(const Identity& who, const Attributes& attributes) const {
  bool allowed = false;
  rules_for(who, attributes.ns, [&](const PolicyRule& rule) { return !(allowed = rule.allows(attributes)); });
  return allowed;
}

Rbac::Rbac(WallTime created) : builtin_(created) {
  auto base = std::make_shared<Index>();
  for (const BuiltinRoles::Binding& binding : builtin_.bindings())
    for (const std::string& group : binding.groups)
      base->groups_[group].push_back({"", builtin_.cluster_role(binding.role)});
  base_ = std::move(base);
}

std::shared_ptr<const Index> Rbac::index(const ClusterView& view) {
  if (auto* known = cache_.find(view.cluster().value)) return *known;
  return cache_.put(view.cluster().value, compile(view));
}

Rules Rbac::rules_of(const ClusterView& view, std::string_view kind, std::string_view ns,
                     std::string_view name) const {
  if (kind == "Role") {
    const api::ObjectPtr role = view.get(kRoles, ns, name);
    return role ? read_rules(role->parse()) : Rules{};
  }
  Rules rules;
  std::string_view aggregate;
  std::vector<JsonObject> selectors;
  if (const RulesPtr builtin = builtin_.cluster_role(name)) {
    rules = *builtin;
    for (const auto& [role, label] : kAggregated)
      if (role == name) aggregate = label;
  } else if (const api::ObjectPtr role = view.get(kClusterRoles, "", name)) {
    const Json value = role->parse();
    rules = read_rules(value);
    for (const Json& selector : api::array_at(value, {"aggregationRule", "clusterRoleSelectors"}))
      selectors.push_back(api::object_at(selector, {"matchLabels"}));
  }
  if (aggregate.empty() && selectors.empty()) return rules;
  if (!aggregate.empty()) selectors.push_back({{aggregate, "true"}});
  view.range(kClusterRoles, "", "", [&](const api::ObjectPtr& role) {
    if (role->key.name() == name) return true;
    const Json value = role->parse();
    const JsonObject& labels = api::object_at(value, {"metadata", "labels"});
    const bool selected = std::ranges::any_of(selectors, [&](const JsonObject& wanted) {
      return !wanted.empty() && std::ranges::all_of(wanted, [&](const auto& entry) {
        const Json* label = labels.if_contains(entry.key());
        return label && *label == entry.value();
      });
    });
    if (selected) std::ranges::move(read_rules(value), std::back_inserter(rules));
    return true;
  });
  return rules;
}

void Rbac::add_bindings(Index& index, const ClusterView& view, std::string_view resource) const {
  view.range(resource, "", "", [&](const api::ObjectPtr& object) {
    const Json binding = object->parse();
    const std::string ns(object->key.ns());
    auto rules = std::make_shared<const Rules>(rules_of(view, api::string_at(binding, {"roleRef", "kind"}),
                                                        ns, api::string_at(binding, {"roleRef", "name"})));
    if (rules->empty()) return true;
    for (const Json& subject : api::array_at(binding, {"subjects"})) {
      const std::string_view kind = api::string_at(subject, {"kind"});
      const std::string name(api::string_at(subject, {"name"}));
      if (kind == "User") index.users_[name].push_back({ns, rules});
      if (kind == "Group") index.groups_[name].push_back({ns, rules});
      if (kind == "ServiceAccount") {
        const std::string_view home = api::string_at(subject, {"namespace"});
        index.users_[fmt::format("system:serviceaccount:{}:{}", home, name)].push_back({ns, rules});
      }
    }
    return true;
  });
}

std::shared_ptr<const Index> Rbac::compile(const ClusterView& view) const {
  auto index = std::make_shared<Index>();
  add_bindings(*index, view, kClusterRoleBindings);
  add_bindings(*index, view, kRoleBindings);
  if (index->users_.empty() && index->groups_.empty()) return base_;
  index->below_ = base_;
  return index;
}

std::string Rbac::first_uncovered(const Index& index, const Identity& who, std::string_view ns,
                                  const Rules& wanted) const {
  // Upstream breaks rules into single (verb, group, resource, name) permissions and looks each up
  // (component-helpers: auth/rbac/validation). Bounded: what is larger than this is refused as a whole.
  constexpr size_t kMost = 20'000;
  Rules held;
  index.rules_for(who, ns, [&](const PolicyRule& rule) { return held.push_back(rule), true; });
  const std::vector<std::string> any{""};
  size_t checked = 0;
  const auto covered = [&](const auto& one) { return ++checked <= kMost && std::ranges::any_of(held, one); };
  for (const PolicyRule& rule : wanted) {
    for (const std::string& verb : rule.verbs) {
      for (const std::string& url : rule.urls) {
        if (!covered(
                [&](const PolicyRule& r) { return has_or_star(r.verbs, verb) && url_matches(r.urls, url); }))
          return fmt::format("{{NonResourceURLs:[\"{}\"], Verbs:[\"{}\"]}}", url, verb);
      }
      for (const std::string& group : rule.groups) {
        for (const std::string& resource : rule.resources) {
          const size_t slash = resource.find('/');
          const std::string_view plural = std::string_view(resource).substr(0, slash);
          const std::string_view sub =
              slash == resource.npos ? "" : std::string_view(resource).substr(slash + 1);
          for (const std::string& name : rule.names.empty() ? any : rule.names) {
            if (!covered([&](const PolicyRule& r) {
                  return has_or_star(r.verbs, verb) && has_or_star(r.groups, group) &&
                         resource_matches(r.resources, plural, sub) &&
                         (r.names.empty() || has(r.names, name));
                }))
              return fmt::format("{{APIGroups:[\"{}\"], Resources:[\"{}\"]{}, Verbs:[\"{}\"]}}", group,
                                 resource, name.empty() ? "" : fmt::format(", ResourceNames:[\"{}\"]", name),
                                 verb);
          }
        }
      }
    }
  }
  return {};
}

bool is_rbac(std::string_view resource) { return resource.ends_with(".rbac.authorization.k8s.io"); }

bool in_group(const Identity& who, std::string_view group) { return has(who.groups, group); }
bool is_operator(const Identity& who) { return who.home == kRootCluster && in_group(who, kOperators); }
std::string_view node_of(const Identity& who) {
  constexpr std::string_view kPrefix = "system:node:";
  if (who.home != kRootCluster || !in_group(who, kNodes) || !who.name.starts_with(kPrefix)) return {};
  return std::string_view(who.name).substr(kPrefix.size());
}

}  // namespace ingot::apiserver
