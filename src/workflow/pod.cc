#include "workflow/pod.h"

#include <algorithm>

#include "api/parse.h"
#include "api/patch.h"
#include "workflow/artifacts.h"
#include "workflow/container_set.h"
#include "workflow/http.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::find;
using api::object_at;
using api::set;
using api::string_at;

namespace {

constexpr size_t kMostName = 253, kHash = 10;
constexpr std::string_view kScriptPath = "/argo/staging";
constexpr std::string_view kScriptVolume = "argo-staging";

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

void copy(Json& to, std::string_view field, const Json& from, std::string_view name = {}) {
  if (const Json* value = find(from, {name.empty() ? field : name})) set(to, {"spec", field}, *value);
}
void append(Json& to, std::string_view field, const JsonArray& more) {
  if (more.empty()) return;
  JsonArray all = array_at(to, {"spec", field});
  for (const Json& item : more) all.push_back(item);
  set(to, {"spec", field}, std::move(all));
}

// The source of a script is a file of the pod: an annotation, mounted.
Json script_container(Json script, Json& pod) {
  std::string source(string_at(script, {"source"}));
  api::erase(script, {"source"});
  set(pod, {"metadata", "annotations", kScriptAnnotation}, source);
  JsonArray command = array_at(script, {"command"});
  command.push_back(text_json(std::string(kScriptPath) + "/script"));
  set(script, {"command"}, std::move(command));
  JsonArray mounts = array_at(script, {"volumeMounts"});
  mounts.push_back(JsonObject{{"name", kScriptVolume}, {"mountPath", kScriptPath}, {"readOnly", true}});
  set(script, {"volumeMounts"}, std::move(mounts));
  const std::string path = "metadata.annotations['" + std::string(kScriptAnnotation) + "']";
  const JsonObject item{
      {"path", "script"}, {"mode", 0755}, {"fieldRef", JsonObject{{"fieldPath", text_json(path)}}}};
  append(pod, "volumes",
         {JsonObject{{"name", kScriptVolume}, {"downwardAPI", JsonObject{{"items", JsonArray{item}}}}}});
  return script;
}

// Init containers and sidecars may have what the main container mounts.
Json with_mounts_of(Json own, const Json& main) {
  const bool mirrors = api::bool_at(own, {"mirrorVolumeMounts"});
  api::erase(own, {"mirrorVolumeMounts"});
  if (!mirrors) return own;
  JsonArray mounts = array_at(own, {"volumeMounts"});
  for (const Json& mount : array_at(main, {"volumeMounts"})) mounts.push_back(mount);
  if (!mounts.empty()) set(own, {"volumeMounts"}, std::move(mounts));
  return own;
}

Or<JsonArray> containers_of(const Template& t, const Json& filled, Json& pod) {
  JsonArray out;
  if (t.kind == Kind::ContainerSet) {
    const JsonArray& containers = array_at(filled, {"containerSet", "containers"});
    for (const Json& c : containers)
      out.push_back(plain_container(c, array_at(filled, {"containerSet", "volumeMounts"})));
    if (const std::string order = order_of(containers); !order.empty())
      set(pod, {"metadata", "annotations", kOrderAnnotation}, order);
    const Or<std::string> retries = retries_of(*find(filled, {"containerSet"}));
    if (!retries) return wrong(retries.error());
    if (!retries->empty()) set(pod, {"metadata", "annotations", kRetriesAnnotation}, *retries);
  } else if (t.kind == Kind::Http) {
    out.push_back(http_container());
  } else {
    Json main = *find(filled, {to_string(t.kind)});
    if (t.kind == Kind::Script) main = script_container(std::move(main), pod);
    set(main, {"name"}, "main");
    if (string_at(main, {"image"}).empty())
      return wrong(std::string(to_string(t.kind)) + ".image may not be empty");
    out.push_back(std::move(main));
  }
  const Json main = out.front();
  JsonArray init;
  for (const Json& c : array_at(filled, {"initContainers"})) init.push_back(with_mounts_of(c, main));
  append(pod, "initContainers", init);
  for (const Json& c : array_at(filled, {"sidecars"})) out.push_back(with_mounts_of(c, main));
  return out;
}

Or<void> patch_spec(Json& pod, std::string_view text, const api::Schema& schema) {
  if (text.empty()) return {};
  const auto patch = api::parse_body_yaml(text);
  if (!patch || !patch->value.is_object()) return wrong("podSpecPatch is no object");
  auto merged = api::strategic_merge_patch(schema, pod.at("spec"), patch->value);
  if (!merged) return wrong("podSpecPatch: " + merged.error().message);
  set(pod, {"spec"}, *std::move(merged));
  return {};
}

// What the node is to bring before the containers start, and to read when the main one has ended.
JsonObject step_asked(const Flow& flow, const Template& t, const Json& filled) {
  if (t.kind == Kind::Http) return {{"http", asked_of(filled)}};
  JsonObject out, outputs;
  JsonArray parameters;
  for (const Json& p : array_at(filled, {"outputs", "parameters"}))
    if (!string_at(p, {"valueFrom", "path"}).empty()) parameters.push_back(p);
  if (!parameters.empty()) outputs["parameters"] = std::move(parameters);
  if (const JsonArray& left = array_at(filled, {"outputs", "artifacts"}); !left.empty())
    outputs["artifacts"] = left;
  if (!outputs.empty()) out["outputs"] = std::move(outputs);
  if (const JsonArray& brought = array_at(filled, {"inputs", "artifacts"}); !brought.empty()) {
    out["inputs"] = JsonObject{{"artifacts", brought}};
    JsonArray names;
    for (const Json& c : array_at(filled, {"containerSet", "containers"}))
      names.push_back(text_json(string_at(c, {"name"})));
    if (!names.empty()) out["containers"] = std::move(names);
  }
  const auto is_main = [](const Json& c) { return string_at(c, {"name"}) == "main"; };
  const bool has_main = t.kind != Kind::ContainerSet ||
                        std::ranges::any_of(array_at(filled, {"containerSet", "containers"}), is_main);
  if (flow.uses_results() && has_main) out["result"] = true;
  return out;
}

// Secrets that locations of artifacts name are the pod's, as volumes that nothing mounts: so the node may read them, and
// only while it runs the pod.
void add_secrets(const Json& filled, Json& pod) {
  std::vector<std::string> names;
  for (const Json& a : array_at(filled, {"inputs", "artifacts"})) secrets_of(a, names);
  http_secrets(filled, names);
  JsonArray volumes;
  for (const std::string& name : names)
    volumes.push_back(
        JsonObject{{"name", text_json("argo-artifact-secret-" + std::to_string(volumes.size()))},
                   {"secret", JsonObject{{"secretName", text_json(name)}}}});
  append(pod, "volumes", volumes);
}

}  // namespace

std::string pod_name(std::string_view workflow, const Node& node) {
  if (workflow == node.name) return std::string(workflow);
  std::string prefix(workflow);
  if (node.runs && !node.runs->name.empty()) prefix += "-" + node.runs->name;
  prefix.resize(std::min(prefix.size(), kMostName - kHash - 1));
  // The number that ends the id is of the node's name, but where two met.
  return prefix + "-" + node.id.substr(node.id.rfind('-') + 1);
}

Or<Json> make_pod(const Flow& flow, const Facts& facts, const Node& node, const Wanted::Pod& wanted,
                  const api::Schema& pod_spec) {
  const Json& filled = wanted.filled;
  const Json& of = wanted.shared.is_null() ? flow.pod_fields() : wanted.shared;
  Json pod =
      JsonObject{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", JsonObject{}}, {"spec", JsonObject{}}};
  const auto labels = [&](const Json& from, std::initializer_list<std::string_view> path,
                          std::string_view to) {
    for (const auto& [name, value] : object_at(from, path))
      set(pod, {"metadata", to, std::string_view(name)}, text_of(value));
  };
  labels(of, {"podMetadata", "labels"}, "labels");
  labels(of, {"podMetadata", "annotations"}, "annotations");
  labels(filled, {"metadata", "labels"}, "labels");
  labels(filled, {"metadata", "annotations"}, "annotations");
  set(pod, {"metadata", "name"}, pod_name(facts.name, node));
  set(pod, {"metadata", "namespace"}, facts.ns);
  set(pod, {"metadata", "labels", kWorkflowLabel}, facts.name);
  set(pod, {"metadata", "labels", kCompletedLabel}, "false");
  set(pod, {"metadata", "annotations", "kubectl.kubernetes.io/default-container"}, "main");
  set(pod, {"metadata", "annotations", kNodeIdAnnotation}, node.id);
  set(pod, {"metadata", "annotations", kNodeNameAnnotation}, node.name);
  set(pod, {"metadata", "annotations", "workflows.argoproj.io/workflow-name"}, facts.name);
  set(pod, {"metadata", "annotations", kRunUidAnnotation}, facts.uid);
  set(pod, {"metadata", "ownerReferences"},
      JsonArray{JsonObject{{"apiVersion", "argoproj.io/v1alpha1"},
                           {"kind", "Workflow"},
                           {"name", text_json(facts.name)},
                           {"uid", text_json(facts.uid)},
                           {"controller", true},
                           {"blockOwnerDeletion", true}}});
  constexpr std::string_view kQueue = "kueue.x-k8s.io/queue-name";
  if (const Json* queue = facts.labels.if_contains(kQueue);
      queue && string_at(pod, {"metadata", "labels", kQueue}).empty())
    set(pod, {"metadata", "labels", kQueue}, *queue);

  append(pod, "volumes", array_at(of, {"volumes"}));
  append(pod, "volumes", array_at(filled, {"volumes"}));
  Or<JsonArray> containers = containers_of(*node.runs, filled, pod);
  if (!containers) return wrong(containers.error());
  set(pod, {"spec", "containers"}, *std::move(containers));
  for (const std::string_view field :
       {"affinity", "nodeSelector", "schedulerName", "serviceAccountName", "automountServiceAccountToken",
        "securityContext", "hostNetwork", "dnsPolicy", "dnsConfig", "imagePullSecrets"}) {
    copy(pod, field, of);
    copy(pod, field, filled);  // the template's own
  }
  copy(pod, "priorityClassName", of, "podPriorityClassName");
  copy(pod, "priorityClassName", filled);
  append(pod, "tolerations", array_at(of, {"tolerations"}));
  append(pod, "tolerations", array_at(filled, {"tolerations"}));
  append(pod, "hostAliases", array_at(of, {"hostAliases"}));
  append(pod, "hostAliases", array_at(filled, {"hostAliases"}));
  if (const Json* seconds = find(filled, {"activeDeadlineSeconds"})) {
    const int64_t value = std::atoll(text_of(*seconds).c_str());
    if (value <= 0) return wrong("activeDeadlineSeconds '" + text_of(*seconds) + "' is no positive number");
    set(pod, {"spec", "activeDeadlineSeconds"}, value);
  }
  for (const Json* from : {&of, &filled})
    if (const auto done = patch_spec(pod, string_at(*from, {"podSpecPatch"}), pod_spec); !done)
      return wrong(done.error());
  add_secrets(filled, pod);
  if (const JsonObject asked = step_asked(flow, *node.runs, filled); !asked.empty())
    set(pod, {"metadata", "annotations", kTemplateAnnotation}, api::to_text(asked));
  set(pod, {"spec", "restartPolicy"}, "Never");
  return pod;
}

namespace {

const Json* status_of(const Json& pod, std::string_view list, std::string_view name) {
  for (const Json& c : array_at(pod, {"status", list}))
    if (string_at(c, {"name"}) == name) return &c;
  return nullptr;
}

// "Error (exit code 3)", with what the container said of it.
std::string ended_badly(const Json& terminated, std::string_view container) {
  std::string text;
  if (container != "main") text = std::string(container) + ": ";
  const std::string_view reason = string_at(terminated, {"reason"}),
                         message = string_at(terminated, {"message"});
  text += reason.empty() ? "Error" : std::string(reason);
  text += " (exit code " + std::to_string(api::int_at(terminated, {"exitCode"}).value_or(-1)) + ")";
  if (!message.empty()) text += ": " + std::string(message);
  return text;
}

std::string why_failed(const Json& pod) {
  if (const std::string_view message = string_at(pod, {"status", "message"}); !message.empty())
    return std::string(message);
  for (const std::string_view list : {"initContainerStatuses", "containerStatuses"})
    for (const Json& c : array_at(pod, {"status", list}))
      if (const Json* ended = find(c, {"state", "terminated"});
          ended && api::int_at(*ended, {"exitCode"}).value_or(0) != 0)
        return ended_badly(*ended, string_at(c, {"name"}));
  return std::string(string_at(pod, {"status", "reason"}));
}

std::string why_pending(const Json& pod) {
  for (const Json& c : array_at(pod, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "PodScheduled" && string_at(c, {"status"}) == "False")
      return std::string(string_at(c, {"reason"})) + ": " + std::string(string_at(c, {"message"}));
  for (const std::string_view list : {"initContainerStatuses", "containerStatuses"})
    for (const Json& c : array_at(pod, {"status", list}))
      if (const std::string_view reason = string_at(c, {"state", "waiting", "reason"}); !reason.empty()) {
        const std::string_view message = string_at(c, {"state", "waiting", "message"});
        return std::string(reason) + (message.empty() ? "" : ": " + std::string(message));
      }
  return "";
}

std::vector<PodReport::Container> containers_told(const Json& pod) {
  std::vector<PodReport::Container> out;
  const auto again = api::parse_json(string_at(pod, {"metadata", "annotations", kRetriesAnnotation}));
  const int64_t retries = again ? api::int_at(*again, {"retries"}).value_or(0) : 0;
  for (const Json& c : array_at(pod, {"status", "containerStatuses"})) {
    PodReport::Container& told = out.emplace_back();
    told.name = string_at(c, {"name"});
    if (const Json* ended = find(c, {"state", "terminated"})) {
      const bool good = api::int_at(*ended, {"exitCode"}).value_or(-1) == 0;
      told.phase = good ? Phase::Succeeded : Phase::Failed;
      told.started = parse_rfc3339(string_at(*ended, {"startedAt"}));
      const bool goes_on = string_at(*ended, {"reason"}) != "DependencyFailed" &&
                           api::int_at(c, {"restartCount"}).value_or(0) < retries;
      if (!good && goes_on) {  // it is tried again
        told.phase = Phase::Running;
        continue;
      }
      if (!good) told.message = ended_badly(*ended, "main");
      told.finished = parse_rfc3339(string_at(*ended, {"finishedAt"}));
    } else if (const Json* runs = find(c, {"state", "running"})) {
      told.phase = Phase::Running;
      told.started = parse_rfc3339(string_at(*runs, {"startedAt"}));
    }
  }
  return out;
}

}  // namespace

PodReport report_of(const Json& pod) {
  PodReport out;
  const std::string_view phase = string_at(pod, {"status", "phase"});
  out.host = string_at(pod, {"spec", "nodeName"});
  out.ip = string_at(pod, {"status", "podIP"});
  for (const Json& c : array_at(pod, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "Ready") out.ready = string_at(c, {"status"}) == "True";
  out.containers = containers_told(pod);
  const Json* main = status_of(pod, "containerStatuses", "main");
  const Json* ended = main ? find(*main, {"state", "terminated"}) : nullptr;
  JsonObject outputs;
  if (const std::string_view text = string_at(pod, {"metadata", "annotations", kOutputsAnnotation});
      !text.empty())
    if (const auto told = api::parse_json(text); told && told->is_object()) outputs = told->get_object();
  if (ended) outputs["exitCode"] = text_json(std::to_string(api::int_at(*ended, {"exitCode"}).value_or(-1)));
  if (phase == "Succeeded" || phase == "Failed") {
    out.phase = phase == "Succeeded" ? Phase::Succeeded : Phase::Failed;
    const bool not_begun = string_at(pod, {"status", "reason"}) == kNoArtifacts;
    if (not_begun) out.phase = Phase::Error;
    if (const Json* why = outputs.if_contains("error"); why && out.phase == Phase::Succeeded) {
      out.phase = Phase::Error;
      out.message = text_of(*why);
      outputs.erase("error");
    }
    outputs.erase("error");
    if (!outputs.empty()) out.outputs = std::make_shared<const Json>(std::move(outputs));
    if (out.phase == Phase::Failed || not_begun) out.message = why_failed(pod);
    return out;
  }
  out.phase = phase == "Running" ? Phase::Running : Phase::Pending;
  if (out.phase == Phase::Pending) out.message = why_pending(pod);
  return out;
}

}  // namespace ingot::workflow
