#include "controllers/job_gang.h"

#include <algorithm>
#include <charconv>

#include "controllers/index.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

constexpr std::string_view kPodGroups = "podgroups.scheduling.x-k8s.io";
constexpr int64_t kLargestGang = 1'024;
constexpr size_t kUidDigits = 5, kMaxLabel = 63;

std::optional<int64_t> number(std::string_view text) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return n;
}

std::string group_name(const Json& job) {
  std::string name(api::string_at(job, {"metadata", "name"}).substr(0, kMaxLabel - kUidDigits - 1));
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name + "-" + std::string(api::string_at(job, {"metadata", "uid"}).substr(0, kUidDigits));
}

}  // namespace

std::optional<JobGang> gang_of_job(const Json& job, const JobSpec& spec) {
  const auto annotation = [&](std::string_view name) {
    return api::string_at(job, {"metadata", "annotations", name});
  };
  const std::string_view size = annotation(scheduler::kGangSize), least = annotation(scheduler::kGangMin);
  if (annotation(scheduler::kGang) != "true" && size.empty() && least.empty()) return std::nullopt;
  if (!api::string_at(job, {"spec", "template", "metadata", "labels", scheduler::kGangLabel}).empty())
    return std::nullopt;
  const int64_t together = std::min(spec.parallelism, spec.completions.value_or(spec.parallelism));
  if (together < 2) return std::nullopt;
  const int64_t wanted = number(least).value_or(number(size).value_or(together));
  return JobGang{group_name(job), std::clamp<int64_t>(std::min(wanted, together), 1, kLargestGang)};
}

void label_pod(Json& pod, const JobGang& gang) {
  api::set(pod, {"metadata", "labels", scheduler::kGangLabel}, gang.name);
}

void write_group(Plan& plan, const Snapshot& in, const Json& job, const JobGang& gang) {
  const std::string_view ns = api::string_at(job, {"metadata", "namespace"});
  if (const ObjectPtr before = in.get(kPodGroups, ns, gang.name)) {
    Json group = before->parse();
    const auto owners = owners_of(group);
    const bool ours = std::ranges::any_of(owners, [&](const OwnerRef& o) {
      return o.controller && o.uid == api::string_at(job, {"metadata", "uid"});
    });
    if (!ours || api::int_at(group, {"spec", "minMember"}) == gang.least) return;
    api::set(group, {"spec", "minMember"}, gang.least);
    return plan.update(before, std::move(group));
  }
  plan.create(in, kPodGroups,
              JsonObject{{"apiVersion", "scheduling.x-k8s.io/v1alpha1"},
                         {"kind", "PodGroup"},
                         {"metadata", JsonObject{{"name", gang.name},
                                                 {"namespace", ns},
                                                 {"ownerReferences", JsonArray{owner_reference(job)}}}},
                         {"spec", JsonObject{{"minMember", gang.least}}}});
}

}  // namespace ingot::controllers
