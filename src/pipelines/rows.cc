#include "pipelines/rows.h"

namespace ingot::pipelines {

api::Key node_key(const api::Key& workflow, std::string_view node_id) {
  return {ClusterId{std::string(workflow.cluster())}, workflow::kNodeRows, workflow.ns(),
          workflow::row_name(workflow.name(), node_id)};
}

std::vector<workflow::StoredNode> stored_nodes(const store::Turn& turn, const api::Key& workflow) {
  std::vector<workflow::StoredNode> out;
  turn.range(node_key(workflow, "").text(), "", [&](const api::ObjectPtr& row) {
    if (auto node = workflow::node_from_json(workflow::unpacked(row->parse(), row->key.name())))
      out.push_back(*std::move(node));
    return true;
  });
  return out;
}

bool put_node(store::Turn& turn, const api::Key& workflow, const std::deque<workflow::Node>& all,
              workflow::NodeIndex node) {
  const workflow::Node& n = all[size_t(node)];
  return turn.put(node_key(workflow, n.id), workflow::packed(node_to_json(n, all), workflow.name()))
      .has_value();
}

bool has_begun(const store::Turn& turn, const api::Key& workflow, const api::Json& object) {
  const api::ObjectPtr root = turn.get(node_key(workflow, workflow.name()));
  if (!root) return false;
  const auto node = workflow::node_from_json(workflow::unpacked(root->parse(), root->key.name()));
  const auto created = parse_rfc3339(api::string_at(object, {"metadata", "creationTimestamp"}));
  return node && created && node->node.started >= *created;
}

bool erase_nodes(store::Turn& turn, const api::Key& workflow, size_t limit) {
  return turn.erase_range(node_key(workflow, "").text(), limit) > 0;
}

}  // namespace ingot::pipelines
