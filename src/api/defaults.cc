#include <functional>

#include "api/decode.h"
#include "base/encoding.h"

namespace ingot::api {
namespace {

bool is_zero(const Json& value, const Json& fallback) {
  // Go cannot tell "" from absent; numbers are told apart (Probe's below).
  return value.is_string() && value.get_string().empty() && fallback.is_string();
}

void fill(const Schema& schema, JsonObject& object) {
  if (!schema.has_defaults) return;
  for (const Field& field : schema.fields) {
    Json* value = object.if_contains(field.name);
    if (field.default_value && (!value || is_zero(*value, *field.default_value)))
      value = &(object[field.name] = *field.default_value);
    if (!value || !field.schema || !field.schema->has_defaults) continue;
    if (JsonObject* one = value->if_object(); one && field.wrap == Wrap::One) {
      fill(*field.schema, *one);
    } else if (JsonArray* list = value->if_array()) {
      for (Json& item : *list)
        if (JsonObject* child = item.if_object()) fill(*field.schema, *child);
    } else if (JsonObject* map = value->if_object()) {
      for (auto& member : *map)
        if (JsonObject* child = member.value().if_object()) fill(*field.schema, *child);
    }
  }
}

JsonArray* list_in(JsonObject& object, std::string_view name) {
  Json* value = object.if_contains(name);
  return value ? value->if_array() : nullptr;
}
JsonObject* object_in(JsonObject& object, std::string_view name) {
  Json* value = object.if_contains(name);
  return value ? value->if_object() : nullptr;
}
bool empty_string(const JsonObject& object, std::string_view name) {
  const Json* value = object.if_contains(name);
  return !value || (value->is_string() && value->get_string().empty());
}

using Each = std::function<void(JsonObject&)>;
void each(JsonObject& object, std::string_view list, const Each& visit) {
  if (JsonArray* items = list_in(object, list))
    for (Json& item : *items)
      if (JsonObject* child = item.if_object()) visit(*child);
}

// "registry:5000/a/b:1@sha256:…": Always for `latest`, said or meant; a digest without a tag means no tag at
// all.
std::string_view pull_policy(std::string_view image) {
  const bool digest = image.find('@') != image.npos;
  const std::string_view name = image.substr(0, image.find('@'));
  const size_t slash = name.rfind('/');
  const size_t colon = name.find(':', slash == name.npos ? 0 : slash);
  const bool latest = colon == name.npos ? !digest : name.substr(colon + 1) == "latest";
  return latest ? "Always" : "IfNotPresent";
}

void probe(JsonObject& container, std::string_view name) {
  JsonObject* probe = object_in(container, name);
  if (!probe) return;
  constexpr std::pair<std::string_view, int> kFields[] = {
      {"timeoutSeconds", 1}, {"periodSeconds", 10}, {"successThreshold", 1}, {"failureThreshold", 3}};
  for (auto [field, value] : kFields)
    if (Json* given = probe->if_contains(field); given && given->is_int64() && given->get_int64() == 0)
      *given = value;
}

void container(JsonObject& c) {
  if (empty_string(c, "imagePullPolicy")) {
    const Json* image = c.if_contains("image");
    const std::string_view text =
        image && image->is_string() ? std::string_view(image->get_string().data(), image->get_string().size())
                                    : std::string_view();
    c["imagePullPolicy"] = pull_policy(text);
  }
  for (std::string_view name : {"livenessProbe", "readinessProbe", "startupProbe"}) probe(c, name);
}

void pod_spec(JsonObject& spec) {
  for (std::string_view list : {"containers", "initContainers", "ephemeralContainers"})
    each(spec, list, container);
  each(spec, "volumes", [](JsonObject& volume) {
    if (volume.size() == (volume.contains("name") ? 1u : 0u)) volume["emptyDir"] = JsonObject();
  });
  if (const Json* host = spec.if_contains("hostNetwork"); host && host->is_bool() && host->get_bool()) {
    auto ports = [](JsonObject& c) {
      each(c, "ports", [](JsonObject& port) {
        const Json* at = port.if_contains("containerPort");
        const Json* host_port = port.if_contains("hostPort");
        if (at && (!host_port || *host_port == 0)) port["hostPort"] = Json(*at);
      });
    };
    each(spec, "containers", ports);
    each(spec, "initContainers", ports);
  }
}

void pod(JsonObject& object) {
  JsonObject* spec = object_in(object, "spec");
  if (!spec) return;
  pod_spec(*spec);
  if (!spec->contains("enableServiceLinks")) (*spec)["enableServiceLinks"] = true;
  auto requests = [](JsonObject& c) {  // of a Pod only, not of templates
    JsonObject* resources = object_in(c, "resources");
    const JsonObject* limits = resources ? object_in(*resources, "limits") : nullptr;
    if (!limits || limits->empty()) return;
    const JsonObject copy = *limits;
    Json& given = (*resources)["requests"];
    if (!given.is_object()) given.emplace_object();
    for (const auto& limit : copy)
      if (!given.get_object().contains(limit.key())) given.get_object()[limit.key()] = limit.value();
  };
  each(*spec, "containers", requests);
  each(*spec, "initContainers", requests);
}

void job(JsonObject& object) {
  JsonObject* spec = object_in(object, "spec");
  if (!spec) return;
  if (!spec->contains("backoffLimit"))
    (*spec)["backoffLimit"] = spec->contains("backoffLimitPerIndex") ? 2147483647 : 6;
  if (!spec->contains("podReplacementPolicy"))
    (*spec)["podReplacementPolicy"] = spec->contains("podFailurePolicy") ? "Failed" : "TerminatingOrFailed";
  JsonObject* pod_template = object_in(*spec, "template");
  if (!pod_template) return;
  if (JsonObject* below = object_in(*pod_template, "spec")) pod_spec(*below);
  const JsonObject* meta = object_in(*pod_template, "metadata");
  const Json* labels = meta ? meta->if_contains("labels") : nullptr;
  if (!labels || !labels->is_object()) return;
  const Json copy = *labels;
  Json& own = object["metadata"];
  if (!own.is_object()) own.emplace_object();
  if (const Json* given = own.get_object().if_contains("labels");
      given && given->is_object() && given->get_object().size())
    return;
  own.get_object()["labels"] = copy;
}

void name_space(JsonObject& object) {
  JsonObject* meta = object_in(object, "metadata");
  if (!meta || empty_string(*meta, "name")) return;
  const Json name = meta->at("name");
  Json& labels = (*meta)["labels"];
  if (!labels.is_object()) labels.emplace_object();
  labels.get_object()["kubernetes.io/metadata.name"] = name;
  Json& status = object["status"];
  if (!status.is_object()) status.emplace_object();
  if (empty_string(status.get_object(), "phase")) status.get_object()["phase"] = "Active";
}

void node(JsonObject& object) {
  JsonObject* status = object_in(object, "status");
  const Json* capacity = status ? status->if_contains("capacity") : nullptr;
  if (!capacity || status->contains("allocatable")) return;
  const Json copy = *capacity;
  (*status)["allocatable"] = copy;
}

// pkg/apis/resource/v1/defaults.go: SetDefaults_ExactDeviceRequest, SetDefaults_DeviceSubRequest
void device_request(JsonObject& request) {
  if (empty_string(request, "allocationMode")) request["allocationMode"] = "ExactCount";
  const Json* count = request.if_contains("count");
  if (request["allocationMode"] == "ExactCount" && (!count || *count == 0)) request["count"] = 1;
}
void claim_spec(JsonObject& spec) {
  JsonObject* devices = object_in(spec, "devices");
  if (!devices) return;
  each(*devices, "requests", [](JsonObject& request) {
    if (JsonObject* exactly = object_in(request, "exactly")) device_request(*exactly);
    each(request, "firstAvailable", device_request);
  });
}
void claim(JsonObject& object) {
  if (JsonObject* spec = object_in(object, "spec")) claim_spec(*spec);
}
void claim_template(JsonObject& object) {
  JsonObject* spec = object_in(object, "spec");
  if (JsonObject* inner = spec ? object_in(*spec, "spec") : nullptr) claim_spec(*inner);
}

void binding(JsonObject& object) {
  each(object, "subjects", [](JsonObject& subject) {
    const Json* kind = subject.if_contains("kind");
    if (kind && (*kind == "User" || *kind == "Group") && empty_string(subject, "apiGroup"))
      subject["apiGroup"] = "rbac.authorization.k8s.io";
  });
}

// What JobSpec's own default for parallelism would hide: both unset means completions 1 too.
void job_before(JsonObject& object) {
  JsonObject* spec = object_in(object, "spec");
  if (spec && !spec->contains("completions") && !spec->contains("parallelism")) (*spec)["completions"] = 1;
}

// pkg/apis/core/v1/conversion.go: what is given as text is kept, and read again, as data.
void secret(JsonObject& object) {
  const Json* text = object.if_contains("stringData");
  if (!text) return;
  const Json given = *text;
  object.erase("stringData");
  if (!given.is_object() || given.get_object().empty()) return;
  Json& data = object["data"];
  if (!data.is_object()) data.emplace_object();
  for (const auto& [key, value] : given.get_object()) data.get_object()[key] = base64(string_at(value, {}));
}

struct Rule {
  std::string_view group, kind;
  void (*before)(JsonObject&);
  void (*after)(JsonObject&);
};
constexpr Rule kRules[] = {
    {"", "Pod", nullptr, pod},
    {"", "Namespace", nullptr, name_space},
    {"", "Node", nullptr, node},
    {"", "Secret", secret, nullptr},
    {"batch", "Job", job_before, job},
    {"resource.k8s.io", "ResourceClaim", nullptr, claim},
    {"resource.k8s.io", "ResourceClaimTemplate", nullptr, claim_template},
    {"rbac.authorization.k8s.io", "RoleBinding", nullptr, binding},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", nullptr, binding},
};

}  // namespace

void apply_defaults(const Resource& resource, Json& value) {
  JsonObject* object = value.if_object();
  if (!object) return;
  const Rule* rule = nullptr;
  for (const Rule& r : kRules)
    if (r.kind == resource.kind && r.group == resource.group) rule = &r;
  if (rule && rule->before) rule->before(*object);
  fill(*resource.schema, *object);
  if (rule && rule->after) rule->after(*object);
}

}  // namespace ingot::api
