// metadata.managedFields: who wrote which field last, in apimachinery's FieldsV1 form (sigs.k8s.io/structured-merge-diff:
// "f:name" a field or map key, k:{…} an item of a keyed list, v:… a member of a set, "." the thing itself). Pure.
// Recording only; server-side apply with its conflicts is not here.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "api/registry.h"
#include "base/time.h"

namespace ingot::api {

struct FieldWrite {
  std::string_view manager;               // ?fieldManager=, or field_manager_of(User-Agent)
  std::string_view operation = "Update";  // or "Apply"
  std::string_view subresource = {};      // "status"
  WallTime at;
};

// Writes metadata.managedFields of `object`, the state about to be stored, from those of `before` (nullptr on create)
// and what changed between the two; whatever a client wrote there is ignored. Changed fields leave the lists of all
// other managers. At most 10 managers are kept for updates; the oldest become "ancient-changes".
void record_fields(const Schema&, const Json* before, Json& object, const FieldWrite&);

// "kubectl/v1.32 (linux…)" → "kubectl"; "unknown" when there is nothing.
std::string_view field_manager_of(std::string_view user_agent);

}  // namespace ingot::api
