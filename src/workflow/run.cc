// A run's frame: how it begins, goes on, is told what happened, and ends.
#include "workflow/run.h"

#include <algorithm>

#include "api/names.h"
#include "api/reserved.h"
#include "expr/go_time.h"
#include "expr/program.h"
#include "workflow/pod.h"
#include "workflow/rows.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::string_at;

namespace {

// What "workflow.creationTimestamp." ends with, as Go's layouts. Source: argo-workflows, util/strftime.
constexpr std::pair<char, std::string_view> kOfCreation[] = {
    {'A', "Monday"}, {'B', "January"}, {'H', "15"},  {'I', "03"},    {'L', ".000"}, {'M', "04"},
    {'S', "05"},     {'Y', "2006"},    {'Z', "MST"}, {'a', "Mon"},   {'b', "Jan"},  {'d', "02"},
    {'m', "01"},     {'p', "PM"},      {'y', "06"},  {'z', "-0700"},
};

}  // namespace

Run::Run(FlowPtr flow, Facts facts) : flow_(std::move(flow)), facts_(std::move(facts)) {}

Or<void> Run::arguments(const Json& given) {
  std::map<std::string, Json> values;
  std::vector<std::string> order;
  // What was submitted goes before what the template says.
  for (const Json* from : {api::find(flow_->spec(), {"arguments"}), &given})
    for (const Json& p : from ? array_at(*from, {"parameters"}) : JsonArray{}) {
      const std::string name(string_at(p, {"name"}));
      if (!values.contains(name)) order.push_back(name);
      Json& known = values[name];
      if (!known.is_object()) known = JsonObject{};
      for (const auto& [key, value] : p.as_object()) known.as_object()[key] = value;
    }
  for (const std::string& name : order) {
    const Json& p = values[name];
    std::optional<std::string> value;
    if (const Json* v = api::find(p, {"value"})) value = text_of(*v);
    if (!value && api::find(p, {"valueFrom", "configMapKeyRef"}) && config_)
      value = config_(string_at(p, {"valueFrom", "configMapKeyRef", "name"}),
                      string_at(p, {"valueFrom", "configMapKeyRef", "key"}));
    if (!value)
      if (const Json* v =
              api::find(p, {"default"}) ? api::find(p, {"default"}) : api::find(p, {"valueFrom", "default"}))
        value = text_of(*v);
    if (!value) return std::unexpected("spec.arguments." + name + ".value is required");
    if (const JsonArray& allowed = array_at(p, {"enum"});
        !allowed.empty() &&
        std::ranges::none_of(allowed, [&](const Json& a) { return text_of(a) == *value; }))
      return std::unexpected("spec.arguments." + name + ".value: '" + *value + "' is not one of its enum");
    arguments_["workflow.parameters." + name] = text_json(*value);
    parameters_.push_back(JsonObject{{"name", text_json(name)}, {"value", text_json(*value)}});
  }
  return {};
}

Or<void> Run::mark() {
  const Json* written = api::find(flow_->spec(), {"workflowMetadata"});
  if (!written) return {};
  const auto metadata = [&] {
    return Json(
        JsonObject{{"metadata", JsonObject{{"labels", facts_.labels}, {"annotations", facts_.annotations}}}});
  };
  const Json before = metadata();
  Json marks = *written;
  int64_t left = kFillSteps;
  const auto variables = [&] { return expr::Variables(globals(facts_.created)); };
  if (const auto done = expr::fill_json(marks, variables(), left,
                                        {.allow_unresolved = true, .surroundings = {facts_.created}});
      !done)
    return std::unexpected("workflowMetadata: " + done.error().message);
  for (const auto& [name, value] : api::object_at(marks, {"annotations"}))
    facts_.annotations[name] = text_json(text_of(value));
  JsonObject labels = api::object_at(marks, {"labels"});
  for (const auto& [name, value] : labels) facts_.labels[name] = text_json(text_of(value));
  for (const auto& [name, from] : api::object_at(marks, {"labelsFrom"})) {
    const auto program = expr::Program::compile(string_at(from, {"expression"}));
    const auto value = program ? program->run(variables().nested(), left, {facts_.created})
                               : expr::Maybe<Json>(std::unexpected(program.error()));
    const std::string where = "workflowMetadata.labelsFrom." + std::string(name) + ".expression: ";
    if (!value) return std::unexpected(where + value.error());
    if (!value->is_string()) return std::unexpected(where + "is no string");
    labels[name] = facts_.labels[name] = *value;
  }
  for (const auto& [name, value] : labels)
    if (const std::string fault = api::label_value_fault(text_of(value)); !fault.empty())
      return std::unexpected("workflowMetadata: label " + std::string(name) + " '" + text_of(value) +
                             "': " + fault);
  Json after = metadata();
  api::keep_reserved(kWorkflows, &before, after);
  facts_.labels = api::object_at(after, {"metadata", "labels"});
  facts_.annotations = api::object_at(after, {"metadata", "annotations"});
  return {};
}

JsonObject Run::globals(WallTime now) const {
  JsonObject out = arguments_;
  out["workflow.name"] = text_json(facts_.name);
  out["workflow.namespace"] = text_json(facts_.ns);
  out["workflow.uid"] = text_json(facts_.uid);
  out["workflow.serviceAccountName"] = text_json(facts_.service_account);
  out["workflow.mainEntrypoint"] = text_json(flow_->entry() ? flow_->entry()->name : "");
  out["workflow.parameters"] = text_json(api::to_text(Json(parameters_)));
  out["workflow.parameters.json"] = out["workflow.parameters"];
  out["workflow.creationTimestamp"] = text_json(to_rfc3339(facts_.created));
  out["workflow.creationTimestamp.RFC3339"] = out["workflow.creationTimestamp"];
  out["workflow.creationTimestamp.s"] = text_json(std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(facts_.created.time_since_epoch()).count()));
  for (const auto& [letter, layout] :
       flow_->names_creation() ? std::span(kOfCreation) : std::span(kOfCreation, 0))
    out["workflow.creationTimestamp." + std::string(1, letter)] =
        text_json(expr::format_time(layout, facts_.created));
  out["workflow.priority"] = text_json(std::to_string(facts_.priority));
  if (!facts_.scheduled.empty()) out["workflow.scheduledTime"] = text_json(facts_.scheduled);
  for (const auto& [name, value] : facts_.labels) out["workflow.labels." + std::string(name)] = value;
  for (const auto& [name, value] : facts_.annotations)
    out["workflow.annotations." + std::string(name)] = value;
  const auto whole = [&](const JsonObject& all) { return text_json(api::to_text(all)); };
  out["workflow.labels"] = out["workflow.labels.json"] = whole(facts_.labels);
  out["workflow.annotations"] = out["workflow.annotations.json"] = whole(facts_.annotations);
  for (const auto& [name, value] : global_outputs_) out[name] = value;
  out["workflow.status"] = text_json(to_string(phase_ == Phase::Pending ? Phase::Running : phase_));
  if (begun_ && !nodes_.empty())
    out["workflow.duration"] =
        text_json(std::to_string(std::chrono::duration<double>(now - nodes_.front().started).count()));
  if (!exiting_) return out;
  JsonArray failures;
  for (const Node& n : nodes_)
    if (works(n.type) && failed(n.phase) && failures.size() < 100)
      failures.push_back(JsonObject{{"displayName", text_json(n.display)},
                                    {"message", text_json(n.message)},
                                    {"templateName", text_json(n.runs ? n.runs->name : "")},
                                    {"phase", text_json(to_string(n.phase))},
                                    {"podName", text_json(pod_name(facts_.name, n))},
                                    {"finishedAt", text_json(to_rfc3339(n.finished))}});
  // A quoted text of JSON, as Argo gives it: what a shell reads is JSON.
  out["workflow.failures"] = text_json(api::to_text(text_json(api::to_text(Json(std::move(failures))))));
  return out;
}

NodeIndex Run::find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? kNobody : at->second;
}
NodeIndex Run::by_id(std::string_view id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? kNobody : at->second;
}

void Run::touch(NodeIndex node) { changed_.insert(node); }

NodeIndex Run::add(std::string name, std::string display, NodeType type, NodeIndex boundary, NodeIndex parent,
                   int32_t task, const Template* runs, WallTime now) {
  const auto index = NodeIndex(nodes_.size());
  if (allowed_ > 0 && allowed_ != SIZE_MAX) --allowed_;
  Node& n = nodes_.emplace_back();
  n.name = std::move(name);
  n.display = std::move(display);
  n.id = node_id(facts_.name, n.name);
  while (by_id_.contains(n.id)) n.id += "x";  // hashes of 32 bits meet
  n.type = type;
  n.boundary = boundary;
  n.parent = parent;
  n.task = task;
  n.runs = runs;
  n.started = now;
  n.phase = works(type) ? Phase::Pending : Phase::Running;
  by_name_.emplace(n.name, index);
  by_id_.emplace(n.id, index);
  if (works(type)) {
    ++active_pods_;
    ++pods_known_;
  }
  if (const auto scope = boundary >= 0 ? scopes_.find(boundary) : scopes_.end(); scope != scopes_.end()) {
    scope->second->nodes.push_back(index);
    if (works(type) || type == NodeType::Steps || type == NodeType::DAG) ++scope->second->active;
  }
  touch(index);
  return index;
}

void Run::end(NodeIndex node, Phase phase, std::string message, WallTime now) {
  Node& n = nodes_[size_t(node)];
  if (fulfilled(n.phase)) return;
  n.phase = phase;
  n.message = std::move(message);
  n.finished = now;
  touch(node);
  if (works(n.type)) {
    --active_pods_;
    ++pods_done_;
    end_containers(node, now);
  }
  if (n.boundary >= 0 && (works(n.type) || n.type == NodeType::Steps || n.type == NodeType::DAG))
    if (const auto scope = scopes_.find(n.boundary);
        scope != scopes_.end() && --scope->second->active == 0 && shutdown_ != Shutdown::No)
      pumps_.insert(n.boundary);  // its group may never be whole
  if (n.locks) release(n);
  if (n.memo) memorize(node);
  for (const NodeIndex scope : std::exchange(starved_, {})) pumps_.insert(scope);
  if (phase == Phase::Succeeded) publish(n);
  ended(node, now);
}

void Run::settle(NodeIndex node) {
  Node& n = nodes_[size_t(node)];
  if (n.settled) return;
  n.settled = true;
  settled_.push_back(node);
}

void Run::work(WallTime now) {
  while (!over_) {
    if (!settled_.empty()) {
      const NodeIndex node = settled_.front();
      settled_.pop_front();
      notify(node, now);
    } else if (!pumps_.empty() && !suspended_) {
      const NodeIndex scope = *pumps_.begin();
      pumps_.erase(pumps_.begin());
      pump(scope, now);
    } else {
      return;
    }
  }
}

void Run::notify(NodeIndex node, WallTime now) {
  const NodeIndex parent = nodes_[size_t(node)].parent;
  if (nodes_[size_t(node)].hooked) {
    if (parent == kNobody) return finish(phase_, message_, now);  // the workflow's exit handler
    Node& of = nodes_[size_t(parent)];
    if (--of.hooks == 0 && fulfilled(of.phase)) settle(parent);
    return;
  }
  if (parent == kNobody) {
    if (node != 0) return;  // whom it was of is gone
    phase_ = nodes_.front().phase;
    message_ = nodes_.front().message;
    call_own_hooks(now);
    if (nodes_.front().hooks > 0) return;  // it settles once more
    return begin_exit(now);
  }
  Node& p = nodes_[size_t(parent)];
  switch (p.type) {
    case NodeType::Retry:
      --p.open;
      return retried(parent, node, now);
    case NodeType::StepGroup:
    case NodeType::TaskGroup:
      --p.open;
      return group_done(parent, now);
    case NodeType::Steps:
      return steps_group_done(parent, now);
    case NodeType::DAG:
      return task_settled(parent, node, now);
    default:
      return;
  }
}

void Run::go_on(WallTime now) {
  if (over_ || (suspended_ && nodes_.empty()) || !admitted(now)) return;
  locks_given(now);
  if (!begun_) {
    begun_ = true;
    if (!flow_->entry()) return finish(Phase::Error, "spec.entrypoint is required", now);
    if (nodes_.empty()) {
      phase_ = Phase::Running;
      const Or<Json> inputs = inputs_of(
          *flow_->entry(),
          JsonObject{
              {"arguments", JsonObject{{"parameters", parameters_},
                                       {"artifacts", array_at(flow_->spec(), {"arguments", "artifacts"})}}}},
          now);
      if (!inputs) return finish(Phase::Error, inputs.error(), now);
      begin(*flow_->entry(), *inputs, facts_.name, facts_.name, kNobody, kNobody, -1, now, As::Root);
      call_own_hooks(now);
      if (const auto seconds = api::int_at(flow_->spec(), {"activeDeadlineSeconds"}); seconds && *seconds > 0)
        at(now + std::chrono::seconds(*seconds), kNobody);
    }
  }
  while (!timers_.empty() && timers_.begin()->first <= now && !over_) {
    const NodeIndex node = timers_.begin()->second;
    timers_.erase(timers_.begin());
    due(node, now);
  }
  work(now);
  ration(now);
}

// Of what waits to be allowed as much as is, the oldest first: each either begins something or waits for something else.
void Run::ration(WallTime now) {
  while (!over_ && allowed_ > 0 && !rationed_.empty()) {
    for (size_t n = allowed_; n > 0 && !rationed_.empty(); --n)
      pumps_.insert(rationed_.extract(rationed_.begin()).value());
    work(now);
  }
  more_ = !rationed_.empty();
}

void Run::pod(NodeIndex node, const PodReport& told, WallTime now) {
  if (node < 0 || size_t(node) >= nodes_.size() || over_) return;
  Node& n = nodes_[size_t(node)];
  if (!works(n.type) || fulfilled(n.phase)) return;
  std::optional<PodReport> answer;
  if (n.type == NodeType::HTTP && n.runs && fulfilled(told.phase)) answer = judged(n, told, now);
  const PodReport& report = answer ? *answer : told;
  bool changed = false, begins = false;
  const auto take = [&](std::string& own, const std::string& value) {
    if (value.empty() || own == value) return;
    own = value;
    changed = true;
  };
  tell_containers(node, report, now);
  take(n.host, report.host);
  take(n.ip, report.ip);
  if (fulfilled(report.phase)) {
    if (report.outputs) n.outputs = report.outputs;
    if (n.daemoned && report.phase == Phase::Succeeded) n.daemoned = false;
    end(node, report.phase, report.message, now);
    return work(now);
  }
  if (report.phase == Phase::Running && n.phase == Phase::Pending) {
    n.phase = Phase::Running;
    n.message.clear();
    changed = begins = true;
  }
  if (n.phase == Phase::Pending && n.message != report.message) {
    n.message = report.message;
    changed = true;
  }
  if (changed) touch(node);
  if (begins) call_hooks(node, now);
  if (n.runs && n.runs->daemon && report.ready && !n.daemoned) {
    // A daemon is done with, for who waits for it, once it is ready; it runs on until its steps or dag end.
    n.daemoned = true;
    touch(node);
    settle(node);
  }
  work(now);
}

void Run::pod_gone(NodeIndex node, WallTime now) {
  if (node < 0 || size_t(node) >= nodes_.size() || over_) return;
  if (!works(nodes_[size_t(node)].type) || waiting_.contains(node)) return;
  const bool stopped = shutdown_ != Shutdown::No;
  end(node, stopped ? Phase::Failed : Phase::Error, stopped ? "workflow shutdown" : "pod deleted", now);
  work(now);
}

void Run::set_suspended(bool suspended, WallTime now) {
  if (suspended_ == suspended) return;
  suspended_ = suspended;
  go_on(now);
}

void Run::shut_down(Shutdown how, WallTime now) {
  if (how == Shutdown::No || how <= shutdown_ || over_) return;
  shutdown_ = how;
  const std::string why = how == Shutdown::Stop ? "workflow shutdown with strategy:  Stop"
                                                : "workflow shutdown with strategy:  Terminate";
  // Those that wait for locks first: what others release is not given to them.
  for (const auto& [i, begun] : std::map<NodeIndex, bool>(waiting_))
    if (!over_ && !fulfilled(nodes_[size_t(i)].phase) && !(how == Shutdown::Stop && exiting_))
      end(i, Phase::Failed, why, now);
  for (size_t i = 0; i < nodes_.size() && !over_; ++i) {
    Node& n = nodes_[i];
    if (fulfilled(n.phase) || (how == Shutdown::Stop && exiting_)) continue;
    if (works(n.type)) wanted_.stop.push_back(NodeIndex(i));
    if (ends_at_once(NodeIndex(i))) end(NodeIndex(i), Phase::Failed, why, now);
  }
  if (waits_ || nodes_.empty()) return finish(Phase::Failed, why, now);
  suspended_ = false;
  // Nothing is begun any more: scopes close once what runs has ended.
  for (auto& [node, scope] : scopes_) pumps_.insert(node);
  work(now);
}

void Run::finish(Phase phase, std::string message, WallTime now) {
  if (over_) return;
  if (exiting_) {
    const NodeIndex hook = find(facts_.name + ".onExit");
    if (hook != kNobody && failed(nodes_[size_t(hook)].phase) && phase == Phase::Succeeded) {
      phase = nodes_[size_t(hook)].phase;
      message = nodes_[size_t(hook)].message;
    }
  }
  over_ = true;
  waits_ = false;
  if (locks_) locks_->forget(holder());
  locks_changed_ = true;
  phase_ = phase;
  message_ = std::move(message);
  finished_ = now;
}

void Run::at(WallTime when, NodeIndex node) { timers_.emplace(when, node); }

std::optional<WallTime> Run::wake_at() const {
  if (over_ || timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

void Run::deadline(WallTime now) {
  for (size_t i = 0; i < nodes_.size() && !over_; ++i) {
    const Node& n = nodes_[i];
    const bool exiting = n.hooked && n.name.ends_with(".onExit");
    if (fulfilled(n.phase) || exiting) continue;
    if (works(n.type)) wanted_.stop.push_back(NodeIndex(i));
    if (ends_at_once(NodeIndex(i))) end(NodeIndex(i), Phase::Failed, "Step exceeded its deadline", now);
  }
  shutdown_ = Shutdown::Stop;
  for (auto& [node, scope] : scopes_) pumps_.insert(node);
}

Wanted Run::take() {
  wanted_.changed.assign(changed_.begin(), changed_.end());
  changed_.clear();
  return std::exchange(wanted_, {});
}

void Run::publish(const Node& n) {
  if (!n.outputs || !n.runs) return;
  for (const Json& p : array_at(n.runs->body, {"outputs", "parameters"})) {
    const std::string_view global = string_at(p, {"globalName"});
    if (global.empty()) continue;
    for (const Json& has : array_at(*n.outputs, {"parameters"}))
      if (string_at(has, {"name"}) == string_at(p, {"name"}))
        if (const Json* value = api::find(has, {"value"}))
          global_outputs_["workflow.outputs.parameters." + std::string(global)] = text_json(text_of(*value));
  }
  for (const Json& a : array_at(n.runs->body, {"outputs", "artifacts"})) {
    const std::string_view global = string_at(a, {"globalName"});
    if (global.empty()) continue;
    for (const Json& has : array_at(*n.outputs, {"artifacts"})) {
      if (string_at(has, {"name"}) != string_at(a, {"name"})) continue;
      Json shown = has;
      api::set(shown, {"name"}, global);
      for (const std::string_view own : {"path", "mode"}) api::erase(shown, {own});
      global_outputs_["workflow.outputs.artifacts." + std::string(global)] = text_json(api::to_text(shown));
    }
  }
}

}  // namespace ingot::workflow
