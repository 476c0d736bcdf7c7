// The three patches of the Kubernetes API. Pure; any thread. Result is not validated: conform() and
// validate() it.
#pragma once

#include "api/json.h"
#include "api/registry.h"

namespace ingot::api {

Result<Json> json_patch(const Json& object, const Json& patch);  // RFC 6902; ≤ 10,000 operations
Result<Json> merge_patch(Json object, const Json& patch);        // RFC 7386; in the object's own memory
// Merge keys, $patch: delete|replace|merge, $retainKeys, $deleteFromPrimitiveList, $setElementOrder as in
// apimachinery's strategicpatch; types without merge keys fall back to merge_patch.
Result<Json> strategic_merge_patch(const Schema&, const Json& object, const Json& patch);

}  // namespace ingot::api
