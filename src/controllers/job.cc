// Jobs: which keys to look at, what happens to finished ones, and pods that outlive their job's interest.
#include "api/deletion.h"
#include "controllers/job_sync.h"
#include "controllers/table.h"

namespace ingot::controllers {
namespace {

constexpr std::string_view kJobs = "jobs.batch";
constexpr std::string_view kManager = "kubernetes.io/job-controller";

void watch(const Seen& seen, const Enqueue& enqueue) {
  const Key& key = seen.key();
  if (key.resource() == kJobs && !seen.change.deleted) return enqueue(key);
  if (key.resource() != "pods") return;
  for (const OwnerRef& owner : seen.owners)
    if (owner.controller && owner.kind == "Job")
      enqueue(Key(ClusterId{std::string(key.cluster())}, kJobs, key.ns(), owner.name));
  const api::Object& pod = *seen.change.object;
  if (!seen.change.deleted && pod.marks.deleting && pod.mentions(kTrackingFinalizer)) enqueue(key);
}

// A deleted pod that no job will count any more: its job is gone or not its own.
Plan release_orphan(const Snapshot& in, const Key& key) {
  Plan plan;
  const ObjectPtr object = in.get("pods", key.ns(), key.name());
  if (!object) return plan;
  Json pod = object->parse();
  if (!api::is_deleting(pod) || !api::has_finalizer(pod, kTrackingFinalizer)) return plan;
  for (const OwnerRef& owner : owners_of(pod)) {
    if (!owner.controller || owner.kind != "Job") continue;
    const ObjectPtr job = in.get(kJobs, key.ns(), owner.name);
    if (job && api::string_at(job->parse(), {"metadata", "uid"}) == owner.uid) return plan;
  }
  api::remove_finalizer(pod, kTrackingFinalizer);
  plan.update(object, std::move(pod));
  return plan;
}

// Of a job that is over or being deleted, no pod needs to be counted.
Plan release_pods(const Snapshot& in, const Json& job, WallTime now) {
  Plan plan;
  auto pods = read_job_pods(in, api::string_at(job, {"metadata", "uid"}), read_job_spec(job));
  size_t writes = 0;
  for (JobPod& pod : pods) {
    if (!pod.tracked) continue;
    if (++writes > kMaxWrites) {
      plan.again = true;
      break;
    }
    pod.strip = true;
  }
  write_job_pods(plan, pods, now);
  return plan;
}

void expire(Plan& plan, const ObjectPtr& object, const Json& job, const Json& finished, WallTime now) {
  const auto ttl = read_job_spec(job).ttl_s;
  const auto at = parse_rfc3339(api::string_at(finished, {"lastTransitionTime"}));
  if (!ttl || !at || api::is_deleting(job)) return;
  const Duration left = *at + std::chrono::seconds(*ttl) - now;
  if (left > Duration{}) return plan.revisit(left);
  if (!plan.again) plan.remove(object);
}

Plan reconcile(const Snapshot& in, const Key& key, WallTime now) {
  if (key.resource() == "pods") return release_orphan(in, key);
  const ObjectPtr object = in.get(kJobs, key.ns(), key.name());
  if (!object) return {};
  Json job = object->parse();
  const std::string_view manager = api::string_at(job, {"spec", "managedBy"});
  if (!manager.empty() && manager != kManager) return {};

  const Json* finished = true_job_condition(job, "Complete");
  if (!finished) finished = true_job_condition(job, "Failed");
  if (finished || api::is_deleting(job)) {
    Plan plan = release_pods(in, job, now);
    if (finished) expire(plan, object, job, *finished, now);
    return plan;
  }
  const ObjectPtr ns = in.get("namespaces", "", key.ns());
  const Json namespace_object = ns ? ns->parse() : Json();
  const bool usable = ns && !api::is_deleting(namespace_object);
  return JobSync(in, object, std::move(job), usable ? &namespace_object : nullptr, now).run();
}

}  // namespace

const Controller kJob{"job", watch, reconcile};

}  // namespace ingot::controllers
