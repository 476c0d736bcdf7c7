#include "policy/pod_admission.h"

#include <algorithm>
#include <charconv>

#include "api/reserved.h"
#include "base/encoding.h"
#include "base/quantity.h"

namespace ingot::policy {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr std::string_view kTokenDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

std::unexpected<Error> forbidden(const Json& pod, const std::string& why) {
  std::string_view name = api::string_at(pod, {"metadata", "name"});
  if (name.empty()) name = api::string_at(pod, {"metadata", "generateName"});
  return fail(Error{.reason = Reason::Forbidden,
                    .message = "pods \"" + std::string(name) + "\" is forbidden: " + why,
                    .kind = "pods",
                    .name = std::string(name)});
}

JsonArray& array_of(Json& holder, std::string_view field) {
  Json& value = holder.as_object()[field];
  if (!value.is_array()) value.emplace_array();
  return value.get_array();
}

// A name that no volume of the pod has.
std::string token_volume_name(const Json& pod, uint64_t random) {
  for (;; ++random) {
    std::string name = "kube-api-access-" + name_suffix(random, 5);
    const JsonArray& volumes = api::array_at(pod, {"spec", "volumes"});
    if (std::ranges::none_of(volumes, [&](const Json& v) { return api::string_at(v, {"name"}) == name; }))
      return name;
  }
}

Json token_volume_sources() {
  const Json token = {{"serviceAccountToken", {{"expirationSeconds", 3607}, {"path", "token"}}}};
  const Json ca = {
      {"configMap",
       {{"name", "kube-root-ca.crt"}, {"items", JsonArray{{{"key", "ca.crt"}, {"path", "ca.crt"}}}}}}};
  const Json item = {{"path", "namespace"},
                     {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}};
  const Json ns = {{"downwardAPI", {{"items", JsonArray{item}}}}};
  return {{"defaultMode", 420}, {"sources", JsonArray{token, ca, ns}}};
}

void add_token_volume(JsonArray& volumes, const std::string& name) {
  static const Json kProjected = token_volume_sources();
  JsonObject& volume = volumes.emplace_back(boost::json::object_kind).get_object();
  volume["name"] = name;
  volume["projected"] = kProjected;
}

bool has_token_mount(const Json& container) {
  return std::ranges::any_of(api::array_at(container, {"volumeMounts"}), [](const Json& m) {
    return api::string_at(m, {"mountPath"}) == kTokenDirectory;
  });
}

// Mounts a projected token into every container that mounts nothing of its own there.
void add_token_volume(Json& pod, uint64_t random) {
  const std::string name = token_volume_name(pod, random);
  bool mounted = false;
  for (std::string_view list : {"initContainers", "containers"}) {
    Json* containers = pod.at("spec").as_object().if_contains(list);
    if (!containers || !containers->is_array()) continue;
    for (Json& container : containers->get_array()) {
      if (!container.is_object() || has_token_mount(container)) continue;
      JsonObject& mount =
          array_of(container, "volumeMounts").emplace_back(boost::json::object_kind).get_object();
      mount["name"] = name;
      mount["readOnly"] = true;
      mount["mountPath"] = kTokenDirectory;
      mounted = true;
    }
  }
  if (mounted) add_token_volume(array_of(pod.at("spec"), "volumes"), name);
}

Result<void> give_service_account(Json& pod, const AdmissionFacts& facts) {
  std::string name(api::string_at(pod, {"spec", "serviceAccountName"}));
  if (name.empty()) name = api::string_at(pod, {"spec", "serviceAccount"});
  if (name.empty()) name = "default";
  api::set(pod, {"spec", "serviceAccountName"}, name);
  api::set(pod, {"spec", "serviceAccount"}, name);

  const AdmissionFacts::Found account = facts.service_account(name);
  if (!account)
    return forbidden(pod, "error looking up service account " +
                              std::string(api::string_at(pod, {"metadata", "namespace"})) + "/" + name +
                              ": serviceaccount \"" + name + "\" not found");
  const bool account_mounts = api::bool_at(*account, {"automountServiceAccountToken"}, true);
  if (api::bool_at(pod, {"spec", "automountServiceAccountToken"}, account_mounts))
    add_token_volume(pod, facts.random);
  const JsonArray& pull_secrets = api::array_at(*account, {"imagePullSecrets"});
  if (api::array_at(pod, {"spec", "imagePullSecrets"}).empty() && !pull_secrets.empty())
    api::set(pod, {"spec", "imagePullSecrets"}, pull_secrets);
  return {};
}

// Classes that exist without being stored (pkg/apis/scheduling/v1/helpers.go).
std::optional<int64_t> builtin_priority(std::string_view name) {
  if (name == "system-cluster-critical") return 2'000'000'000;
  if (name == "system-node-critical") return 2'000'001'000;
  return std::nullopt;
}

Result<void> give_priority(Json& pod, const AdmissionFacts& facts) {
  const std::string name(api::string_at(pod, {"spec", "priorityClassName"}));
  if (name.starts_with("system-") && !facts.of_the_factory)
    return forbidden(pod, "priority class " + name + " is reserved for the factory's own pods");
  const AdmissionFacts::Found found =
      name.empty() ? facts.default_priority_class() : facts.priority_class(name);
  if (!found && !name.empty() && !builtin_priority(name))
    return forbidden(pod, "no PriorityClass with name " + name + " was found");

  const int64_t priority =
      found ? api::int_at(*found, {"value"}).value_or(0) : builtin_priority(name).value_or(0);
  const auto asked = api::int_at(pod, {"spec", "priority"});
  if (asked && *asked != priority)
    return forbidden(pod, "the integer value of priority (" + std::to_string(*asked) +
                              ") must not be provided in pod spec; priority admission controller computed " +
                              std::to_string(priority) + " from the given PriorityClass name");
  std::string preemption = found ? std::string(api::string_at(*found, {"preemptionPolicy"})) : "";
  if (preemption.empty()) preemption = "PreemptLowerPriority";
  const std::string asked_preemption(api::string_at(pod, {"spec", "preemptionPolicy"}));
  if (!asked_preemption.empty() && asked_preemption != preemption)
    return forbidden(pod, "the string value of PreemptionPolicy (" + asked_preemption +
                              ") must not be provided in pod spec; priority admission controller computed " +
                              preemption + " from the given PriorityClass name");
  if (found && name.empty())
    api::set(pod, {"spec", "priorityClassName"}, api::string_at(*found, {"metadata", "name"}));
  api::set(pod, {"spec", "priority"}, priority);
  api::set(pod, {"spec", "preemptionPolicy"}, preemption);
  return {};
}

// A pod leaves a node that is gone after five minutes, unless it says otherwise.
void give_tolerations(Json& pod) {
  for (std::string_view key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    const bool tolerated =
        std::ranges::any_of(api::array_at(pod, {"spec", "tolerations"}), [&](const Json& t) {
          const std::string_view k = api::string_at(t, {"key"}), effect = api::string_at(t, {"effect"});
          return (k == key || k.empty()) && (effect == "NoExecute" || effect.empty());
        });
    if (tolerated) continue;
    JsonObject& toleration =
        array_of(pod.at("spec"), "tolerations").emplace_back(boost::json::object_kind).get_object();
    toleration["key"] = key;
    toleration["operator"] = "Exists";
    toleration["effect"] = "NoExecute";
    toleration["tolerationSeconds"] = 300;
  }
}

void detach_from_nodes(Json& pod) {
  api::erase(pod, {"metadata", "annotations", kClusterAnnotation});
  const std::string node(api::string_at(pod, {"spec", "nodeName"}));
  if (!node.empty()) api::set(pod, {"metadata", "annotations", kProposedNodeAnnotation}, node);
  api::erase(pod, {"spec", "nodeName"});
}

// A data set without a version is its newest one, from now on: what a pod read can be told afterwards.
void pin_datasets(Json& pod, const AdmissionFacts& facts) {
  JsonObject* spec = pod.at("spec").if_object();
  Json* volumes = spec ? spec->if_contains("volumes") : nullptr;
  if (!volumes || !volumes->is_array() || !facts.newest_version) return;
  for (Json& volume : volumes->get_array()) {
    if (api::string_at(volume, {"csi", "driver"}) != kDatasetDriver ||
        !api::string_at(volume, {"csi", "volumeAttributes", "version"}).empty())
      continue;
    const std::string_view dataset = api::string_at(volume, {"csi", "volumeAttributes", "dataset"});
    if (dataset.empty() || dataset.find('/') != dataset.npos) continue;
    if (const auto newest = facts.newest_version(dataset))
      api::set(volume, {"csi", "volumeAttributes", "version"}, std::to_string(*newest));
  }
}

// What a namespace asks for in its label pod-security.kubernetes.io/MODE; a value that is no level counts as the
// strictest, as upstream has it.
std::optional<PodSecurityLevel> asked_level(const Json& namespace_object, std::string_view mode) {
  const std::string label = "pod-security.kubernetes.io/" + std::string(mode);
  const Json* value = api::find(namespace_object, {"metadata", "labels", label});
  if (!value) return std::nullopt;
  const std::string_view text =
      value->is_string() ? std::string_view(value->get_string()) : std::string_view();
  return parse_level(text).value_or(PodSecurityLevel::Restricted);
}

PodSecurityLevel enforced_level(const Json& namespace_object) {
  return std::max(PodSecurityLevel::Baseline,
                  asked_level(namespace_object, "enforce").value_or(PodSecurityLevel::Baseline));
}
PodSecurityLevel warned_level(const Json& namespace_object) {
  return asked_level(namespace_object, "warn").value_or(PodSecurityLevel::Restricted);
}

std::vector<std::string> would_violate(const Json& pod, PodSecurityLevel level) {
  const Json none = JsonObject();
  const Json* spec = api::find(pod, {"spec"});
  const Json* metadata = api::find(pod, {"metadata"});
  const auto found = check_pod(spec ? *spec : none, metadata ? *metadata : none, level);
  if (found.empty()) return {};
  return {"would " + violation_message(level, found).replace(0, 8, "violate")};
}

}  // namespace

Result<std::vector<std::string>> police_pod(const Json& pod, const Json& namespace_object) {
  const Json none = JsonObject();
  const Json* spec = api::find(pod, {"spec"});
  const Json* metadata = api::find(pod, {"metadata"});
  const PodSecurityLevel enforced = enforced_level(namespace_object);
  const auto found = check_pod(spec ? *spec : none, metadata ? *metadata : none, enforced);
  if (!found.empty()) return forbidden(pod, violation_message(enforced, found));
  const PodSecurityLevel warned = warned_level(namespace_object);
  return warned > enforced ? would_violate(pod, warned) : std::vector<std::string>();
}

std::vector<std::string> template_warnings(const Json& pod_template, const Json& namespace_object) {
  auto refused = would_violate(pod_template, enforced_level(namespace_object));
  return refused.empty() ? would_violate(pod_template, warned_level(namespace_object)) : refused;
}

bool NewestVersion::see(std::string_view name) {
  if (!name.starts_with(prefix_)) return name < prefix_;
  const std::string_view digits = name.substr(prefix_.size());
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc{} && end == digits.data() + digits.size() && number > found_.value_or(0))
    found_ = number;
  return true;
}

Result<std::vector<std::string>> admit_pod(Json& pod, const AdmissionFacts& facts) {
  if (!pod.is_object() || !api::find(pod, {"spec"})) return forbidden(pod, "spec is required");
  if (!pod.at("spec").is_object()) return forbidden(pod, "spec must be an object");
  detach_from_nodes(pod);
  (void)api::keep_reserved("pods", nullptr, pod);
  if (auto given = give_service_account(pod, facts); !given) return fail(given.error());
  if (auto given = give_priority(pod, facts); !given) return fail(given.error());
  give_tolerations(pod);
  pin_datasets(pod, facts);
  api::set(pod, {"status"}, JsonObject{{"phase", "Pending"}, {"qosClass", qos_class(pod.at("spec"))}});
  return police_pod(pod, facts.namespace_object);
}

std::string_view qos_class(const Json& pod_spec) {
  bool any = false, guaranteed = true;
  for (std::string_view list : {"containers", "initContainers"}) {
    for (const Json& container : api::array_at(pod_spec, {list})) {
      for (std::string_view resource : {"cpu", "memory"}) {
        auto amount = [&](std::string_view kind) {
          const auto quantity = Quantity::parse(api::string_at(container, {"resources", kind, resource}));
          return quantity ? quantity->milli : 0;
        };
        const int64_t limit = amount("limits");
        const bool requested = api::find(container, {"resources", "requests", resource}) != nullptr;
        const int64_t request = requested ? amount("requests") : limit;
        any |= limit > 0 || request > 0;
        guaranteed &= limit > 0 && request == limit;
      }
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

}  // namespace ingot::policy
