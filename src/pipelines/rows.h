// Where a run's nodes lie. Thread rule: the loop, in the turn given.
#pragma once

#include <string_view>
#include <vector>

#include "api/object.h"
#include "store/shard.h"
#include "workflow/node.h"
#include "workflow/rows.h"

namespace ingot::pipelines {

api::Key node_key(const api::Key& workflow, std::string_view node_id);
std::vector<workflow::StoredNode> stored_nodes(const store::Turn&, const api::Key& workflow);
bool put_node(store::Turn&, const api::Key& workflow, const std::deque<workflow::Node>&, workflow::NodeIndex);
// Whether the run of this Workflow, and not of one of the same name before it, has begun: what its status says anybody may have
// written.
bool has_begun(const store::Turn&, const api::Key& workflow, const api::Json& object);
// Erases up to `limit` of them; returns whether more are left.
bool erase_nodes(store::Turn&, const api::Key& workflow, size_t limit);

}  // namespace ingot::pipelines
