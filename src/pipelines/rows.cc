#include "pipelines/rows.h"

namespace ingot::pipelines {

api::Key node_key(const api::Key& workflow, std::string_view node_id) {
  return {ClusterId{std::string(workflow.cluster())}, workflow::kNodeRows, workflow.ns(),
          workflow::row_name(workflow.name(), node_id)};
}

std::vector<workflow::StoredNode> stored_nodes(const store::Turn& turn, const api::Key& workflow) {
  std::vector<workflow::StoredNode> out;
  turn.range(node_key(workflow, "").text(), "", [&](const api::ObjectPtr& row) {
    if (auto node = workflow::node_from_json(row->parse())) out.push_back(*std::move(node));
    return true;
  });
  return out;
}

bool erase_nodes(store::Turn& turn, const api::Key& workflow, size_t limit) {
  return turn.erase_range(node_key(workflow, "").text(), limit) > 0;
}

}  // namespace ingot::pipelines
