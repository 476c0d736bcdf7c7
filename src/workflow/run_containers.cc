// A run: the nodes of a containerSet's containers, below that of their pod.
#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::string_at;

namespace {

const JsonArray& containers_of(const Node& pod) {
  static const JsonArray none;
  return pod.runs && pod.runs->kind == Kind::ContainerSet
             ? array_at(pod.runs->body, {"containerSet", "containers"})
             : none;
}

}  // namespace

void Run::add_containers(NodeIndex pod, WallTime now) {
  const std::string prefix = nodes_[size_t(pod)].name + ".";
  const JsonArray& containers = containers_of(nodes_[size_t(pod)]);
  const Template* runs = nodes_[size_t(pod)].runs;
  for (const Json& c : containers) {
    const std::string name(string_at(c, {"name"}));
    if (find(prefix + name) != kNobody) continue;
    const NodeIndex node = add(prefix + name, name, NodeType::Container, pod, pod, -1, runs, now);
    nodes_[size_t(node)].phase = Phase::Pending;
  }
  for (const Json& c : containers) {
    std::vector<NodeIndex> after;
    for (const Json& before : array_at(c, {"dependencies"}))
      if (const NodeIndex node = find(prefix + std::string(string_at(before, {}))); node != kNobody)
        after.push_back(node);
    if (after.empty()) after.push_back(pod);
    nodes_[size_t(find(prefix + std::string(string_at(c, {"name"}))))].after = std::move(after);
  }
}

void Run::tell_containers(NodeIndex pod, const PodReport& report, WallTime now) {
  for (const PodReport::Container& c : report.containers) {
    const NodeIndex node = find(nodes_[size_t(pod)].name + "." + c.name);
    if (node == kNobody || nodes_[size_t(node)].type != NodeType::Container) continue;
    Node& n = nodes_[size_t(node)];
    if (fulfilled(n.phase) || n.phase == c.phase) continue;
    if (fulfilled(c.phase)) {
      if (n.phase == Phase::Pending && c.started) n.started = *c.started;
      end(node, c.phase, c.message, now);
      if (c.finished) nodes_[size_t(node)].finished = *c.finished;
    } else if (c.phase == Phase::Running) {
      n.phase = Phase::Running;
      n.started = c.started.value_or(now);
      touch(node);
    }
  }
}

// With their pod.
void Run::end_containers(NodeIndex pod, WallTime now) {
  const Phase phase = nodes_[size_t(pod)].phase;
  const std::string prefix = nodes_[size_t(pod)].name + ".", message = nodes_[size_t(pod)].message;
  for (const Json& c : containers_of(nodes_[size_t(pod)]))
    if (const NodeIndex node = find(prefix + std::string(string_at(c, {"name"}))); node != kNobody)
      end(node, phase, message, now);
}

}  // namespace ingot::workflow
