// What deleting does to an object: gone at once, or marked and kept until its grace period or its finalizers end. One
// rule for the API server's DELETE and for controllers. Pure; any thread.
// Facts: apiserver pkg/registry/rest/delete.go, pkg/registry/core/pod/strategy.go (CheckGracefulDelete).
#pragma once

#include <optional>

#include "api/json.h"
#include "base/time.h"

namespace ingot::api {

enum class Propagation : uint8_t { Background, Foreground, Orphan };

struct Deletion {
  std::optional<int64_t> grace_s;  // DeleteOptions.gracePeriodSeconds; absent: the pod's own (30)
  Propagation propagation = Propagation::Background;
};

// True: the object may be erased now. False: `object` was marked (or was already) and must be stored if it changed.
// Namespaces keep themselves by spec.finalizers. A second delete can only shorten the grace period.
bool begin_deletion(Json& object, const Deletion&, WallTime now);

// A marked object whose grace is 0 and that no finalizer holds any more: erase it instead of storing it. To be asked
// on every update of an object with a deletionTimestamp.
bool deletion_complete(const Json& object);

bool is_deleting(const Json& object);  // has metadata.deletionTimestamp
bool has_finalizer(const Json& object, std::string_view finalizer);
void add_finalizer(Json& object, std::string_view finalizer);
void remove_finalizer(Json& object, std::string_view finalizer);  // and the list when it was the last

inline constexpr std::string_view kForegroundFinalizer = "foregroundDeletion";
inline constexpr std::string_view kOrphanFinalizer = "orphan";

}  // namespace ingot::api
