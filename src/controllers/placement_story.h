// What people are told of placement: what queues hold and who comes first in them, why a pod waits or where it is,
// what a new object may expect. Reads only. Thread rule: the loop.
#pragma once

#include <optional>

#include "api/object.h"
#include "controllers/placement_units.h"
#include "scheduler/forecast.h"
#include "store/shard.h"

namespace ingot::controllers {

struct Scene {
  scheduler::Model& model;
  PlacementUnits& units;
  const scheduler::Policy& policy;
  WallTime now;
};

// {pod, uid, phase, createdAt, waitedSeconds} and, while it waits, {reason, asks, gang, queue, position, of, starts,
// after, nodes, moreNodes, reservation, preemption}; once placed {node, devices, from, why}. To who may not see
// `everyone`, pods of other tenants are "another tenant". An error: there is no such pod.
Result<api::Json> pod_story(const Scene&, const store::Turn&, const api::Key& pod, bool everyone);

// [{queue, tenant, parent, depth, weight, guarantee, limit, used, lent, pending, head}]; GPUs, CPUs and memory as
// numbers. `tenant`: only this one's own leaf; "": all.
api::JsonArray queue_story(const Scene&, const store::Turn&, std::string_view tenant);

// What a Pod or Job that somebody asks to create may expect; none: it asks for no GPU.
struct Estimate {
  scheduler::Forecast forecast;
  scheduler::Request request;        // of one pod
  int64_t pods = 1;                  // that it is of
  std::optional<Duration> run_time;  // of each, at most
};
// `quick`: no more is looked at than what is known already.
std::optional<Estimate> estimate(const Scene&, const ClusterId&, const api::Json& object, const Lookup&,
                                 bool quick);

}  // namespace ingot::controllers
