#include <charconv>

#include "scheduler/objects.h"
#include "scheduler/objects_affinity.h"

namespace ingot::scheduler {
namespace {

using api::Json;
using api::JsonObject;
using api::string_at;
using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr int64_t kLargestGang = 1024;

std::optional<int64_t> number(std::string_view text) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return n;
}

// Every field of Work that an Allocation keeps, in both directions.
struct Field {
  std::string_view name;
  int64_t (*get)(const Work&);
  void (*set)(Work&, int64_t);
};
template <Duration Work::* Member>
constexpr Field time_field(std::string_view name) {
  return {name, [](const Work& w) { return int64_t(duration_cast<seconds>(w.*Member).count()); },
          [](Work& w, int64_t n) { w.*Member = seconds(n); }};
}
template <bool Work::* Member>
constexpr Field flag_field(std::string_view name) {
  return {name, [](const Work& w) { return int64_t(w.*Member); },
          [](Work& w, int64_t n) { w.*Member = n != 0; }};
}
constexpr Field kFields[] = {
    {"priority", [](const Work& w) { return w.priority; }, [](Work& w, int64_t n) { w.priority = n; }},
    {"least", [](const Work& w) { return w.least; }, [](Work& w, int64_t n) { w.least = n; }},
    time_field<&Work::grace>("graceSeconds"),
    time_field<&Work::least_run>("leastRunSeconds"),
    time_field<&Work::attained>("attainedSeconds"),
    flag_field<&Work::preempts>("preempts"),
    flag_field<&Work::preemptible>("preemptible"),
    flag_field<&Work::movable>("movable"),
};

}  // namespace

JsonObject work_object(const Work& work) {
  const Work usual;
  JsonObject out{{"unit", work.unit}};
  if (!work.queue.empty()) out["queue"] = work.queue;
  if (!work.origin.empty()) out["origin"] = work.origin;
  for (const Field& f : kFields)
    if (f.get(work) != f.get(usual)) out[f.name] = f.get(work);
  if (work.run_time) out["runSeconds"] = duration_cast<seconds>(*work.run_time).count();
  return out;
}

Work work_from(const JsonObject& object) {
  const auto number = [&](std::string_view name) -> std::optional<int64_t> {
    const api::Json* value = object.if_contains(name);
    return value && value->is_int64() ? std::optional(value->get_int64()) : std::nullopt;
  };
  const auto string = [&](std::string_view name) {
    const api::Json* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  Work out;
  out.unit = string("unit");
  out.queue = string("queue");
  out.origin = string("origin");
  for (const Field& f : kFields)
    if (const auto n = number(f.name)) f.set(out, *n);
  if (const auto n = number("runSeconds")) out.run_time = seconds(*n);
  return out;
}

std::optional<Gang> gang_of(const Json& pod) {
  Gang gang{.name = std::string(string_at(pod, {"metadata", "labels", kGangLabel}))};
  const std::string_view size_text = string_at(pod, {"metadata", "annotations", kGangSize});
  const std::string_view least_text = string_at(pod, {"metadata", "annotations", kGangMin});
  if (gang.name.empty() && size_text.empty()) return std::nullopt;
  if (gang.name.empty())
    gang.fault = "annotation " + std::string(kGangSize) +
                 " says how many pods its gang is of, and no label " + std::string(kGangLabel) +
                 " says which";
  const auto count = [&](std::string_view name, std::string_view text) {
    const auto n = number(text);
    if (!text.empty() && (!n || *n < 1 || *n > kLargestGang))
      gang.fault = "annotation " + std::string(name) + " must be a number of pods between 1 and " +
                   std::to_string(kLargestGang);
    return n && *n >= 1 && *n <= kLargestGang ? *n : 0;
  };
  gang.size = count(kGangSize, size_text);
  gang.least = count(kGangMin, least_text);
  if (gang.size > 0 && gang.least > gang.size)
    gang.fault = "annotation " + std::string(kGangMin) + " asks for " + std::to_string(gang.least) +
                 " pods at least, and its gang is of " + std::to_string(gang.size);
  if (gang.size < 2) gang.size = 0;
  if (gang.least == 0 || gang.least > gang.size) gang.least = gang.size;
  return gang;
}

std::string_view name_stem(std::string_view name) {
  // Those of generated names (k8s.io/apimachinery: pkg/util/rand), which have no vowels.
  constexpr std::string_view kDigits = "0123456789", kGenerated = "bcdfghjklmnpqrstvwxz2456789";
  constexpr size_t kGeneratedLength = 5;
  for (;;) {
    const size_t dash = name.find_last_of("-.");
    if (dash == name.npos || dash == 0) return name;
    const std::string_view end = name.substr(dash + 1);
    if (end.find_first_not_of(kDigits) != end.npos &&
        (end.size() != kGeneratedLength || end.find_first_not_of(kGenerated) != end.npos))
      return name;
    name = name.substr(0, dash);
  }
}

std::string origin_of(std::string_view ns, const Json& pod, const Request& request) {
  if (request.gpus == 0) return "";
  std::string whose;
  for (const Json& owner : api::array_at(pod, {"metadata", "ownerReferences"}))
    if (api::bool_at(owner, {"controller"}))
      whose =
          std::string(string_at(owner, {"kind"})) + "/" + std::string(name_stem(string_at(owner, {"name"})));
  const std::string_view name = string_at(pod, {"metadata", "name"});
  const std::string_view stem = name_stem(name.empty() ? string_at(pod, {"metadata", "generateName"}) : name);
  if (whose.empty() && stem != name) whose = "Pod/" + std::string(stem);
  if (whose.empty()) whose = "Queue/" + std::string(string_at(pod, {"metadata", "labels", kQueueLabel}));
  std::string gpus = std::to_string(request.gpus);
  if (!request.profile.empty()) gpus += "x" + request.profile;
  if (request.milli < 1000) gpus += "x" + std::to_string(request.milli) + "m";
  return std::string(ns) + "/" + whose + "/" + gpus;
}

std::string gang_origin(std::string origin, int64_t least) {
  return origin.empty() ? origin : origin + "x" + std::to_string(least) + "pods";
}

int64_t rank_of(const Json& pod) {
  return rank_of(labels_of(pod), string_at(pod, {"metadata", "name"})).value_or(INT64_MAX);
}

Work work_of(const Json& pod) {
  Work work;
  work.queue = string_at(pod, {"metadata", "labels", kQueueLabel});
  work.priority = api::int_at(pod, {"spec", "priority"}).value_or(0);
  work.preempts = string_at(pod, {"spec", "preemptionPolicy"}) != "Never";
  work.preemptible = string_at(pod, {"metadata", "annotations", kPreemptible}) != "false";
  work.movable = string_at(pod, {"metadata", "annotations", kMovable}) == "true";
  const auto bounded = [](int64_t s) { return seconds(std::clamp<int64_t>(s, 0, 10LL * 366 * 86'400)); };
  work.grace = bounded(api::int_at(pod, {"spec", "terminationGracePeriodSeconds"}).value_or(30));
  if (const auto deadline = api::int_at(pod, {"spec", "activeDeadlineSeconds"}))
    work.run_time = bounded(*deadline);
  return work;
}

}  // namespace ingot::scheduler
