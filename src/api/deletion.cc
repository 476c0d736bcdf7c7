#include "api/deletion.h"

#include <algorithm>

namespace ingot::api {
namespace {

bool is_pod(const Json& object) {
  return string_at(object, {"kind"}) == "Pod" && string_at(object, {"apiVersion"}) == "v1";
}
bool is_namespace(const Json& object) {
  return string_at(object, {"kind"}) == "Namespace" && string_at(object, {"apiVersion"}) == "v1";
}

// Only a pod that a node may be running needs time to end.
int64_t grace_of(const Json& object, const Deletion& deletion) {
  if (!is_pod(object)) return 0;
  const std::string_view phase = string_at(object, {"status", "phase"});
  if (string_at(object, {"spec", "nodeName"}).empty() || phase == "Succeeded" || phase == "Failed") return 0;
  const int64_t own = int_at(object, {"spec", "terminationGracePeriodSeconds"}).value_or(30);
  return std::clamp<int64_t>(deletion.grace_s.value_or(own), 0, 10 * 365 * 86'400);
}

bool held(const Json& object) {
  return !array_at(object, {"metadata", "finalizers"}).empty() ||
         (is_namespace(object) && !array_at(object, {"spec", "finalizers"}).empty());
}

void mark(Json& object, int64_t grace, WallTime now) {
  const auto end = std::chrono::floor<std::chrono::seconds>(now) + std::chrono::seconds(grace);
  set(object, {"metadata", "deletionTimestamp"}, to_rfc3339(end));
  set(object, {"metadata", "deletionGracePeriodSeconds"}, grace);
}

}  // namespace

bool begin_deletion(Json& object, const Deletion& deletion, WallTime now) {
  const int64_t grace = grace_of(object, deletion);
  if (!is_deleting(object)) {
    if (deletion.propagation != Propagation::Foreground) remove_finalizer(object, kForegroundFinalizer);
    if (deletion.propagation != Propagation::Orphan) remove_finalizer(object, kOrphanFinalizer);
    if (deletion.propagation == Propagation::Foreground) add_finalizer(object, kForegroundFinalizer);
    if (deletion.propagation == Propagation::Orphan) add_finalizer(object, kOrphanFinalizer);
    if (grace == 0 && !held(object)) return true;
    mark(object, grace, now);
    if (is_namespace(object)) set(object, {"status", "phase"}, "Terminating");
    return false;
  }
  if (int_at(object, {"metadata", "deletionGracePeriodSeconds"}).value_or(0) > grace)
    mark(object, grace, now);
  return deletion_complete(object);
}

bool deletion_complete(const Json& object) {
  return is_deleting(object) && !held(object) &&
         int_at(object, {"metadata", "deletionGracePeriodSeconds"}).value_or(0) == 0;
}

bool is_deleting(const Json& object) { return !string_at(object, {"metadata", "deletionTimestamp"}).empty(); }

bool has_finalizer(const Json& object, std::string_view finalizer) {
  return std::ranges::any_of(array_at(object, {"metadata", "finalizers"}), [&](const Json& f) {
    return f.is_string() && std::string_view(f.get_string()) == finalizer;
  });
}

void add_finalizer(Json& object, std::string_view finalizer) {
  if (has_finalizer(object, finalizer)) return;
  JsonArray all = array_at(object, {"metadata", "finalizers"});
  all.emplace_back(boost::json::string_view(finalizer.data(), finalizer.size()));
  set(object, {"metadata", "finalizers"}, std::move(all));
}

void remove_finalizer(Json& object, std::string_view finalizer) {
  if (!has_finalizer(object, finalizer)) return;
  JsonArray left;
  for (const Json& f : array_at(object, {"metadata", "finalizers"}))
    if (!f.is_string() || std::string_view(f.get_string()) != finalizer) left.push_back(f);
  if (left.empty()) {
    erase(object, {"metadata", "finalizers"});
  } else {
    set(object, {"metadata", "finalizers"}, std::move(left));
  }
}

}  // namespace ingot::api
