// Queues and pools, from stored objects to values. Pure; any thread. Nothing here fails: the objects were validated
// when they were written, and what is absent or malformed reads as the default.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "api/json.h"
#include "scheduler/queues.h"
#include "scheduler/work.h"

namespace ingot::scheduler {

struct QueueObject {
  Queue queue;
  std::set<std::string> tenants;  // names of who may use it, and what hangs below it, besides its own
  Duration least_run{};           // of its work: not a victim before it has run this long
  bool operator==(const QueueObject&) const = default;
};

// GPU models are named in objects and numbered in the model.
using ModelNumber = std::function<ModelId(std::string_view)>;

// A guarantee of models is at least that of so many GPUs.
QueueObject queue_from(const api::Json& queue, const ModelNumber&);
// `tenants` are names, as the object has them; with `closed` unset everybody may use it.
Pool pool_from(const api::Json& pool);

}  // namespace ingot::scheduler
