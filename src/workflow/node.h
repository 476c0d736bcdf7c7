// Nodes of a run: one for everything that was begun. Plain values; any thread.
// Source of names, types and phases: Argo Workflows, pkg/apis/workflow/v1alpha1 (NodeStatus).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/time.h"

namespace ingot::workflow {

struct Template;

enum class Phase : uint8_t { Pending, Running, Succeeded, Skipped, Failed, Error, Omitted };
enum class NodeType : uint8_t {
  Pod,
  Steps,
  StepGroup,
  DAG,
  TaskGroup,
  Retry,
  Skipped,
  Suspend,
  HTTP,
  Container
};
std::string_view to_string(Phase);
std::string_view to_string(NodeType);
std::optional<Phase> phase_from(std::string_view);
std::optional<NodeType> type_from(std::string_view);

inline bool fulfilled(Phase p) { return p != Phase::Pending && p != Phase::Running; }
inline bool completed(Phase p) { return p == Phase::Succeeded || p == Phase::Failed || p == Phase::Error; }
inline bool failed(Phase p) { return p == Phase::Failed || p == Phase::Error; }

// Whether it does something itself, by a pod or a request, and holds nothing of others together.
inline bool works(NodeType t) { return t == NodeType::Pod || t == NodeType::HTTP; }

using NodeIndex = int32_t;
inline constexpr NodeIndex kNobody = -1;
using Values = std::shared_ptr<const api::Json>;

// The locks of its `synchronization` (locks.h).
struct NodeLocks {
  std::vector<std::string> names;
  std::string waits_for;  // the first that was taken; "": it holds all of them
};

struct Node {
  std::string id, name, display;
  NodeType type = NodeType::Pod;
  Phase phase = Phase::Pending;
  bool hooked = false, retried = false;  // NodeFlag
  bool daemoned = false;
  bool settled = false;          // fulfilled, and so are its exit hooks: who waits for it goes on
  NodeIndex boundary = kNobody;  // the steps or dag that it is of
  NodeIndex parent = kNobody;    // who waits for it: a group, a Retry, steps, a dag
  int32_t task = -1;             // of the boundary's template
  const Template* runs = nullptr;
  WallTime started{}, finished{};
  std::string message;
  Values inputs, outputs;                  // null: none
  std::shared_ptr<const NodeLocks> locks;  // null: it needs none, or has ended
  Values memo;                             // memoizationStatus; null: its template remembers nothing
  std::vector<NodeIndex> after;            // whose child it is shown as
  std::string host, ip;
  int64_t children = 0;  // of a group or a Retry: how many there were …
  int64_t open = 0;      // … and how many are not settled
  int32_t hooks = 0;     // that run beside or after it
  bool waits() const { return locks && !locks->waits_for.empty(); }
};

// NodeStatus, as it is stored: its children follow from what others say of `after`, and are put in where it is shown.
api::Json node_to_json(const Node&, const std::deque<Node>& all);
// A stored node with the ids of those it names.
struct StoredNode {
  Node node;
  std::string boundary, parent, template_name, scope;
  std::vector<std::string> after;
  uint64_t order = 0;
};
std::optional<StoredNode> node_from_json(const api::Json&);

// "NAME-FNV32A", the workflow's own name for its root.
std::string node_id(std::string_view workflow, std::string_view node_name);

}  // namespace ingot::workflow
