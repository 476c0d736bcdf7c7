#include <algorithm>
#include <charconv>

#include "api/validate.h"

namespace ingot::api {
namespace {

constexpr int64_t kMaxIndexed = 100'000;  // parallelism of an Indexed Job

void failure_policy(const Json& spec, FieldErrors& errors) {
  const Json* policy = find(spec, {"podFailurePolicy"});
  if (!policy) return;
  if (string_at(spec, {"template", "spec", "restartPolicy"}) != "Never")
    errors.invalid("spec.template.spec.restartPolicy", "OnFailure",
                   "only \"Never\" is supported when podFailurePolicy is specified");
  const JsonArray& rules = array_at(*policy, {"rules"});
  if (rules.size() > 20) errors.too_many("spec.podFailurePolicy.rules", rules.size(), 20);
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string at = item("spec.podFailurePolicy.rules", i);
    const bool codes = find(rules[i], {"onExitCodes"}),
               conditions = !array_at(rules[i], {"onPodConditions"}).empty();
    if (codes == conditions)
      errors.invalid(at, rules[i],
                     codes ? "specifying both OnExitCodes and OnPodConditions is not supported"
                           : "specifying one of OnExitCodes and OnPodConditions is required");
    if (codes && array_at(rules[i], {"onExitCodes", "values"}).empty())
      errors.invalid(child(at, "onExitCodes.values"), JsonArray(), "at least one value is required");
  }
}

void indexed(const Json& spec, FieldErrors& errors) {
  const bool is_indexed = string_at(spec, {"completionMode"}) == "Indexed";
  const std::optional<int64_t> completions = int_at(spec, {"completions"});
  if (is_indexed && !completions) errors.required("spec.completions", "when completion mode is Indexed");
  if (is_indexed && int_at(spec, {"parallelism"}).value_or(0) > kMaxIndexed)
    errors.invalid("spec.parallelism", *find(spec, {"parallelism"}),
                   "must be less than or equal to 100000 when completion mode is Indexed");
  if (is_indexed && completions.value_or(0) > kMaxIndexed && find(spec, {"backoffLimitPerIndex"}))
    errors.invalid("spec.completions", *completions,
                   "must be less than or equal to 100000 when backoffLimitPerIndex is specified");
  for (std::string_view name : {"backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"})
    if (!is_indexed && find(spec, {name}))
      errors.invalid(child("spec", name), *find(spec, {name}), "requires indexed completion mode");
  if (find(spec, {"maxFailedIndexes"}) && !find(spec, {"backoffLimitPerIndex"}))
    errors.required("spec.backoffLimitPerIndex", "when maxFailedIndexes is specified");
}

// The gang that a Job's annotations ask for must be one that its pods can be.
void gang(const Subject& s, int64_t pods) {
  constexpr int64_t kLargest = 1'024;
  const auto annotation = [&](std::string_view name) {
    return string_at(s.object, {"metadata", "annotations", name});
  };
  const auto path = [](std::string_view name) { return entry("metadata.annotations", name); };
  constexpr std::string_view kGang = "factory.ingot.dev/gang", kSize = "factory.ingot.dev/gang-size",
                             kLeast = "factory.ingot.dev/gang-min";
  const std::string_view asked = annotation(kGang);
  if (!asked.empty() && asked != "true" && asked != "false")
    s.errors.unsupported(path(kGang), asked, {"true", "false"});
  std::optional<int64_t> size;
  for (const std::string_view name : {kSize, kLeast}) {
    const std::string_view text = annotation(name);
    if (text.empty()) continue;
    int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    const bool good = error == std::errc{} && end == text.data() + text.size() && n >= 1 && n <= kLargest;
    const int64_t most = size.value_or(pods);
    if (!good)
      s.errors.invalid(path(name), Json(text), "must be a number of pods between 1 and 1024");
    else if (n > most && pods > 0)
      s.errors.invalid(path(name), Json(text),
                       "must be less than or equal to " + std::to_string(most) +
                           (size ? ", the size of the gang"
                                 : ", the pods that run at a time (spec.parallelism, "
                                   "spec.completions)"));
    if (name == kSize && good) size = n;
  }
  if (asked == "true" && !size && annotation(kLeast).empty() && pods > kLargest)
    s.errors.invalid(path(kGang), Json(asked),
                     "a gang has at most 1024 pods, and this Job runs " + std::to_string(pods) +
                         " at a time: say with gang-min how many must run together");
}

void job_update(const Subject& s) {
  // A suspended Job that has not started may still be steered: scheduling directives of its template.
  const bool steerable =
      bool_at(*s.before, {"spec", "suspend"}) && string_at(*s.before, {"status", "startTime"}).empty();
  const Json *now = find(s.object, {"spec", "template"}), *was = find(*s.before, {"spec", "template"});
  Json a = now ? *now : Json(), b = was ? *was : Json();
  if (steerable) {
    for (Json* one : {&a, &b}) {
      for (std::string_view field : {"nodeSelector", "affinity", "tolerations", "schedulingGates"})
        erase(*one, {"spec", field});
      for (std::string_view field : {"labels", "annotations"}) erase(*one, {"metadata", field});
    }
  }
  if (!same(&a, &b)) s.errors.invalid("spec.template", now ? *now : Json(), "field is immutable");
  for (std::string_view field : {"selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex",
                                 "managedBy", "successPolicy"})
    immutable(s, {"spec", field});
  // Elastic indexed Jobs: completions follow parallelism.
  const bool elastic = string_at(s.object, {"spec", "completionMode"}) == "Indexed" &&
                       int_at(s.object, {"spec", "completions"}) == int_at(s.object, {"spec", "parallelism"});
  if (!elastic) immutable(s, {"spec", "completions"});
}

}  // namespace

void validate_job(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return s.errors.required("spec");
  for (std::string_view name : {"parallelism", "completions", "backoffLimit", "activeDeadlineSeconds",
                                "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"})
    at_least(*spec, name, 0, "spec", s.errors);
  // What the Job controller would not carry out is refused, not ignored.
  for (std::string_view name : {"backoffLimitPerIndex", "podFailurePolicy", "successPolicy"})
    if (find(*spec, {name}))
      s.errors.forbidden(child("spec", name), "is not supported by this control plane");
  const int64_t pods = int_at(*spec, {"parallelism"}).value_or(1);
  gang(s, std::min(pods, int_at(*spec, {"completions"}).value_or(pods)));
  indexed(*spec, s.errors);
  failure_policy(*spec, s.errors);
  const Json* pod_template = find(*spec, {"template"});
  if (!pod_template) return s.errors.required("spec.template");
  if (const Json* map = find(*pod_template, {"metadata", "labels"}))
    labels(*map, "spec.template.metadata.labels", s.errors);
  const Json* pod = find(*pod_template, {"spec"});
  if (!pod) return s.errors.required("spec.template.spec.containers");
  validate_pod_spec(*pod, "spec.template.spec", s.errors);
  const std::string_view restart = string_at(*pod, {"restartPolicy"});
  if (restart == "Always" || restart.empty())
    s.errors.unsupported("spec.template.spec.restartPolicy", restart, {"OnFailure", "Never"});
  if (const Json* selector = find(*spec, {"selector"})) label_selector(*selector, "spec.selector", s.errors);
  if (const std::string_view by = string_at(*spec, {"managedBy"}); by.size() > 63)
    s.errors.too_long("spec.managedBy", 63);
  if (s.before) job_update(s);
}

}  // namespace ingot::api
