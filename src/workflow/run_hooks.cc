// A run: what runs beside or after its nodes and itself. A hook with an expression begins once that holds, which is looked
// at whenever its node's phase changes; who waits for the node waits for its hooks, too.
#include "expr/program.h"
#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

namespace {
constexpr std::string_view kExit = "exit";
}

Or<bool> Run::holds(const Hook& hook, const JsonObject& variables, WallTime now) const {
  if (hook.expression.empty()) return true;
  const auto program = expr::Program::compile(hook.expression);
  if (!program) return std::unexpected("hook: " + program.error());
  int64_t left = kFillSteps;
  const auto value = program->run(expr::Variables(variables).nested(), left, {now});
  if (!value) return std::unexpected("hook: " + value.error());
  if (!value->is_bool()) return std::unexpected("hook: its expression is no bool");
  return value->get_bool();
}

void Run::begin_hook(NodeIndex of, const std::string& suffix, const Hook& hook, JsonObject variables,
                     WallTime now) {
  const std::string name = nodes_[size_t(of)].name + suffix, display = nodes_[size_t(of)].display + suffix;
  if (find(name) != kNobody) return;
  const Or<bool> begins = holds(hook, variables, now);
  // What it names may yet come, as long as its node goes on.
  if (begins ? !*begins : !fulfilled(nodes_[size_t(of)].phase)) return;
  const Or<Json> inputs =
      begins ? inputs_of(hook, std::move(variables), now) : std::unexpected(begins.error());
  Node& n = nodes_[size_t(of)];
  ++n.hooks;
  if (of == 0) n.settled = false;  // a run's own hooks may begin when its root has ended
  NodeIndex made = kNobody;
  if (inputs) {
    made = begin(*hook.runs, *inputs, name, display, n.boundary, of, n.task, now, As::Hook).node;
  } else {
    made = add(name, display, NodeType::Skipped, n.boundary, of, n.task, hook.runs, now);
    nodes_[size_t(made)].hooked = true;
    end(made, Phase::Error, inputs.error(), now);
  }
  nodes_[size_t(made)].after.push_back(of);
}

// The step or task that the node is of, if it has hooks; an attempt or a group has none of its own.
const Task* Run::hooked_task(const Node& n) const {
  if (n.boundary < 0 || n.task < 0 || n.hooked || n.type == NodeType::StepGroup ||
      n.type == NodeType::TaskGroup)
    return nullptr;
  if (n.parent >= 0 && nodes_[size_t(n.parent)].type == NodeType::Retry) return nullptr;
  const auto scope = scopes_.find(n.boundary);
  if (scope == scopes_.end()) return nullptr;
  const Task& task = scope->second->runs->tasks[size_t(n.task)];
  return task.hooks.empty() ? nullptr : &task;
}

void Run::call_hooks(NodeIndex node, WallTime now) {
  if (node == 0 || nodes_[size_t(node)].boundary == kNobody) return;
  const Task* task = hooked_task(nodes_[size_t(node)]);
  const Phase phase = nodes_[size_t(node)].phase;
  if (!task || phase == Phase::Skipped || phase == Phase::Omitted || shutdown_ == Shutdown::Terminate) return;
  for (const auto& [key, hook] : task->hooks) {
    const bool exit = key == kExit;
    if (exit ? !completed(phase) : shutdown_ != Shutdown::No) continue;
    JsonObject variables = variables_for(nodes_[size_t(node)].boundary, *task);
    const bool steps = scopes_.at(nodes_[size_t(node)].boundary)->runs->kind == Kind::Steps;
    add_values(variables, (steps ? "steps." : "tasks.") + task->name, nodes_[size_t(node)]);
    begin_hook(node, exit ? ".onExit" : ".hooks." + key, hook, std::move(variables), now);
  }
}

// Of the run itself, beside its root.
void Run::call_own_hooks(WallTime now) {
  if (over_ || exiting_ || nodes_.empty() || shutdown_ != Shutdown::No) return;
  for (const auto& [key, hook] : flow_->hooks())
    if (key != kExit && find(facts_.name + ".hooks." + key) == kNobody)
      begin_hook(0, ".hooks." + key, hook, globals(now), now);
}

// Its hooks run before who waits for it goes on.
void Run::ended(NodeIndex node, WallTime now) {
  call_hooks(node, now);
  if (nodes_[size_t(node)].hooks == 0) settle(node);
}

void Run::begin_exit(WallTime now) {
  const auto exit = flow_->hooks().find(std::string(kExit));
  if (exiting_ || exit == flow_->hooks().end() || shutdown_ == Shutdown::Terminate)
    return finish(phase_, message_, now);
  exiting_ = true;
  const Or<bool> begins = holds(exit->second, globals(now), now);
  if (begins && !*begins) return finish(phase_, message_, now);
  const Or<Json> inputs =
      begins ? inputs_of(exit->second, globals(now), now) : std::unexpected(begins.error());
  if (!inputs) return finish(Phase::Error, "exit handler: " + inputs.error(), now);
  const std::string name = facts_.name + ".onExit";
  if (find(name) != kNobody) return;
  begin(*exit->second.runs, *inputs, name, name, kNobody, kNobody, -1, now, As::Hook);
}

}  // namespace ingot::workflow
