#include "controllers/job_pods.h"

#include <algorithm>

#include "api/decode.h"
#include "api/deletion.h"
#include "base/encoding.h"
#include "controllers/index.h"
#include "controllers/job_gang.h"
#include "policy/pod_admission.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

constexpr size_t kMaxPrefix =
    58;  // of a generated name, so that the name is a host name of at most 63 characters
constexpr std::chrono::seconds kFirstBackoff{10}, kLongestBackoff{360};

std::optional<int64_t> to_index(std::string_view text) {
  int64_t value = 0;
  if (text.empty() || text.size() > 10) return std::nullopt;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

const Json* condition(const Json& object, std::string_view type) {
  for (const Json& c : api::array_at(object, {"status", "conditions"}))
    if (api::string_at(c, {"type"}) == type) return &c;
  return nullptr;
}

// When its last container ended; else when it stopped being ready; else when it was deleted or made.
WallTime finish_time(const Json& pod) {
  std::optional<WallTime> last;
  bool all = true;
  for (const Json& c : api::array_at(pod, {"status", "containerStatuses"})) {
    const auto at = parse_rfc3339(api::string_at(c, {"state", "terminated", "finishedAt"}));
    all &= at.has_value();
    if (at) last = last ? std::max(*last, *at) : *at;
  }
  if (all && last) return *last;
  if (const Json* ready = condition(pod, "Ready"); ready && api::string_at(*ready, {"status"}) == "False")
    if (auto at = parse_rfc3339(api::string_at(*ready, {"lastTransitionTime"}))) return *at;
  if (auto at = parse_rfc3339(api::string_at(pod, {"metadata", "deletionTimestamp"})))
    return *at -
           std::chrono::seconds(api::int_at(pod, {"metadata", "deletionGracePeriodSeconds"}).value_or(0));
  return parse_rfc3339(api::string_at(pod, {"metadata", "creationTimestamp"})).value_or(WallTime{});
}

int64_t restart_count(const Json& pod) {
  int64_t sum = 0;
  for (std::string_view list : {"containerStatuses", "initContainerStatuses"})
    for (const Json& c : api::array_at(pod, {"status", list}))
      sum += api::int_at(c, {"restartCount"}).value_or(0);
  return sum;
}

JobPod read_pod(ObjectPtr object, const JobSpec& spec) {
  JobPod pod{.object = std::move(object)};
  pod.json = pod.object->parse();
  const std::string_view phase = api::string_at(pod.json, {"status", "phase"});
  const bool deleting = api::is_deleting(pod.json);
  if (phase == "Succeeded") pod.state = JobPod::State::Succeeded;
  if (phase == "Failed" || (deleting && phase != "Succeeded" && !spec.only_replace_failed))
    pod.state = JobPod::State::Failed;
  pod.tracked = api::has_finalizer(pod.json, kTrackingFinalizer);
  pod.terminating = deleting && phase != "Succeeded" && phase != "Failed";
  const Json* ready = condition(pod.json, "Ready");
  pod.ready = pod.state == JobPod::State::Active && ready && api::string_at(*ready, {"status"}) == "True";
  const Json* disruption = condition(pod.json, "DisruptionTarget");
  pod.disrupted = disruption && api::string_at(*disruption, {"status"}) == "True";
  pod.index = to_index(api::string_at(pod.json, {"metadata", "annotations", kIndexKey}));
  pod.restarts = restart_count(pod.json);
  if (pod.state != JobPod::State::Active) pod.finished = finish_time(pod.json);
  return pod;
}

// Containers learn their index from the pod's annotation.
void add_index_variable(Json& pod) {
  const std::string path = "metadata.annotations['" + std::string(kIndexKey) + "']";
  const Json variable = {{"name", "JOB_COMPLETION_INDEX"},
                         {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}};
  for (std::string_view list : {"initContainers", "containers"}) {
    Json* containers = pod.at("spec").as_object().if_contains(list);
    if (!containers || !containers->is_array()) continue;
    for (Json& container : containers->get_array()) {
      const JsonArray& env = api::array_at(container, {"env"});
      if (std::ranges::any_of(
              env, [](const Json& e) { return api::string_at(e, {"name"}) == "JOB_COMPLETION_INDEX"; }))
        continue;
      JsonArray longer = env;
      longer.push_back(variable);
      api::set(container, {"env"}, std::move(longer));
    }
  }
}

std::string name_prefix(const Json& job, std::optional<int64_t> index) {
  std::string name(api::string_at(job, {"metadata", "name"}));
  const std::string end = index ? "-" + std::to_string(*index) + "-" : "-";
  if (name.size() + end.size() > kMaxPrefix) name.resize(kMaxPrefix - end.size());
  return name + end;
}

uint64_t hash(const Json& job, uint64_t salt) {
  const std::string digest =
      sha256(std::string(api::string_at(job, {"metadata", "uid"})) + std::to_string(salt));
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | uint8_t(digest[i]);
  return value;
}

policy::AdmissionFacts admission_facts(const Snapshot& in, const std::string& ns,
                                       const Json& namespace_object, uint64_t random) {
  using Found = policy::AdmissionFacts::Found;
  auto parsed = [](const ObjectPtr& o) { return o ? std::make_shared<const Json>(o->parse()) : Found(); };
  return {
      .service_account =
          [&in, ns, parsed](std::string_view name) { return parsed(in.get("serviceaccounts", ns, name)); },
      .priority_class =
          [&in, parsed](std::string_view name) {
            return parsed(in.get("priorityclasses.scheduling.k8s.io", "", name));
          },
      .default_priority_class =
          [&in, parsed] {
            Found found;
            in.range("priorityclasses.scheduling.k8s.io", "", [&](const ObjectPtr& o) {
              Found value = parsed(o);
              if (api::bool_at(*value, {"globalDefault"})) found = std::move(value);
              return !found;
            });
            return found;
          },
      .newest_version =
          [&in, ns](std::string_view dataset) {
            policy::NewestVersion newest(dataset);
            in.range("datasetversions.factory.ingot.dev", ns,
                     [&](const ObjectPtr& o) { return newest.see(o->key.name()); });
            return newest.found();
          },
      .namespace_object = namespace_object,
      .random = random};
}

}  // namespace

Json owner_reference(const Json& job) {
  return {{"apiVersion", "batch/v1"},
          {"kind", "Job"},
          {"name", api::string_at(job, {"metadata", "name"})},
          {"uid", api::string_at(job, {"metadata", "uid"})},
          {"controller", true},
          {"blockOwnerDeletion", true}};
}

JobSpec read_job_spec(const Json& job) {
  auto number = [&](std::string_view field) { return api::int_at(job, {"spec", field}); };
  JobSpec spec{
      .parallelism = std::max<int64_t>(0, number("parallelism").value_or(1)),
      .completions = number("completions"),
      .backoff_limit = number("backoffLimit").value_or(6),
      .active_deadline_s = number("activeDeadlineSeconds"),
      .ttl_s = number("ttlSecondsAfterFinished"),
      .suspend = api::bool_at(job, {"spec", "suspend"}),
      .indexed = api::string_at(job, {"spec", "completionMode"}) == "Indexed",
      .only_replace_failed = api::string_at(job, {"spec", "podReplacementPolicy"}) == "Failed",
      .restarts_in_place = api::string_at(job, {"spec", "template", "spec", "restartPolicy"}) == "OnFailure"};
  if (!spec.completions && (!number("parallelism") || spec.indexed)) spec.completions = 1;
  return spec;
}

std::vector<JobPod> read_job_pods(const Snapshot& in, std::string_view job_uid, const JobSpec& spec) {
  std::vector<JobPod> pods;
  for (ObjectPtr& object : in.owned_by(job_uid)) {
    if (object->key.resource() != "pods") continue;
    const auto owners = owners_of(*object);
    if (std::ranges::any_of(owners, [&](const OwnerRef& o) { return o.controller && o.uid == job_uid; }))
      pods.push_back(read_pod(std::move(object), spec));
  }
  return pods;
}

void write_job_pods(Plan& plan, const std::vector<JobPod>& pods, WallTime now) {
  for (const JobPod& pod : pods) {
    if (!pod.strip && !pod.remove) continue;
    Json json = pod.json;
    if (pod.strip) api::remove_finalizer(json, kTrackingFinalizer);
    if (pod.remove && api::begin_deletion(json, {}, now)) {
      plan.erase(pod.object);
    } else {
      plan.update(pod.object, std::move(json));
    }
  }
}

Duration creation_backoff(const std::vector<JobPod>& pods, WallTime now) {
  WallTime last_success{}, last_failure{};
  for (const JobPod& pod : pods)
    if (pod.state == JobPod::State::Succeeded) last_success = std::max(last_success, pod.finished);
  int failures = 0;
  for (const JobPod& pod : pods) {
    if (pod.state != JobPod::State::Failed || pod.disrupted || pod.finished <= last_success) continue;
    ++failures;
    last_failure = std::max(last_failure, pod.finished);
  }
  if (failures == 0) return {};
  std::chrono::seconds pause = kFirstBackoff;
  for (int i = 1; i < failures && pause < kLongestBackoff; ++i) pause = std::min(pause * 2, kLongestBackoff);
  return std::max(Duration(0), Duration(last_failure + pause - now));
}

Result<Json> make_job_pod(const Snapshot& in, const Json& job, const Json& namespace_object, bool indexed) {
  const std::string ns(api::string_at(job, {"metadata", "namespace"}));
  Json pod = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", JsonObject()}};
  for (std::string_view field : {"labels", "annotations", "finalizers"})
    if (const Json* value = api::find(job, {"spec", "template", "metadata", field}))
      api::set(pod, {"metadata", field}, *value);
  if (const Json* spec = api::find(job, {"spec", "template", "spec"})) api::set(pod, {"spec"}, *spec);
  if (!pod.as_object()["spec"].is_object()) pod.as_object()["spec"].emplace_object();
  api::set(pod, {"metadata", "namespace"}, ns);
  api::set(pod, {"metadata", "generateName"}, name_prefix(job, std::nullopt));
  api::set(pod, {"metadata", "ownerReferences"}, JsonArray{owner_reference(job)});
  api::add_finalizer(pod, kTrackingFinalizer);
  if (indexed) add_index_variable(pod);
  if (const auto gang = gang_of_job(job, read_job_spec(job))) label_pod(pod, *gang);
  if (const std::string_view queue = api::string_at(job, {"metadata", "labels", scheduler::kQueueLabel});
      !queue.empty() && api::string_at(pod, {"metadata", "labels", scheduler::kQueueLabel}).empty())
    api::set(pod, {"metadata", "labels", scheduler::kQueueLabel}, queue);

  if (const api::Resource* pods = in.facts().registry ? in.facts().registry->find_key("pods") : nullptr)
    api::apply_defaults(*pods, pod);
  if (auto admitted = policy::admit_pod(pod, admission_facts(in, ns, namespace_object, hash(job, 0)));
      !admitted)
    return fail(admitted.error());
  return pod;
}

Json name_job_pod(const Snapshot& in, const Json& job, Json pod, std::optional<int64_t> index,
                  uint64_t salt) {
  const std::string prefix = name_prefix(job, index);
  api::set(pod, {"metadata", "generateName"}, prefix);
  std::string name;
  do {
    name = prefix + name_suffix(hash(job, ++salt), 5);
  } while (in.get("pods", api::string_at(pod, {"metadata", "namespace"}), name));
  api::set(pod, {"metadata", "name"}, name);
  if (!index) return pod;
  api::set(pod, {"metadata", "annotations", kIndexKey}, std::to_string(*index));
  api::set(pod, {"metadata", "labels", kIndexKey}, std::to_string(*index));
  std::string host = prefix.substr(0, prefix.size() - 1);
  api::set(pod, {"spec", "hostname"}, host);
  return pod;
}

}  // namespace ingot::controllers
