#include "workflow/again.h"

#include <set>

#include "workflow/node.h"
#include "workflow/pod.h"
#include "workflow/values.h"

namespace ingot::workflow {
namespace {

using api::string_at;

class Nodes {
 public:
  explicit Nodes(const Json& workflow) : nodes_(api::object_at(workflow, {"status", "nodes"})) {
    for (const auto& [id, node] : nodes_)
      for (const Json& child : api::array_at(node, {"children"}))
        parents_[std::string(string_at(child, {}))].push_back(std::string(id));
  }

  // Everything that failed by itself, what came of it, and every attempt at it.
  std::set<std::string> to_delete(const std::string& workflow) {
    for (const auto& [id, node] : nodes_) {
      const std::string_view type = string_at(node, {"type"}), name = string_at(node, {"name"});
      if (name.starts_with(workflow + ".onExit")) drop(std::string(id));
      if (!is_bad(node) || type == "Steps" || type == "DAG" || type == "StepGroup" || type == "TaskGroup")
        continue;
      for (const std::string& parent : parents_[std::string(id)])
        if (type_of(parent) == "Retry") drop(parent);
      drop(std::string(id));
    }
    // What was left out because of it.
    for (const auto& [id, node] : nodes_)
      if (string_at(node, {"phase"}) == "Omitted") drop(std::string(id));
    return dropped_;
  }

  // Who holds one of these goes on.
  std::set<std::string> to_reopen() {
    std::set<std::string> out;
    std::vector<std::string> todo(dropped_.begin(), dropped_.end());
    for (const auto& [id, node] : nodes_)
      if (is_bad(node) && !dropped_.contains(std::string(id))) {
        out.emplace(id);
        todo.emplace_back(id);
      }
    while (!todo.empty()) {
      const std::string id = std::move(todo.back());
      todo.pop_back();
      std::vector<std::string> above = parents_[id];
      above.emplace_back(string_at(nodes_.at(id), {"boundaryID"}));
      for (std::string& one : above) {
        const Json* node = nodes_.if_contains(one);
        if (!node || dropped_.contains(one) || !holds(string_at(*node, {"type"}))) continue;
        // A step's group is its parent; the group before it is not.
        if (string_at(*node, {"type"}) == "StepGroup" && string_at(*node, {"phase"}) == "Succeeded") continue;
        if (out.insert(one).second) todo.push_back(std::move(one));
      }
    }
    return out;
  }

 private:
  static bool is_bad(const Json& node) {
    const std::string_view phase = string_at(node, {"phase"});
    return phase == "Failed" || phase == "Error";
  }
  static bool holds(std::string_view type) {
    return type == "Steps" || type == "DAG" || type == "StepGroup" || type == "TaskGroup";
  }
  std::string_view type_of(const std::string& id) const {
    const Json* node = nodes_.if_contains(id);
    return node ? string_at(*node, {"type"}) : "";
  }
  void drop(std::string id) {
    std::vector<std::string> todo{std::move(id)};
    while (!todo.empty()) {
      const std::string one = std::move(todo.back());
      todo.pop_back();
      const Json* node = nodes_.if_contains(one);
      if (!node || !dropped_.insert(one).second) continue;
      for (const Json& child : api::array_at(*node, {"children"})) todo.emplace_back(string_at(child, {}));
    }
  }

  const JsonObject& nodes_;
  std::map<std::string, std::vector<std::string>> parents_;
  std::set<std::string> dropped_;
};

}  // namespace

Or<Again> begin_again(Json workflow, WallTime now) {
  const std::string_view phase = string_at(workflow, {"status", "phase"});
  const std::string name(string_at(workflow, {"metadata", "name"}));
  if (phase != "Failed" && phase != "Error")
    return std::unexpected(name + " " +
                           (phase == "Succeeded" ? "succeeded: there is nothing to try again"
                                                 : "is not over: only what failed is tried again"));
  if (string_at(workflow, {"status", "message"}).starts_with("invalid spec"))
    return std::unexpected(name + " never began: " + std::string(string_at(workflow, {"status", "message"})));
  Nodes all(workflow);
  const std::set<std::string> gone = all.to_delete(name), open = all.to_reopen();
  JsonObject kept;
  for (const auto& [id, node] : api::object_at(workflow, {"status", "nodes"})) {
    if (gone.contains(std::string(id))) continue;
    Json& copy = kept[id] = node;
    if (!open.contains(std::string(id))) continue;
    api::set(copy, {"phase"}, "Running");
    for (const std::string_view field : {"message", "finishedAt", "outputs"}) api::erase(copy, {field});
  }
  api::set(workflow, {"status", "nodes"}, std::move(kept));
  api::set(workflow, {"status", "phase"}, "Running");
  api::set(workflow, {"status", "startedAt"}, to_rfc3339(now));
  for (const std::string_view field : {"message", "finishedAt"}) api::erase(workflow, {"status", field});
  api::set(workflow, {"metadata", "labels", kPhaseLabel}, "Running");
  api::set(workflow, {"metadata", "labels", kCompletedLabel}, "false");
  api::erase(workflow, {"spec", "shutdown"});
  return Again{std::move(workflow), {gone.begin(), gone.end()}};
}

}  // namespace ingot::workflow
