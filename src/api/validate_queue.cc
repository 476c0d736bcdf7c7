// Queue, Pool and PodGroup as they stand alone; what they say of each other is policy/quota.h's.
#include <set>

#include "api/names.h"
#include "api/validate.h"
#include "base/quantity.h"
#include "base/time.h"

namespace ingot::api {
namespace {

constexpr size_t kMostTenants = 1'000, kMostModels = 64;
constexpr int64_t kMostAmount = 1'000'000'000, kMostWeight = 1'000'000;
constexpr int64_t kMostReplicas = 100;  // time slices of one GPU
constexpr int64_t kLargestGang = 1'024;

void at_most(const Json& object, std::string_view name, int64_t most, std::string_view path,
             FieldErrors& errors) {
  const std::optional<int64_t> value = int_at(object, {name});
  if (value && *value > most)
    errors.invalid(child(path, name), *value, "must be less than or equal to " + std::to_string(most));
}

void between(const Json& object, std::string_view name, int64_t least, int64_t most, std::string_view path,
             FieldErrors& errors) {
  at_least(object, name, least, path, errors);
  at_most(object, name, most, path, errors);
}

void duration(const Json& spec, std::string_view name, Duration least, Duration most, std::string_view path,
              FieldErrors& errors) {
  const Json* value = find(spec, {name});
  if (!value || text(*value).empty()) return;
  const auto parsed = parse_duration(text(*value));
  if (!parsed || *parsed < least || *parsed > most)
    errors.invalid(child(path, name), *value,
                   "must be a duration such as \"30m\" or \"24h\", between " + human_duration(least) +
                       " and " + human_duration(most));
}

void tenants(const Json& spec, FieldErrors& errors) {
  const JsonArray& list = array_at(spec, {"tenants"});
  if (list.size() > kMostTenants) errors.too_many("spec.tenants", list.size(), kMostTenants);
  std::set<std::string_view> seen;
  for (size_t i = 0; i < std::min(list.size(), kMostTenants); ++i) {
    errors.check(item("spec.tenants", i), text(list[i]), dns_label_fault(text(list[i])));
    if (!seen.insert(text(list[i])).second) errors.duplicate(item("spec.tenants", i), list[i]);
  }
}

void amounts(const Json* value, const std::string& path, FieldErrors& errors) {
  if (!value) return;
  between(*value, "gpus", 0, kMostAmount, path, errors);
  const JsonObject& models = object_at(*value, {"gpuModels"});
  if (models.size() > kMostModels) errors.too_many(child(path, "gpuModels"), models.size(), kMostModels);
  for (const auto& [key, n] : models) {
    const std::string at = entry(child(path, "gpuModels"), {key.data(), key.size()});
    if (key.empty() || key.size() > 63) errors.invalid(at, Json(key), "must be a GPU model of 1 to 63 bytes");
    if (n.is_int64() && (n.get_int64() < 0 || n.get_int64() > kMostAmount))
      errors.invalid(at, n, "must be between 0 and " + std::to_string(kMostAmount));
  }
  for (std::string_view name : {"cpu", "memory"})
    if (const Json* quantity = find(*value, {name}))
      if (const auto q = Quantity::parse(text(*quantity)); q && q->milli < 0)
        errors.invalid(child(path, name), *quantity, "must be greater than or equal to 0");
}

// What is guaranteed must be allowed.
void guarantee_within_limit(const Json& spec, FieldErrors& errors) {
  const auto judge = [&](const std::string& path, const Json* guarantee, const Json* limit,
                         std::optional<int64_t> least, std::optional<int64_t> most) {
    if (guarantee && limit && least && most && *least > *most)
      errors.invalid(path, *guarantee,
                     "must be less than or equal to the limit of " +
                         (limit->is_string() ? std::string(text(*limit)) : to_text(*limit)));
  };
  const auto number = [](const Json* value) {
    return value && value->is_int64() ? std::optional(value->get_int64()) : std::nullopt;
  };
  const auto quantity = [](const Json* value) {
    const auto q = value ? Quantity::parse(text(*value)) : std::nullopt;
    return q ? std::optional(q->milli) : std::nullopt;
  };
  const auto pair = [&](std::initializer_list<std::string_view> path) {
    const Json *guarantee = find(spec, {"guarantee"}), *limit = find(spec, {"limit"});
    return std::pair(guarantee ? find(*guarantee, path) : nullptr, limit ? find(*limit, path) : nullptr);
  };
  const auto [gpus, most_gpus] = pair({"gpus"});
  judge("spec.guarantee.gpus", gpus, most_gpus, number(gpus), number(most_gpus));
  for (std::string_view name : {"cpu", "memory"}) {
    const auto [least, most] = pair({name});
    judge(child("spec.guarantee", name), least, most, quantity(least), quantity(most));
  }
  int64_t sum = 0;
  for (const auto& [key, n] : object_at(spec, {"guarantee", "gpuModels"})) {
    const std::string_view model(key.data(), key.size());
    const auto [least, most] = pair({"gpuModels", model});
    judge(entry("spec.guarantee.gpuModels", model), least, most, number(least), number(most));
    if (n.is_int64()) sum += std::min(n.get_int64(), kMostAmount);
  }
  if (const auto most = number(most_gpus); most && sum > *most)
    errors.invalid(
        "spec.guarantee.gpuModels", sum,
        "all models together must be less than or equal to the limit of " + std::to_string(*most) + " GPUs");
}

}  // namespace

void validate_queue(const Subject& s) {
  const std::string_view name = string_at(s.object, {"metadata", "name"});
  if (name == "root")
    s.errors.invalid("metadata.name", Json(std::string(name)),
                     "is the whole factory: a queue without spec.parent hangs below it");
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  if (const std::string_view parent = string_at(*spec, {"parent"}); !parent.empty()) {
    s.errors.check("spec.parent", parent, dns_label_fault(parent));
    if (parent == name) s.errors.invalid("spec.parent", Json(std::string(parent)), "is the queue itself");
  }
  between(*spec, "weight", 1, kMostWeight, "spec", s.errors);
  tenants(*spec, s.errors);
  amounts(find(*spec, {"guarantee"}), "spec.guarantee", s.errors);
  amounts(find(*spec, {"limit"}), "spec.limit", s.errors);
  guarantee_within_limit(*spec, s.errors);
  using namespace std::chrono_literals;
  duration(*spec, "halfLife", 1min, 24h * 365, "spec", s.errors);
  duration(*spec, "minRunTime", 0s, 24h * 7, "spec", s.errors);
}

void validate_pool(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  tenants(*spec, s.errors);
  if (!array_at(*spec, {"tenants"}).empty() && !bool_at(*spec, {"dedicated"}))
    s.errors.invalid("spec.tenants", *find(*spec, {"tenants"}),
                     "everybody may use a pool that is not dedicated: set spec.dedicated to true");
  between(*spec, "replicas", 1, kMostReplicas, "spec", s.errors);
  const Json* idle = find(*spec, {"idle"});
  if (!idle) return;
  using namespace std::chrono_literals;
  duration(*idle, "after", 1min, 24h * 365, "spec.idle", s.errors);
  if (string_at(*idle, {"after"}).empty())
    s.errors.required("spec.idle.after", "how long a held GPU may be unused, such as \"30m\"");
}

void validate_pod_group(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec || !find(*spec, {"minMember"})) {
    s.errors.required("spec.minMember", "how many pods must run together");
    return;
  }
  between(*spec, "minMember", 1, kLargestGang, "spec", s.errors);
  between(*spec, "scheduleTimeoutSeconds", 0, INT32_MAX, "spec", s.errors);
  if (const Json* least = find(*spec, {"minResources"})) quantities(*least, "spec.minResources", s.errors);
}

}  // namespace ingot::api
