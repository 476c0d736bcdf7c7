#include <algorithm>
#include <set>

#include "api/names.h"
#include "api/validate.h"
#include "base/quantity.h"

namespace ingot::api {
namespace {

using Names = std::set<std::string, std::less<>>;

void probe(const Json& probe, std::string_view path, bool once, FieldErrors& errors);

// exec, httpGet, tcpSocket, grpc (probes) and sleep (lifecycle): exactly one.
void handler(const Json& value, std::string_view path, FieldErrors& errors) {
  int given = 0;
  for (std::string_view name : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    const Json* one = find(value, {name});
    if (!one) continue;
    if (++given > 1) errors.forbidden(child(path, name), "may not specify more than 1 handler type");
    const std::string at = child(path, name);
    if (name == "exec" && array_at(*one, {"command"}).empty()) errors.required(child(at, "command"));
    if (name == "httpGet" && string_at(*one, {"path"}).empty()) errors.required(child(at, "path"));
    if (name == "httpGet" || name == "tcpSocket" || name == "grpc")
      port(find(*one, {"port"}), child(at, "port"), errors);
    if (name == "sleep") at_least(*one, "seconds", 0, at, errors);
  }
  if (given == 0) errors.required(std::string(path), "must specify a handler type");
}

void probe(const Json& value, std::string_view path, bool once, FieldErrors& errors) {
  handler(value, path, errors);
  at_least(value, "initialDelaySeconds", 0, path, errors);
  for (std::string_view name : {"timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"})
    at_least(value, name, 1, path, errors);
  at_least(value, "terminationGracePeriodSeconds", 1, path, errors);
  if (once && int_at(value, {"successThreshold"}).value_or(1) != 1)
    errors.invalid(child(path, "successThreshold"), *find(value, {"successThreshold"}), "must be 1");
}

void ports(const Json& container, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(container, {"ports"});
  Names names;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(child(path, "ports"), i);
    if (const std::string_view name = string_at(list[i], {"name"}); !name.empty()) {
      errors.check(child(at, "name"), name, port_name_fault(name));
      if (!names.emplace(name).second) errors.duplicate(child(at, "name"), Json(std::string(name)));
    }
    const int64_t number = int_at(list[i], {"containerPort"}).value_or(0);
    if (number == 0)
      errors.required(child(at, "containerPort"));
    else
      port(find(list[i], {"containerPort"}), child(at, "containerPort"), errors);
    if (int_at(list[i], {"hostPort"}).value_or(0) != 0)
      port(find(list[i], {"hostPort"}), child(at, "hostPort"), errors);
  }
}

bool is_field_path(std::string_view path) {
  for (std::string_view known :
       {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
        "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"})
    if (path == known) return true;
  return (path.starts_with("metadata.labels['") || path.starts_with("metadata.annotations['")) &&
         path.ends_with("']");
}

void value_from(const Json& source, std::string_view path, FieldErrors& errors) {
  constexpr std::string_view kSources[] = {"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef",
                                           "fileKeyRef"};
  const auto given =
      std::ranges::count_if(kSources, [&](std::string_view name) { return find(source, {name}); });
  if (given == 0)
    return errors.invalid(
        std::string(path), "",
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
        "`fileKeyRef`");
  if (given > 1)
    return errors.invalid(std::string(path), "", "may not have more than one field specified at a time");
  if (const Json* field = find(source, {"fieldRef"})) {
    const std::string at = child(child(path, "fieldRef"), "fieldPath");
    const std::string_view name = string_at(*field, {"fieldPath"});
    if (name.empty())
      errors.required(at);
    else if (!is_field_path(name))
      errors.unsupported(
          at, name,
          {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
           "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"});
  }
  if (const Json* field = find(source, {"resourceFieldRef"})) {
    const std::string at = child(path, "resourceFieldRef");
    const std::string_view name = string_at(*field, {"resource"});
    if (name.empty())
      errors.required(child(at, "resource"));
    else if (!name.starts_with("limits.") && !name.starts_with("requests."))
      errors.unsupported(child(at, "resource"), name,
                         {"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu",
                          "requests.ephemeral-storage", "requests.memory"});
  }
  for (std::string_view ref : {"configMapKeyRef", "secretKeyRef"}) {
    const Json* selector = find(source, {ref});
    if (!selector) continue;
    const std::string at = child(path, ref);
    if (string_at(*selector, {"name"}).empty()) errors.required(child(at, "name"));
    const std::string_view key = string_at(*selector, {"key"});
    if (key.empty())
      errors.required(child(at, "key"));
    else
      errors.check(child(at, "key"), key, config_key_fault(key));
  }
}

void environment(const Json& container, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(container, {"env"});
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(child(path, "env"), i);
    const std::string_view name = string_at(list[i], {"name"});
    if (name.empty())
      errors.required(child(at, "name"));
    else
      errors.check(child(at, "name"), name, env_name_fault(name));
    const Json* source = find(list[i], {"valueFrom"});
    if (!source) continue;
    if (!string_at(list[i], {"value"}).empty())
      errors.invalid(child(at, "valueFrom"), "", "may not be specified when `value` is not empty");
    value_from(*source, child(at, "valueFrom"), errors);
  }
  const JsonArray& from = array_at(container, {"envFrom"});
  for (size_t i = 0; i < from.size(); ++i) {
    const std::string at = item(child(path, "envFrom"), i);
    const Json *map = find(from[i], {"configMapRef"}), *secret = find(from[i], {"secretRef"});
    if (!map && !secret) errors.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`");
    if (map && secret) errors.invalid(at, "", "may not have more than one field specified at a time");
    if (map && string_at(*map, {"name"}).empty()) errors.required(child(child(at, "configMapRef"), "name"));
    if (secret && string_at(*secret, {"name"}).empty())
      errors.required(child(child(at, "secretRef"), "name"));
    if (const std::string_view prefix = string_at(from[i], {"prefix"}); !prefix.empty())
      errors.check(child(at, "prefix"), prefix, env_name_fault(prefix));
  }
}

bool climbs(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (path.substr(0, slash) == "..") return true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

void mounts(const Json& container, const Names& volumes, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(container, {"volumeMounts"});
  Names paths;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(child(path, "volumeMounts"), i);
    const std::string_view name = string_at(list[i], {"name"}), mount = string_at(list[i], {"mountPath"});
    if (name.empty())
      errors.required(child(at, "name"));
    else if (!volumes.contains(name))
      errors.not_found(child(at, "name"), Json(std::string(name)));
    if (mount.empty())
      errors.required(child(at, "mountPath"));
    else if (!paths.emplace(mount).second)
      errors.invalid(child(at, "mountPath"), Json(std::string(mount)), "must be unique");
    const std::string_view sub = string_at(list[i], {"subPath"}), expr = string_at(list[i], {"subPathExpr"});
    if (!sub.empty() && !expr.empty())
      errors.invalid(child(at, "subPathExpr"), Json(std::string(expr)),
                     "subPathExpr and subPath are mutually exclusive");
    for (std::string_view one : {sub, expr}) {
      const std::string where = child(at, one == sub ? "subPath" : "subPathExpr");
      if (one.starts_with('/')) errors.invalid(where, Json(std::string(one)), "must be a relative path");
      if (climbs(one)) errors.invalid(where, Json(std::string(one)), "must not contain '..'");
    }
  }
}

void security(const Json& container, std::string_view path, FieldErrors& errors) {
  const Json* context = find(container, {"securityContext"});
  if (!context) return;
  const std::string at = child(path, "securityContext");
  for (std::string_view name : {"runAsUser", "runAsGroup"}) at_least(*context, name, 0, at, errors);
  if (bool_at(*context, {"privileged"}) && !bool_at(*context, {"allowPrivilegeEscalation"}, true))
    errors.invalid(at, *context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
}

void container(const Json& c, const Names& volumes, bool init, std::string_view path, FieldErrors& errors) {
  const std::string_view image = string_at(c, {"image"});
  if (image.empty())
    errors.required(child(path, "image"));
  else if (std::isspace(static_cast<unsigned char>(image.front())) ||
           std::isspace(static_cast<unsigned char>(image.back())))
    errors.invalid(child(path, "image"), Json(std::string(image)),
                   "must not have leading or trailing whitespace");
  ports(c, path, errors);
  environment(c, path, errors);
  mounts(c, volumes, path, errors);
  security(c, path, errors);
  if (const Json* resources = find(c, {"resources"}))
    validate_resources(*resources, child(path, "resources"), errors);
  const std::string_view restart = string_at(c, {"restartPolicy"});
  const bool sidecar = init && restart == "Always";
  if (!restart.empty()) {
    const std::vector<std::string> policies = init && find(c, {"restartPolicyRules"}) == nullptr
                                                  ? std::vector<std::string>{"Always"}
                                                  : std::vector<std::string>{"Always", "Never", "OnFailure"};
    if (std::ranges::find(policies, restart) == policies.end())
      errors.unsupported(child(path, "restartPolicy"), restart, policies);
  }
  for (std::string_view name : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"}) {
    const Json* value = find(c, {name});
    if (!value) continue;
    const std::string at = child(path, name);
    if (init && !sidecar)
      errors.forbidden(at, "may not be set for init containers without restartPolicy=Always");
    else if (name != "lifecycle")
      probe(*value, at, name != "readinessProbe", errors);
    else
      for (std::string_view hook : {"postStart", "preStop"})
        if (const Json* h = find(*value, {hook})) handler(*h, child(at, hook), errors);
  }
}

}  // namespace

void port(const Json* value, std::string path, FieldErrors& errors) {
  if (!value) return errors.required(std::move(path));
  if (value->is_string()) return errors.check(path, text(*value), port_name_fault(text(*value)));
  const int64_t number = value->is_int64() ? value->get_int64() : 0;
  if (number < 1 || number > 65535)
    errors.invalid(std::move(path), *value, "must be between 1 and 65535, inclusive");
}

void at_least(const Json& object, std::string_view name, int64_t least, std::string_view path,
              FieldErrors& errors) {
  const std::optional<int64_t> value = int_at(object, {name});
  if (value && *value < least)
    errors.invalid(child(path, name), *value, "must be greater than or equal to " + std::to_string(least));
}

void validate_resources(const Json& resources, std::string_view path, FieldErrors& errors) {
  const JsonObject &limits = object_at(resources, {"limits"}), &requests = object_at(resources, {"requests"});
  if (const Json* map = find(resources, {"limits"})) quantities(*map, child(path, "limits"), errors);
  if (const Json* map = find(resources, {"requests"})) quantities(*map, child(path, "requests"), errors);
  auto extended = [](std::string_view name) {
    return name.find('/') != name.npos && !name.starts_with("kubernetes.io/") &&
           !name.starts_with("requests.");
  };
  auto whole = [&](const JsonObject& map, std::string_view field) {
    for (const auto& [key, value] : map)
      if (const auto q = Quantity::parse(text(value));
          q && extended({key.data(), key.size()}) && q->milli % 1000)
        errors.invalid(entry(child(path, field), {key.data(), key.size()}), value, "must be an integer");
  };
  whole(limits, "limits");
  whole(requests, "requests");
  for (const auto& [key, value] : requests) {
    const std::string_view name(key.data(), key.size());
    const Json* limit = limits.if_contains(key);
    const bool fixed = extended(name) || name.starts_with("hugepages-");
    if (!limit) {
      if (fixed) errors.required(child(path, "limits"), "Limit must be set for non overcommitable resources");
      continue;
    }
    const auto asked = Quantity::parse(text(value)), most = Quantity::parse(text(*limit));
    if (!asked || !most) continue;
    const std::string tail = std::string(name) + " limit of " + std::string(text(*limit));
    if (fixed && *asked != *most)
      errors.invalid(child(path, "requests"), value, "must be equal to " + tail);
    else if (*asked > *most)
      errors.invalid(child(path, "requests"), value, "must be less than or equal to " + tail);
  }
}

void validate_containers(const Json& spec, std::string_view path, FieldErrors& errors) {
  Names volumes, names;
  for (const Json& volume : array_at(spec, {"volumes"})) volumes.emplace(string_at(volume, {"name"}));
  if (array_at(spec, {"containers"}).empty()) errors.required(child(path, "containers"));
  for (std::string_view list : {"initContainers", "containers"}) {
    const JsonArray& containers = array_at(spec, {list});
    for (size_t i = 0; i < containers.size(); ++i) {
      const std::string at = item(child(path, list), i);
      const std::string_view name = string_at(containers[i], {"name"});
      if (name.empty())
        errors.required(child(at, "name"));
      else
        errors.check(child(at, "name"), name, dns_label_fault(name));
      if (!name.empty() && !names.emplace(name).second)
        errors.duplicate(child(at, "name"), Json(std::string(name)));
      container(containers[i], volumes, list == "initContainers", at, errors);
    }
  }
}

}  // namespace ingot::api
