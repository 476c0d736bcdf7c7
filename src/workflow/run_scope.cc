// A run: steps one group after another, tasks of a dag as their needs end, and what they give.
#include <algorithm>

#include "expr/template.h"
#include "expr/when.h"
#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::string_at;

void Run::open_scope(NodeIndex node, bool again, WallTime now) {
  const Node& n = nodes_[size_t(node)];
  auto made = std::make_unique<Scope>();
  Scope& s = *made;
  s.runs = n.runs;
  s.variables = globals(now);
  add_inputs(s.variables, n);
  add_called(s.variables, n);
  s.variables["node.name"] = text_json(n.name);
  s.node_of.assign(n.runs->tasks.size(), kNobody);
  scopes_[node] = std::move(made);
  if (n.type == NodeType::DAG) {
    if (const auto chosen = choose_tasks(n, s, now); !chosen) {
      scopes_.erase(node);
      return end(node, Phase::Error, chosen.error(), now);
    }
    s.open.resize(n.runs->tasks.size());
    for (uint32_t i = 0; i < s.open.size(); ++i) s.open[i] = uint32_t(n.runs->tasks[i].needs.size());
    if (again) return;
    for (uint32_t i = 0; i < s.open.size(); ++i)
      if (s.open[i] == 0 && !s.leaves_out(i)) s.ready.push_back(i);
  } else if (!again) {
    begin_group(node, now);
  }
  pumps_.insert(node);
}

Or<std::vector<uint32_t>> Run::targets_of(const Node& dag, WallTime now) const {
  const Template& t = *dag.runs;
  if (t.target.find("{{") == t.target.npos) return t.targets_in(t.target);
  JsonObject variables = globals(now);
  add_inputs(variables, dag);
  Json text = text_json(t.target);
  int64_t left = kFillSteps;
  if (const auto done =
          expr::fill_json(text, expr::Variables(std::move(variables)), left, {.surroundings = {now}});
      !done)
    return std::unexpected("target: " + done.error().message);
  return t.targets_in(string_at(text, {}));
}

// What decides how a dag ends, and which of its tasks that needs.
Or<void> Run::choose_tasks(const Node& dag, Scope& s, WallTime now) const {
  s.targets = s.runs->targets;
  s.to_settle = s.runs->tasks.size();
  if (s.runs->target.empty()) return {};
  Or<std::vector<uint32_t>> named = targets_of(dag, now);
  if (!named) return std::unexpected(named.error());
  if (named->empty()) return {};
  s.targets = *named;
  s.left_out.assign(s.runs->tasks.size(), true);
  s.to_settle = 0;
  for (std::vector<uint32_t>& todo = *named; !todo.empty();) {
    const uint32_t task = todo.back();
    todo.pop_back();
    if (!s.left_out[task]) continue;
    s.left_out[task] = false;
    ++s.to_settle;
    todo.insert(todo.end(), s.runs->tasks[task].needs.begin(), s.runs->tasks[task].needs.end());
  }
  return {};
}

void Run::begin_group(NodeIndex steps, WallTime now) {
  Scope& s = scope_of(steps);
  const std::string number = "[" + std::to_string(s.group) + "]";
  const NodeIndex before = s.group_node;
  s.group_node =
      add(nodes_[size_t(steps)].name + number, number, NodeType::StepGroup, steps, steps, -1, nullptr, now);
  Node& group = nodes_[size_t(s.group_node)];
  if (before == kNobody)
    group.after.push_back(steps);
  else
    group.after = outbound(before);
  for (uint32_t i = s.runs->groups[s.group]; i < s.runs->group_end(s.group); ++i) s.ready.push_back(i);
  group.open = 1;  // until all of it are begun
  s.held = true;
  pumps_.insert(steps);
}

// The last nodes below one: who comes after it is shown as their child.
std::vector<NodeIndex> Run::outbound(NodeIndex node) const {
  const Node& n = nodes_[size_t(node)];
  std::vector<NodeIndex> out;
  const auto below = [&](NodeIndex child) {
    const auto more = outbound(child);
    out.insert(out.end(), more.begin(), more.end());
  };
  if (n.type == NodeType::StepGroup || n.type == NodeType::TaskGroup) {
    constexpr NodeIndex kFar = 10'000;  // a group's items are begun close after it
    const NodeIndex end = std::min<NodeIndex>(NodeIndex(nodes_.size()), node + kFar);
    for (NodeIndex i = node + 1; i < end && out.size() < 1'000; ++i)
      if (nodes_[size_t(i)].parent == node && !nodes_[size_t(i)].hooked) below(i);
  } else if (n.type == NodeType::Retry && n.children > 0) {
    const NodeIndex last = find(n.name + "(" + std::to_string(n.children - 1) + ")");
    if (last != kNobody) below(last);
  } else if (n.type == NodeType::Steps && n.runs) {
    for (size_t g = n.runs->groups.size(); g-- > 0;)
      if (const NodeIndex group = find(n.name + "[" + std::to_string(g) + "]"); group != kNobody) {
        below(group);
        break;
      }
  } else if (n.type == NodeType::DAG && n.runs) {
    const auto named =
        n.runs->target.empty() ? n.runs->targets : targets_of(n, n.finished).value_or(n.runs->targets);
    for (const uint32_t target : named.empty() ? n.runs->targets : named)
      if (const NodeIndex t = find(n.name + "." + n.runs->tasks[target].name);
          t != kNobody && out.size() < 1'000)
        below(t);
  }
  if (n.type == NodeType::Pod && n.runs && n.runs->kind == Kind::ContainerSet) {
    const JsonArray& containers = array_at(n.runs->body, {"containerSet", "containers"});
    std::set<std::string_view> needed;
    for (const Json& c : containers)
      for (const Json& before : array_at(c, {"dependencies"})) needed.insert(string_at(before, {}));
    for (const Json& c : containers)
      if (const std::string_view name = string_at(c, {"name"}); !needed.contains(name))
        if (const NodeIndex last = find(n.name + "." + std::string(name)); last != kNobody)
          out.push_back(last);
  }
  if (out.empty()) out.push_back(node);
  return out;
}

// Begins what may begin, as far as there is room.
void Run::pump(NodeIndex node, WallTime now) {
  const auto at = scopes_.find(node);
  if (at == scopes_.end()) return;
  Scope& s = *at->second;
  const bool dag = s.runs->kind == Kind::Dag;
  if (shutdown_ != Shutdown::No && !exiting_) {
    s.ready.clear();
    s.expanding.clear();
    if (s.active == 0) close_scope(node, Phase::Failed, "workflow shutdown", now);
    return;
  }
  while (true) {
    if (!s.expanding.empty()) {
      if (!pump_expanding(node, s, now)) {
        (allowed_ == 0 ? rationed_ : starved_).insert(node);
        return;
      }
      continue;
    }
    if (s.ready.empty()) break;
    if (enough()) {
      rationed_.insert(node);
      return;
    }
    const uint32_t task = s.ready.front();
    if (dag && !s.runs->tasks[task].logic.empty()) {
      const Task& t = s.runs->tasks[task];
      const auto index = [&](size_t i) { return s.runs->by_name.find(t.logic.names()[i])->second; };
      const bool runs = t.logic.holds(
          [&](size_t i, TaskResult r) { return task_is(s, index(i), r); },
          [&](size_t i) {
            const uint32_t need = index(i);
            const Task& of = s.runs->tasks[need];
            return task_is(s, need, TaskResult::Succeeded) || task_is(s, need, TaskResult::Skipped) ||
                   task_is(s, need, TaskResult::Daemoned) ||
                   (of.continues_failed && task_is(s, need, TaskResult::Failed)) ||
                   (of.continues_error && task_is(s, need, TaskResult::Errored));
          });
      if (!runs) {
        s.ready.pop_front();
        refuse(node, task, nodes_[size_t(node)].name + "." + t.name, t.name, node, Phase::Omitted,
               "omitted: depends condition not met", now);
        continue;
      }
    }
    if (begin_task(node, task, now).no_room) {
      starved_.insert(node);
      return;
    }
    s.ready.pop_front();
  }
  if (!dag && std::exchange(s.held, false)) {
    --nodes_[size_t(s.group_node)].open;
    group_done(s.group_node, now);
  }
}

NodeIndex Run::parent_of_tasks(NodeIndex scope) const {
  const Scope& s = *scopes_.at(scope);
  return s.runs->kind == Kind::Steps ? s.group_node : scope;
}

// Makes the node known as the task's, and shows it below those it came after.
void Run::place(NodeIndex scope, uint32_t task, NodeIndex node, NodeIndex parent) {
  Scope& s = scope_of(scope);
  Node& p = nodes_[size_t(parent)];
  Node& n = nodes_[size_t(node)];
  if (p.type == NodeType::StepGroup || p.type == NodeType::TaskGroup) {
    ++p.open;
    ++p.children;
    n.after.push_back(parent);
  } else if (s.runs->tasks[task].needs.empty()) {
    n.after.push_back(scope);
  } else {
    for (const uint32_t need : s.runs->tasks[task].needs)
      for (const NodeIndex last : outbound(s.node_of[need]))
        if (n.after.size() < 1'000) n.after.push_back(last);
  }
}

void Run::refuse(NodeIndex scope, uint32_t task, const std::string& name, const std::string& display,
                 NodeIndex parent, Phase phase, std::string why, WallTime now) {
  const Task& t = scope_of(scope).runs->tasks[task];
  const NodeIndex node = add(name, display, NodeType::Skipped, scope, parent, int32_t(task), t.runs, now);
  place(scope, task, node, parent);
  Scope& s = scope_of(scope);
  if (t.expands && display != t.name)  // an item
    s.items[task].push_back(node);
  else
    s.node_of[task] = node;
  end(node, phase, std::move(why), now);
}

Run::Started Run::begin_task(NodeIndex scope, uint32_t task, WallTime now) {
  const Task& t = scope_of(scope).runs->tasks[task];
  const NodeIndex parent = parent_of_tasks(scope);
  const std::string name = nodes_[size_t(parent)].name + "." + t.name;
  if (scope_of(scope).node_of[task] != kNobody) return {scope_of(scope).node_of[task]};
  if (!t.expands && !room_for(scope, *t.runs)) return {.no_room = true};
  const auto refused = [&](Phase phase, std::string why) {
    refuse(scope, task, name, t.name, parent, phase, std::move(why), now);
    return Started{scope_of(scope).node_of[task]};
  };
  Or<Json> filled = filled_task(scope, t, now);
  if (!filled) return refused(Phase::Error, filled.error());
  Json body = *std::move(filled);
  if (body.is_string())
    return refused(Phase::Skipped, "when '" + std::string(string_at(body, {})) + "' evaluated false");
  if (!t.expands) return begin_filled(scope, task, name, t.name, parent, body, now);
  Or<JsonArray> items = items_of(body);
  if (!items) {
    const auto proceed = expr::when(string_at(body, {"when"}));
    if (proceed && !*proceed)
      return refused(Phase::Skipped, "when '" + std::string(string_at(body, {"when"})) + "' evaluated false");
    return refused(Phase::Error, items.error());
  }
  if (items->empty()) return refused(Phase::Skipped, "Skipped, empty params");
  Expanding e{.task = task, .group = parent, .items = *std::move(items)};
  for (const std::string_view loop : {"withItems", "withParam", "withSequence"}) api::erase(body, {loop});
  e.body = std::move(body);
  if (scope_of(scope).runs->kind == Kind::Dag) {
    e.group = add(name, t.name, NodeType::TaskGroup, scope, parent, int32_t(task), t.runs, now);
    place(scope, task, e.group, parent);
    scope_of(scope).node_of[task] = e.group;
  }
  nodes_[size_t(e.group)].open += 1;  // until all items are begun
  scope_of(scope).expanding.push_back(std::move(e));
  return {e.group};
}

bool Run::pump_expanding(NodeIndex scope, Scope& s, WallTime now) {
  Expanding& e = s.expanding.front();
  for (; e.next < e.items.size(); ++e.next)
    if (enough() || begin_item(scope, e, e.next, now).no_room) return false;
  const NodeIndex group = e.group;
  s.expanding.pop_front();
  --nodes_[size_t(group)].open;
  group_done(group, now);
  return true;
}

Run::Started Run::begin_item(NodeIndex scope, Expanding& e, size_t item, WallTime now) {
  const Task& t = scope_of(scope).runs->tasks[e.task];
  const std::string display = item_name(t.name, item, e.items[item]);
  const NodeIndex parent_name_of = nodes_[size_t(e.group)].type == NodeType::TaskGroup ? scope : e.group;
  const std::string name = nodes_[size_t(parent_name_of)].name + "." + display;
  if (const NodeIndex known = find(name); known != kNobody) return {known};
  if (!room_for(scope, *t.runs)) return {.no_room = true};
  Json body = e.body;
  int64_t left = kFillSteps;
  const auto filled = expr::fill_json(body, expr::Variables(item_values(e.items[item])), left,
                                      {.allow_unresolved = true, .surroundings = {now}});
  if (filled) return begin_filled(scope, e.task, name, display, e.group, body, now);
  refuse(scope, e.task, name, display, e.group, Phase::Error, filled.error().message, now);
  return {find(name)};
}

// A step, a task or an item of one, with everything filled in.
Run::Started Run::begin_filled(NodeIndex scope, uint32_t task, const std::string& name,
                               const std::string& display, NodeIndex parent, const Json& body, WallTime now) {
  const Task& t = scope_of(scope).runs->tasks[task];
  const auto refused = [&](Phase phase, std::string why) {
    refuse(scope, task, name, display, parent, phase, std::move(why), now);
    return Started{find(name)};
  };
  if (const std::string_view when = string_at(body, {"when"}); !when.empty()) {
    const auto proceed = expr::when(when);
    if (!proceed) return refused(Phase::Error, proceed.error());
    if (!*proceed) return refused(Phase::Skipped, "when '" + std::string(when) + "' evaluated false");
  }
  Json arguments = JsonObject{{"arguments", api::object_at(body, {"arguments"})}};
  JsonArray artifacts;
  for (const Json& a : array_at(arguments, {"arguments", "artifacts"})) {
    Or<Json> found = resolve_artifact(scope, a, now);
    if (found)
      artifacts.push_back(*std::move(found));
    else if (!api::bool_at(a, {"optional"}))
      return refused(Phase::Error, found.error());
  }
  if (!artifacts.empty()) api::set(arguments, {"arguments", "artifacts"}, std::move(artifacts));
  Or<Json> inputs = inputs_of(*t.runs, arguments, now);
  if (!inputs) return refused(Phase::Error, inputs.error());
  const Started started =
      begin(*t.runs, *std::move(inputs), name, display, scope, parent, int32_t(task), now);
  if (started.no_room) return started;
  place(scope, task, started.node, parent);
  call_hooks(started.node, now);
  Scope& s = scope_of(scope);
  if (t.expands)
    s.items[task].push_back(started.node);
  else
    s.node_of[task] = started.node;
  return started;
}

void Run::group_done(NodeIndex group, WallTime now) {
  Node& g = nodes_[size_t(group)];
  if (g.open > 0 || fulfilled(g.phase) || !scopes_.contains(g.boundary)) return;
  const Scope& s = scope_of(g.boundary);
  Phase phase = Phase::Succeeded;
  std::string message;
  if (g.type == NodeType::TaskGroup) {
    for (const NodeIndex item :
         s.items.contains(uint32_t(g.task)) ? s.items.at(uint32_t(g.task)) : std::vector<NodeIndex>{})
      if (failed(nodes_[size_t(item)].phase)) phase = nodes_[size_t(item)].phase;
  } else {
    for (uint32_t i = s.runs->groups[s.group]; i < s.runs->group_end(s.group) && message.empty(); ++i) {
      const Task& t = s.runs->tasks[i];
      std::vector<NodeIndex> of;
      if (s.node_of[i] != kNobody) of.push_back(s.node_of[i]);
      if (const auto items = s.items.find(i); items != s.items.end()) of = items->second;
      for (const NodeIndex child : of) {
        const Phase p = nodes_[size_t(child)].phase;
        if (!failed(p) || (p == Phase::Failed && t.continues_failed) ||
            (p == Phase::Error && t.continues_error))
          continue;
        phase = Phase::Failed;
        message = "child '" + nodes_[size_t(child)].id + "' failed";
        break;
      }
    }
  }
  end(group, phase, std::move(message), now);
}

void Run::steps_group_done(NodeIndex steps, WallTime now) {
  if (!scopes_.contains(steps)) return;
  Scope& s = scope_of(steps);
  const Node& group = nodes_[size_t(s.group_node)];
  if (failed(group.phase)) return close_scope(steps, Phase::Failed, group.message, now);
  if (++s.group < s.runs->groups.size()) return begin_group(steps, now);
  close_scope(steps, Phase::Succeeded, "", now);
}

void Run::task_settled(NodeIndex dag, NodeIndex node, WallTime now) {
  if (!scopes_.contains(dag) || nodes_[size_t(node)].task < 0) return;
  Scope& s = scope_of(dag);
  const auto task = uint32_t(nodes_[size_t(node)].task);
  ++s.settled;
  for (const uint32_t next : s.runs->tasks[task].dependents)
    if (--s.open[next] == 0 && !s.leaves_out(next)) s.ready.push_back(next);
  if (s.settled == s.to_settle) return dag_done(dag, now);
  pumps_.insert(dag);
}

bool Run::task_is(const Scope& s, uint32_t task, TaskResult result) const {
  const NodeIndex node = s.node_of[task];
  if (node == kNobody) return false;
  const Node& n = nodes_[size_t(node)];
  const auto items = [&](auto&& test) {
    const auto at = s.items.find(task);
    return at != s.items.end() && !at->second.empty() && test(at->second);
  };
  switch (result) {
    case TaskResult::Succeeded:
      return n.phase == Phase::Succeeded;
    case TaskResult::Failed:
      return n.phase == Phase::Failed;
    case TaskResult::Errored:
      return n.phase == Phase::Error;
    case TaskResult::Skipped:
      return n.phase == Phase::Skipped;
    case TaskResult::Omitted:
      return n.phase == Phase::Omitted;
    case TaskResult::Daemoned:
      return n.daemoned && n.phase != Phase::Pending;
    case TaskResult::AnySucceeded:
      return items([&](const auto& all) {
        return std::ranges::any_of(all,
                                   [&](NodeIndex i) { return nodes_[size_t(i)].phase == Phase::Succeeded; });
      });
    case TaskResult::AllFailed:
      return items([&](const auto& all) {
        return std::ranges::all_of(all,
                                   [&](NodeIndex i) { return nodes_[size_t(i)].phase == Phase::Failed; });
      });
  }
  return false;
}

// How a task counts for the end of its dag: one that did not run counts as those before it, a failure first.
Phase Run::branch_phase(const Scope& s, uint32_t task, std::vector<int8_t>& known) const {
  // Needs stand before their dependents in no particular order: depth first with a stack of its own.
  std::vector<uint32_t> stack{task};
  while (!stack.empty()) {
    const uint32_t at = stack.back();
    if (known[at] >= 0) {
      stack.pop_back();
      continue;
    }
    const NodeIndex node = s.node_of[at];
    if (node != kNobody && completed(nodes_[size_t(node)].phase)) {
      known[at] = int8_t(nodes_[size_t(node)].phase);
      continue;
    }
    Phase phase = Phase::Succeeded;
    bool waits = false;
    for (const uint32_t need : s.runs->tasks[at].needs) {
      if (known[need] < 0) {
        stack.push_back(need);
        waits = true;
      } else if (failed(Phase(known[need]))) {
        phase = Phase(known[need]);
      }
    }
    if (!waits) known[at] = int8_t(phase);
  }
  return Phase(known[task]);
}

void Run::dag_done(NodeIndex dag, WallTime now) {
  const Scope& s = scope_of(dag);
  std::vector<int8_t> known(s.runs->tasks.size(), -1);
  Phase result = Phase::Succeeded;
  for (const uint32_t target : s.targets) {
    const Phase phase = branch_phase(s, target, known);
    const Task& t = s.runs->tasks[target];
    if (!failed(phase) || (phase == Phase::Failed && t.continues_failed) ||
        (phase == Phase::Error && t.continues_error))
      continue;
    result = phase;
    if (s.runs->fail_fast) break;
  }
  close_scope(dag, result, "", now);
}

void Run::kill_daemons(NodeIndex scope, WallTime now) {
  const Scope& s = scope_of(scope);
  for (size_t k = 0; k < s.nodes.size(); ++k) {  // ending one may begin its hook
    const NodeIndex i = s.nodes[k];
    Node& n = nodes_[size_t(i)];
    if (!n.daemoned || fulfilled(n.phase)) continue;
    wanted_.stop.push_back(i);
    n.daemoned = false;
    end(i, Phase::Succeeded, "", now);
  }
}

void Run::close_scope(NodeIndex node, Phase phase, std::string message, WallTime now) {
  Node& n = nodes_[size_t(node)];
  if (fulfilled(n.phase)) return;
  if (phase == Phase::Succeeded) {
    Or<Values> outputs = outputs_of(node, now);
    if (!outputs) {
      phase = Phase::Error;
      message = outputs.error();
    } else if (*outputs) {
      n.outputs = *std::move(outputs);
    }
  }
  kill_daemons(node, now);
  if (shutdown_ != Shutdown::No)  // groups that will never be whole
    for (size_t k = 0; k < scope_of(node).nodes.size(); ++k)
      end(scope_of(node).nodes[k], Phase::Failed, message, now);
  end(node, phase, std::move(message), now);
  scopes_.erase(node);
  pumps_.erase(node);
  starved_.erase(node);
  rationed_.erase(node);
}

}  // namespace ingot::workflow
