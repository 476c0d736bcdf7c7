// `memoize`: what a template gave once is kept by a key in a ConfigMap, and given again. Pure; any thread.
// Source of the format: Argo Workflows, workflow/controller/cache (entries are JSON texts under `data`).
#pragma once

#include <functional>
#include <span>

#include "workflow/flow.h"
#include "workflow/node.h"

namespace ingot::workflow {

inline constexpr std::string_view kConfigMapTypeLabel = "workflows.argoproj.io/configmap-type";
inline constexpr size_t kMostRemembered = 1u << 20;  // bytes of a ConfigMap
inline constexpr Duration kNoted = std::chrono::minutes(1);

struct MemoKey {
  std::string map, key;
  std::optional<Duration> max_age;
};
Or<MemoKey> memo_key(const Json& memoize);  // of a filled one
// What is wrong with one that may have tags yet.
Or<void> check_memoize(const Json& memoize);

// What is to be written: outputs of a node; null: those that are there were used.
struct Memo {
  NodeIndex node = kNobody;
  std::string map, key;
  std::string node_id;
  Values outputs;
  bool hit = false;
};

// The outputs that the ConfigMap (nullptr: there is none) keeps under the key; none: it keeps none that is young enough.
// An error: it is no cache, or not ours to read.
Or<std::optional<Values>> recall(const Json* config_map, const MemoKey&, WallTime now);
struct Forgotten {
  NodeIndex node = kNobody;
  std::string why;
};
// One ConfigMap (nullptr: there is none yet) with all of that written. None: nothing is to be, for uses are noted once in
// kNoted. `lost`: what could not be kept, and why.
std::optional<Json> remember(const Json* config_map, std::span<const Memo* const>, WallTime now,
                             std::vector<Forgotten>& lost);

// Looks into the ConfigMap beside the Workflow, while whatever is called asks.
using Recall = std::function<Or<std::optional<Values>>(const MemoKey&)>;

}  // namespace ingot::workflow
