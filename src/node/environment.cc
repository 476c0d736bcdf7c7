#include "node/environment.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/quantity.h"
#include "node/resources.h"
#include "node/tracking.h"

namespace ingot::node {
namespace {
using api::Json;
using api::JsonObject;

void assign(Environment& env, std::string_view name, std::string value) {
  const auto it = std::ranges::find(env, name, &std::pair<std::string, std::string>::first);
  if (it != env.end())
    it->second = std::move(value);
  else
    env.emplace_back(std::string(name), std::move(value));
}

std::string_view text(const Json& v) { return v.is_string() ? api::string_at(v, {}) : std::string_view(); }

// The data of a ConfigMap or Secret as plain text; a Secret's is base64.
std::optional<std::string> value_of(const Json& object, std::string_view key, bool secret) {
  const Json* found = api::find(object, {"data", key});
  if (!found) return std::nullopt;
  return secret ? parse_base64(text(*found)) : std::optional<std::string>(text(*found));
}

struct Source {
  std::string_view kind;   // "configmap"
  std::string_view title;  // "ConfigMap"
  bool secret;
  const std::map<std::string, std::optional<Json>>* objects;
};

// The object a reference names; nullptr where it is absent and may be.
Result<const Json*> look_up(const Source& source, const Json& reference) {
  const std::string name(api::string_at(reference, {"name"}));
  const auto it = source.objects->find(name);
  if (it != source.objects->end() && it->second) return &*it->second;
  if (api::bool_at(reference, {"optional"})) return nullptr;
  return fail(Reason::NotFound, fmt::format("{} \"{}\" not found", source.kind, name));
}

Result<void> add_all(Environment& env, const Source& source, const Json& reference, std::string_view prefix) {
  const auto object = look_up(source, reference);
  if (!object) return fail(object.error());
  if (!*object) return {};
  std::vector<std::string> keys;
  for (const auto& member : api::object_at(**object, {"data"})) keys.emplace_back(member.key());
  std::ranges::sort(keys);
  for (const std::string& key : keys)
    if (auto value = value_of(**object, key, source.secret))
      assign(env, std::string(prefix) + key, std::move(*value));
  return {};
}

// nullopt: the key is absent and may be; the variable is then not set.
Result<std::optional<std::string>> one_key(const Source& source, const Json& reference, std::string_view ns) {
  const auto object = look_up(source, reference);
  if (!object) return fail(object.error());
  if (!*object) return std::nullopt;
  const std::string_view key = api::string_at(reference, {"key"});
  if (auto value = value_of(**object, key, source.secret)) return value;
  if (api::bool_at(reference, {"optional"})) return std::nullopt;
  return fail(Reason::NotFound, fmt::format("couldn't find key {} in {} {}/{}", key, source.title, ns,
                                            api::string_at(reference, {"name"})));
}

Environment service_variables(const NodeFacts& node) {
  if (node.api_host.empty()) return {};
  const std::string port = std::to_string(node.api_port);
  const std::string host =
      node.api_host.find(':') == std::string::npos ? node.api_host : "[" + node.api_host + "]";
  return {{"KUBERNETES_SERVICE_HOST", node.api_host},
          {"KUBERNETES_SERVICE_PORT", port},
          {"KUBERNETES_SERVICE_PORT_HTTPS", port},
          {"KUBERNETES_PORT", fmt::format("tcp://{}:{}", host, port)}};
}

Result<std::optional<std::string>> value_from(const Pod& pod, const ContainerDef& c, const Json& from,
                                              const Source& maps, const Source& secrets,
                                              const NodeFacts& node) {
  if (const Json* ref = api::find(from, {"configMapKeyRef"})) return one_key(maps, *ref, pod.ns);
  if (const Json* ref = api::find(from, {"secretKeyRef"})) return one_key(secrets, *ref, pod.ns);
  if (const Json* ref = api::find(from, {"fieldRef"}))
    return field_value(pod, api::string_at(*ref, {"fieldPath"}), node);
  if (const Json* ref = api::find(from, {"resourceFieldRef"})) {
    const std::string_view named = api::string_at(*ref, {"containerName"});
    const ContainerDef* target = named.empty() ? &c : pod.container(named);
    if (!target) return fail(Reason::Invalid, fmt::format("container {} not found", named));
    return resource_value(*target, api::string_at(*ref, {"resource"}), api::string_at(*ref, {"divisor"}),
                          node);
  }
  return fail(
      Reason::Invalid,
      "valueFrom has no configMapKeyRef, secretKeyRef, fieldRef or resourceFieldRef that this node knows");
}

// metadata.labels as the downward API prints a map: key="value" a line, sorted.
std::string format_map(const JsonObject& map) {
  std::vector<std::string> lines;
  for (const auto& member : map) {
    if (member.key() == kClusterAnnotation) continue;
    lines.push_back(fmt::format("{}={}", std::string_view(member.key()), api::to_text(member.value())));
  }
  std::ranges::sort(lines);
  return fmt::format("{}", fmt::join(lines, "\n"));
}
}  // namespace

std::string expand(std::string_view input, const Environment& env) {
  std::string out;
  for (size_t i = 0; i < input.size(); ++i) {
    if (input[i] != '$' || i + 1 == input.size()) {
      out += input[i];
      continue;
    }
    if (input[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const size_t close = input[i + 1] == '(' ? input.find(')', i + 2) : input.npos;
    if (close == input.npos) {
      out += input[i];
      continue;
    }
    const std::string_view name = input.substr(i + 2, close - i - 2);
    const auto it = std::ranges::find(env, name, &std::pair<std::string, std::string>::first);
    out += it == env.end() ? std::string(input.substr(i, close - i + 1)) : it->second;
    i = close;
  }
  return out;
}

Result<std::string> field_value(const Pod& pod, std::string_view path, const NodeFacts& node) {
  for (const std::string_view map : {"labels", "annotations"}) {
    const std::string whole = fmt::format("metadata.{}", map);
    const api::JsonObject& members = api::object_at(pod.object, {"metadata", map});
    if (path == whole) return format_map(members);
    if (!path.starts_with(whole + "['") || !path.ends_with("']")) continue;
    const std::string_view key = path.substr(whole.size() + 2, path.size() - whole.size() - 4);
    const Json* found = key == kClusterAnnotation ? nullptr : api::find(members, {key});
    return std::string(found ? text(*found) : std::string_view());
  }
  if (path == "metadata.name") return pod.name;
  if (path == "metadata.namespace") return pod.ns;
  if (path == "metadata.uid") return pod.uid;
  if (path == "spec.nodeName") return node.name;
  if (path == "spec.serviceAccountName") return pod.service_account;
  if (path == "status.hostIP" || path == "status.hostIPs") return node.host_ip;
  if (path == "status.podIP" || path == "status.podIPs") return node.pod_ip;
  return fail(Reason::BadRequest, fmt::format("unsupported fieldPath: {}", path));
}

Result<std::string> resource_value(const ContainerDef& c, std::string_view resource, std::string_view divisor,
                                   const NodeFacts& node) {
  const bool limit = resource.starts_with("limits.");
  if (!limit && !resource.starts_with("requests."))
    return fail(Reason::BadRequest, fmt::format("unsupported container resource: {}", resource));
  const std::string_view name = resource.substr(resource.find('.') + 1);
  int64_t milli = limit ? limit_milli(c, name) : request_milli(c, name);
  if (limit && milli == 0) {
    if (name == "cpu") milli = node.cpu_milli;
    if (name == "memory") milli = std::min(node.memory_bytes, INT64_MAX / 1000) * 1000;
    if (name == "ephemeral-storage") milli = std::min(node.ephemeral_bytes, INT64_MAX / 1000) * 1000;
  }
  int64_t unit = 1000;
  if (const auto parsed = Quantity::parse(divisor); parsed && parsed->milli > 0) unit = parsed->milli;
  return std::to_string(milli / unit + (milli % unit ? 1 : 0));
}

Result<Environment> environment_of(const Pod& pod, const ContainerDef& c, const PodConfig& config,
                                   const NodeFacts& node) {
  const Source maps{"configmap", "ConfigMap", false, &config.config_maps};
  const Source secrets{"secret", "Secret", true, &config.secrets};
  Environment env = service_variables(node);
  const Environment tracking = tracking_variables(pod, c, config, node);
  env.insert(env.end(), tracking.begin(), tracking.end());
  for (const Json& from : api::array_at(*c.spec, {"envFrom"})) {
    const std::string_view prefix = api::string_at(from, {"prefix"});
    for (const auto& [field, source] : {std::pair{"configMapRef", &maps}, std::pair{"secretRef", &secrets}}) {
      const Json* ref = api::find(from, {field});
      if (!ref) continue;
      if (auto added = add_all(env, *source, *ref, prefix); !added) return fail(added.error());
    }
  }
  for (const Json& item : api::array_at(*c.spec, {"env"})) {
    const std::string_view name = api::string_at(item, {"name"});
    if (const Json* from = api::find(item, {"valueFrom"}); from && !from->is_null()) {
      auto value = value_from(pod, c, *from, maps, secrets, node);
      if (!value) return fail(value.error());
      if (*value) assign(env, name, std::move(**value));
    } else {
      assign(env, name, expand(api::string_at(item, {"value"}), env));
    }
  }
  settle_tracking(env, tracking);
  return env;
}

}  // namespace ingot::node
