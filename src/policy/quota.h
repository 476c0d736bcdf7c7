// What queues and tenants' leaves promise, looked at together: a tree without rings, in which nobody guarantees more
// than stands above it. Pure; any thread.
//
// What contradicts itself is an error, at the field of the object that is being written, with the way out. What nodes
// may still make true (guarantees above what the factory has today, models that no node has) is a warning.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/field_errors.h"
#include "api/json.h"

namespace ingot::policy {

// By what it is of: "gpus", "cpu" (milli), "memory" (bytes), or "gpuModels[MODEL]".
using QuotaAmounts = std::map<std::string, int64_t, std::less<>>;

// A Queue, or the leaf of a Tenant.
struct QuotaNode {
  std::string name, parent;  // parent "": the whole factory
  bool tenant = false;
  QuotaAmounts guarantee, limit;
};
QuotaNode quota_of_queue(const api::Json& queue);
QuotaNode quota_of_tenant(const api::Json& tenant);

// `others`: all queues and tenants' leaves but `changed`.
void check_quota(const QuotaNode& changed, const std::vector<QuotaNode>& others, api::FieldErrors&);

// `capacity`: "gpus" and every "gpuModels[…]" of the factory.
std::vector<std::string> quota_warnings(const QuotaNode& changed, const std::vector<QuotaNode>& others,
                                        const QuotaAmounts& capacity);

// What hangs directly below the queue, for people: "queues a, b and tenant c"; "" when nothing does.
std::string dependents(std::string_view queue, const std::vector<QuotaNode>& all);

}  // namespace ingot::policy
