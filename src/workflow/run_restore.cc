// A run that is read again from its stored nodes: what waits for what follows from their names, types and phases.
#include <algorithm>

#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::string_at;

namespace {

// "A(12:x)" → 12.
int64_t item_index(const Node& n) {
  const size_t open = n.display.find('(');
  return open == n.display.npos ? -1 : std::atoll(n.display.c_str() + open + 1);
}

}  // namespace

// The place of a node's task in its boundary's template: "A(0:x)(1)" is of A.
int32_t Run::task_of(const Node& n) const {
  if (n.boundary == kNobody || n.type == NodeType::StepGroup) return -1;
  const Template* t = nodes_[size_t(n.boundary)].runs;
  if (!t) return -1;
  std::string_view name = n.display;
  name = name.substr(0, name.find('('));
  if (n.hooked) name = name.substr(0, name.find('.'));
  const auto at = t->by_name.find(name);
  return at == t->by_name.end() ? -1 : int32_t(at->second);
}

void Run::link(const std::vector<StoredNode>& stored) {
  for (size_t i = 0; i < stored.size(); ++i) {
    Node& n = nodes_.emplace_back(stored[i].node);
    by_name_.emplace(n.name, NodeIndex(i));
    by_id_.emplace(n.id, NodeIndex(i));
    std::string_view scope = stored[i].scope;
    if (scope == "local/" + facts_.name) scope = "local";
    n.runs = flow_->find(scope, stored[i].template_name);
    n.settled = fulfilled(n.phase);
  }
  for (size_t i = 0; i < stored.size(); ++i) {
    Node& n = nodes_[i];
    n.boundary = by_id(stored[i].boundary);
    n.parent = by_id(stored[i].parent);
    // Whoever it names may have been taken out by hand; what it is of then is nobody's.
    if (!n.hooked && n.parent != kNobody && nodes_[size_t(n.parent)].type == NodeType::DAG &&
        n.boundary != n.parent)
      n.parent = kNobody;
    for (const std::string& id : stored[i].after)
      if (const NodeIndex after = by_id(id); after != kNobody) n.after.push_back(after);
  }
  for (Node& n : nodes_) {
    n.task = task_of(n);
    if (works(n.type)) {
      ++pods_known_;
      ++(fulfilled(n.phase) ? pods_done_ : active_pods_);
    }
    if (n.daemoned) n.settled = true;
    if (n.hooked && n.parent != kNobody && !fulfilled(n.phase)) {
      ++nodes_[size_t(n.parent)].hooks;
      nodes_[size_t(n.parent)].settled = false;
    }
    if (n.phase == Phase::Succeeded) publish(n);
  }
}

void Run::restore(std::vector<StoredNode> stored, WallTime now) {
  if (admitted(now))
    read_again(std::move(stored), now);
  else
    kept_ = std::move(stored);
}

NodeIndex Run::above(NodeIndex node) const {
  const Node& n = nodes_[size_t(node)];
  return n.parent != kNobody ? n.parent : n.boundary;
}

bool Run::held_above(NodeIndex node) const {
  size_t steps = waiting_.empty() ? nodes_.size() : 0;  // nodes written by hand may go round in a circle
  for (NodeIndex up = above(node); up != kNobody && steps < nodes_.size(); up = above(up), ++steps)
    if (waiting_.contains(up)) return true;
  return false;
}

bool Run::is_below(NodeIndex node, NodeIndex top) const {
  size_t steps = 0;
  for (NodeIndex up = above(node); up != kNobody && steps < nodes_.size(); up = above(up), ++steps)
    if (up == top) return true;
  return false;
}

// Each scope that is opened again would look for its own among all.
void Run::note_below() {
  below_.clear();
  for (size_t i = 0; i < nodes_.size(); ++i)
    if (const NodeIndex in = nodes_[i].boundary; in != kNobody && !fulfilled(nodes_[size_t(in)].phase))
      below_[in].push_back(NodeIndex(i));
}

// Of the first `count` nodes those that have not ended, of all or below one: from the top, for what waits for its locks
// holds back what is below it.
void Run::reopen_all(NodeIndex top, size_t count, WallTime now) {
  note_below();
  std::vector<bool> seen(count);
  std::vector<NodeIndex> chain;
  for (size_t i = 0; i < count; ++i) {
    for (NodeIndex up = NodeIndex(i); up != kNobody && !seen[size_t(up)]; up = above(up)) {
      seen[size_t(up)] = true;
      chain.push_back(up);
    }
    for (; !chain.empty(); chain.pop_back()) {
      const NodeIndex node = chain.back();
      if (fulfilled(nodes_[size_t(node)].phase) || held_above(node)) continue;
      if (top != kNobody && !is_below(node, top)) continue;
      if (!reopen_locked(node, now)) reopen(node, now);
    }
  }
}

void Run::read_again(std::vector<StoredNode> stored, WallTime now) {
  const auto order = [&](const StoredNode& s) {
    return std::tuple(s.node.name != facts_.name, s.node.started, s.node.name);
  };
  std::ranges::sort(stored, [&](const StoredNode& a, const StoredNode& b) { return order(a) < order(b); });
  if (stored.empty() || stored.front().node.name != facts_.name) return;
  link(stored);
  begun_ = true;
  phase_ = Phase::Running;
  for (const Node& n : nodes_)
    if (!n.hooked && n.parent != kNobody && nodes_[size_t(n.parent)].type == NodeType::Retry) {
      ++nodes_[size_t(n.parent)].children;
      if (!n.settled) ++nodes_[size_t(n.parent)].open;
    }
  reopen_all(kNobody, nodes_.size(), now);
  if (const auto seconds = api::int_at(flow_->spec(), {"activeDeadlineSeconds"}); seconds && *seconds > 0)
    at(nodes_.front().started + std::chrono::seconds(*seconds), kNobody);
  if (nodes_.front().settled) {
    phase_ = nodes_.front().phase;
    message_ = nodes_.front().message;
    const NodeIndex hook = find(facts_.name + ".onExit");
    exiting_ = hook != kNobody;
    settled_.push_back(exiting_ && fulfilled(nodes_[size_t(hook)].phase) ? hook : 0);
    if (exiting_ && settled_.back() == 0) settled_.pop_back();
  }
}

void Run::reopen(NodeIndex node, WallTime now) {
  Node& n = nodes_[size_t(node)];
  switch (n.type) {
    case NodeType::Pod:
    case NodeType::HTTP:
    case NodeType::Suspend:
      if (works(n.type) && !has_pod(n)) return open_pod(node, now);
      if (n.runs) arm(node, now);
      return;
    case NodeType::Retry: {
      if (n.open > 0 || !n.runs) return;
      const NodeIndex last = find(n.name + "(" + std::to_string(n.children - 1) + ")");
      if (last == kNobody)
        attempt(node, now);
      else
        retried(node, last, now);
      return;
    }
    case NodeType::Steps:
    case NodeType::DAG: {
      if (!n.runs) return end(node, Phase::Error, "its template is gone", now);
      open_scope(node, true, now);
      if (fulfilled(n.phase)) return;
      Scope& s = scope_of(node);
      s.nodes = std::move(below_[node]);
      for (const NodeIndex i : s.nodes) {
        const Node& child = nodes_[size_t(i)];
        if (!fulfilled(child.phase) &&
            (works(child.type) || child.type == NodeType::Steps || child.type == NodeType::DAG))
          ++s.active;
        if (child.hooked || child.task < 0 || child.type == NodeType::StepGroup) continue;
        const NodeType of = child.parent == kNobody ? NodeType::Pod : nodes_[size_t(child.parent)].type;
        if (of == NodeType::Retry) continue;
        const bool item = s.runs->tasks[size_t(child.task)].expands && child.type != NodeType::TaskGroup &&
                          child.display.find('(') != std::string::npos;
        if (item)
          s.items[uint32_t(child.task)].push_back(i);
        else
          s.node_of[size_t(child.task)] = i;
      }
      for (auto& [task, items] : s.items)
        std::ranges::sort(items, {}, [&](NodeIndex i) { return item_index(nodes_[size_t(i)]); });
      if (n.type == NodeType::DAG)
        reopen_dag(node, s, now);
      else
        reopen_steps(node, s, now);
      pumps_.insert(node);
      return;
    }
    default:
      return;
  }
}

// The items of a task that expands, once more: those that exist are known by their names.
void Run::reopen_items(NodeIndex scope, Scope& s, uint32_t task, NodeIndex group, WallTime now) {
  Or<Json> body = filled_task(scope, s.runs->tasks[task], now);
  Or<JsonArray> items = body ? items_of(*body) : Or<JsonArray>(std::unexpected(body.error()));
  if (!items) return;  // what began once has been filled once
  for (const std::string_view loop : {"withItems", "withParam", "withSequence"}) api::erase(*body, {loop});
  Expanding e{.task = task, .group = group, .body = *std::move(body), .items = *std::move(items)};
  ++nodes_[size_t(group)].open;
  s.expanding.push_back(std::move(e));
}

void Run::reopen_dag(NodeIndex node, Scope& s, WallTime now) {
  for (uint32_t i = 0; i < s.node_of.size(); ++i) {
    const NodeIndex task = s.node_of[i];
    if (task == kNobody || !nodes_[size_t(task)].settled) continue;
    ++s.settled;
    for (const uint32_t next : s.runs->tasks[i].dependents) --s.open[next];
  }
  for (uint32_t i = 0; i < s.node_of.size(); ++i) {
    const NodeIndex task = s.node_of[i];
    if (task == kNobody) {
      if (s.open[i] == 0 && !s.leaves_out(i)) s.ready.push_back(i);
      continue;
    }
    Node& group = nodes_[size_t(task)];
    if (group.type != NodeType::TaskGroup || fulfilled(group.phase)) continue;
    for (const NodeIndex item : s.items[i]) {
      ++group.children;
      if (!nodes_[size_t(item)].settled) ++group.open;
    }
    reopen_items(node, s, i, task, now);
  }
  if (s.settled == s.to_settle) dag_done(node, now);
}

void Run::reopen_steps(NodeIndex node, Scope& s, WallTime now) {
  const std::string name = nodes_[size_t(node)].name;
  for (size_t g = s.runs->groups.size(); g-- > 0 && s.group_node == kNobody;) {
    s.group = g;
    s.group_node = find(name + "[" + std::to_string(g) + "]");
  }
  if (s.group_node == kNobody) {
    s.group = 0;
    return begin_group(node, now);
  }
  Node& group = nodes_[size_t(s.group_node)];
  if (fulfilled(group.phase)) {
    settled_.push_back(s.group_node);
    return;
  }
  group.open = 1;
  s.held = true;
  for (uint32_t i = s.runs->groups[s.group]; i < s.runs->group_end(s.group); ++i) {
    const NodeIndex task = s.node_of[i];
    const auto items = s.items.find(i);
    if (task != kNobody) {
      if (!nodes_[size_t(task)].settled) ++group.open;
    } else if (items != s.items.end()) {
      for (const NodeIndex item : items->second)
        if (!nodes_[size_t(item)].settled) ++group.open;
      reopen_items(node, s, i, s.group_node, now);
    } else {
      s.ready.push_back(i);
    }
  }
}

}  // namespace ingot::workflow
