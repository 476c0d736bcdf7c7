// A run: how a template is begun with its inputs, and begun again.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "expr/program.h"
#include "workflow/artifacts.h"
#include "workflow/http.h"
#include "workflow/pod.h"
#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::string_at;

namespace {

constexpr int kMostDepth = 100;  // of templates in templates
constexpr size_t kMostNodes = 200'000;

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// What whoever resumes a suspended node is to say.
Values asked_outputs(const Template& t) {
  JsonArray parameters;
  for (const Json& p : array_at(t.body, {"outputs", "parameters"}))
    if (api::find(p, {"valueFrom", "supplied"})) parameters.push_back(p);
  if (parameters.empty()) return nullptr;
  return std::make_shared<const Json>(JsonObject{{"parameters", std::move(parameters)}});
}

const Json* named(const JsonArray& list, std::string_view name) {
  for (const Json& item : list)
    if (string_at(item, {"name"}) == name) return &item;
  return nullptr;
}

}  // namespace

Or<Json> Run::inputs_of(const Template& t, const Json& holder, WallTime now) const {
  JsonArray parameters, artifacts;
  const JsonArray& given = array_at(holder, {"arguments", "parameters"});
  Json own_filled;
  if (t.tagged_inputs) {  // what a template itself says of them may name what the whole run has
    own_filled = JsonObject{{"inputs", *api::find(t.body, {"inputs"})}};
    int64_t left = kFillSteps;
    if (const auto done = expr::fill_json(own_filled, expr::Variables(globals(now)), left,
                                          {.allow_unresolved = true, .surroundings = {now}});
        !done)
      return wrong(done.error().message);
  }
  const Json& says = t.tagged_inputs ? own_filled : t.body;
  for (const Json& declared : array_at(says, {"inputs", "parameters"})) {
    const std::string name(string_at(declared, {"name"}));
    std::optional<std::string> value;
    const Json* own = named(given, name);
    for (const Json* from : {own, &declared}) {
      if (value || !from) continue;
      if (const Json* v = api::find(*from, {"value"}); v && !v->is_null()) {
        value = text_of(*v);
      } else if (api::find(*from, {"valueFrom", "configMapKeyRef"})) {
        if (config_)
          value = config_(string_at(*from, {"valueFrom", "configMapKeyRef", "name"}),
                          string_at(*from, {"valueFrom", "configMapKeyRef", "key"}));
      }
      if (!value)
        for (const Json* v : {api::find(*from, {"default"}), api::find(*from, {"valueFrom", "default"})})
          if (!value && v && !v->is_null()) value = text_of(*v);
    }
    if (!value) return wrong("inputs.parameters." + name + " was not supplied");
    if (const JsonArray& allowed = array_at(declared, {"enum"});
        !allowed.empty() &&
        std::ranges::none_of(allowed, [&](const Json& a) { return text_of(a) == *value; }))
      return wrong("inputs.parameters." + name + ": '" + *value + "' is not one of its enum");
    parameters.push_back(JsonObject{{"name", text_json(name)}, {"value", text_json(*value)}});
  }
  const JsonArray& artifacts_given = array_at(holder, {"arguments", "artifacts"});
  for (const Json& declared : array_at(says, {"inputs", "artifacts"})) {
    const std::string name(string_at(declared, {"name"}));
    const Json* own = named(artifacts_given, name);
    Json artifact = own ? given_artifact(declared, *own) : declared;
    if (!has_location(artifact)) {
      if (api::bool_at(declared, {"optional"})) continue;
      return wrong("inputs.artifacts." + name + " was not supplied");
    }
    artifacts.push_back(std::move(artifact));
  }
  JsonObject out;
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (!artifacts.empty()) out["artifacts"] = std::move(artifacts);
  return out;
}

Or<Json> Run::inputs_of(const Hook& hook, JsonObject variables, WallTime now) const {
  Json arguments = hook.arguments;
  int64_t left = kFillSteps;
  const auto filled = expr::fill_json(arguments, expr::Variables(std::move(variables)), left,
                                      {.allow_unresolved = true, .surroundings = {now}});
  if (!filled) return wrong(filled.error().message);
  JsonArray artifacts;
  for (const Json& a : array_at(arguments, {"arguments", "artifacts"})) {
    Or<Json> found = located(a, string_at(a, {"from"}));
    if (found)
      artifacts.push_back(*std::move(found));
    else if (!api::bool_at(a, {"optional"}))
      return wrong(found.error());
  }
  if (!artifacts.empty()) api::set(arguments, {"arguments", "artifacts"}, std::move(artifacts));
  return inputs_of(*hook.runs, arguments, now);
}

// Whether the limits on what runs at a time leave room for one more.
bool Run::room_for(NodeIndex boundary, const Template& t) const {
  if (runs_pod(t.kind))
    if (const auto most = api::int_at(flow_->spec(), {"parallelism"}); most && active_pods_ >= *most)
      return false;
  if (boundary == kNobody) return true;
  const auto scope = scopes_.find(boundary);
  if (scope == scopes_.end() || !scope->second->runs->parallelism) return true;
  return scope->second->active < *scope->second->runs->parallelism;
}

// Nodes for now: what is left goes on when it is allowed.
bool Run::enough() {
  more_ |= allowed_ == 0;
  return allowed_ == 0;
}

Run::Started Run::begin(const Template& t, Json inputs, std::string name, std::string display,
                        NodeIndex boundary, NodeIndex parent, int32_t task, WallTime now, As as) {
  if (as == As::Task && !room_for(boundary, t)) return {.no_room = true};
  int depth = 0;
  for (NodeIndex up = boundary; up != kNobody; up = nodes_[size_t(up)].boundary) ++depth;
  NodeType type = NodeType::Pod;
  switch (t.kind) {
    case Kind::Steps:
      type = NodeType::Steps;
      break;
    case Kind::Dag:
      type = NodeType::DAG;
      break;
    case Kind::Suspend:
      type = NodeType::Suspend;
      break;
    case Kind::Http:
      type = NodeType::HTTP;
      break;
    default:
      break;
  }
  if (t.retry) type = NodeType::Retry;
  if (depth > kMostDepth || nodes_.size() >= kMostNodes) type = NodeType::Skipped;
  const NodeIndex node = add(std::move(name), std::move(display), type, boundary, parent, task, &t, now);
  nodes_[size_t(node)].hooked = as == As::Hook;
  if (const JsonObject* some = inputs.if_object(); some && !some->empty())
    nodes_[size_t(node)].inputs = std::make_shared<const Json>(std::move(inputs));
  if (type == NodeType::Skipped)
    end(node, Phase::Error,
        depth > kMostDepth ? "max depth of templates exceeded" : "more nodes than a run may have", now);
  else
    start(node, now);
  return {node};
}

NodeIndex Run::attempt(NodeIndex retry, WallTime now) {
  const Node& r = nodes_[size_t(retry)];
  const std::string number = "(" + std::to_string(r.children) + ")";
  const Template& t = *r.runs;
  const NodeType type = t.kind == Kind::Steps     ? NodeType::Steps
                        : t.kind == Kind::Dag     ? NodeType::DAG
                        : t.kind == Kind::Suspend ? NodeType::Suspend
                        : t.kind == Kind::Http    ? NodeType::HTTP
                                                  : NodeType::Pod;
  const NodeIndex node = add(r.name + number, r.display + number, type, r.boundary, retry, r.task, &t, now);
  Node& of = nodes_[size_t(retry)];
  ++of.children;
  ++of.open;
  nodes_[size_t(node)].inputs = of.inputs;
  nodes_[size_t(node)].retried = true;
  nodes_[size_t(node)].after.push_back(retry);
  of.message.clear();
  touch(retry);
  open_node(node, now);
  return node;
}

// "90", "1m30s".
std::optional<Duration> Run::length(const std::string& text) {
  if (!text.empty() && text.size() < 10 &&
      std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    return std::chrono::seconds(std::stoll(text));
  return parse_duration(text);
}

// The timer of what ends by itself: a pod's `timeout`, how long a node is suspended.
void Run::arm(NodeIndex node, WallTime now) {
  const Node& n = nodes_[size_t(node)];
  const Json* text = works(n.type)                 ? api::find(n.runs->body, {"timeout"})
                     : n.type == NodeType::Suspend ? api::find(n.runs->body, {"suspend", "duration"})
                                                   : nullptr;
  if (!text) return;
  Json filled = text_json(text_of(*text));
  JsonObject variables = globals(now);
  add_inputs(variables, n);
  int64_t left = kFillSteps;
  const auto done =
      expr::fill_json(filled, expr::Variables(std::move(variables)), left, {.allow_unresolved = true});
  if (!done) return end(node, Phase::Error, done.error().message, now);
  const std::string value = text_of(filled);
  if (value.empty()) return;
  const auto wait = length(value);
  if (!wait) return end(node, Phase::Error, "'" + value + "' is no duration", now);
  at(n.started + std::chrono::duration_cast<WallTime::duration>(*wait), node);
}

// What a node of this type does first.
void Run::open_node(NodeIndex node, WallTime now) {
  Node& n = nodes_[size_t(node)];
  switch (n.type) {
    case NodeType::Pod:
    case NodeType::HTTP:
      return open_pod(node, now);
    case NodeType::Steps:
    case NodeType::DAG:
      return open_scope(node, false, now);
    case NodeType::Suspend:
      n.outputs = asked_outputs(*n.runs);
      return arm(node, now);
    case NodeType::Retry:
      attempt(node, now);
      return;
    default:
      return;
  }
}

// Nobody answered in time what a suspended node was to be given: the defaults then.
void Run::answered_by_time(NodeIndex node, WallTime now) {
  Node& n = nodes_[size_t(node)];
  if (!n.outputs) return end(node, Phase::Succeeded, "", now);
  Json outputs = *n.outputs;
  for (Json& p : outputs.at("parameters").as_array()) {
    if (api::find(p, {"value"})) continue;
    const Json* value = api::find(p, {"valueFrom", "default"});
    if (!value)
      return end(node, Phase::Error,
                 "raw parameter '" + std::string(string_at(p, {"name"})) +
                     "' has not been set and does not have a default value",
                 now);
    p = JsonObject{{"name", *api::find(p, {"name"})}, {"value", text_json(text_of(*value))}};
  }
  n.outputs = std::make_shared<const Json>(std::move(outputs));
  end(node, Phase::Succeeded, "", now);
}

void Run::start(NodeIndex node, WallTime now) {
  if (!remembered(node, now) && take_locks(node, false, now)) open_node(node, now);
}

JsonObject Run::retry_variables(const Node& n) const {
  JsonObject out;
  if (n.parent == kNobody || nodes_[size_t(n.parent)].type != NodeType::Retry) return out;
  const Node& retry = nodes_[size_t(n.parent)];
  const size_t open = n.name.rfind('(');
  const std::string number = n.name.substr(open + 1, n.name.size() - open - 2);
  out["retries"] = text_json(number);
  const Node* last = nullptr;
  if (number != "0") {
    const NodeIndex before = find(retry.name + "(" + std::to_string(std::stoll(number) - 1) + ")");
    if (before != kNobody) last = &nodes_[size_t(before)];
  }
  const auto seconds = [](const Node& of) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(of.finished - of.started).count());
  };
  const Json* code = last && last->outputs ? api::find(*last->outputs, {"exitCode"}) : nullptr;
  out["lastRetry.exitCode"] = text_json(code ? text_of(*code) : "0");
  out["lastRetry.status"] = text_json(last ? to_string(last->phase) : "");
  out["lastRetry.duration"] = text_json(last ? seconds(*last) : "0");
  out["lastRetry.message"] = text_json(last ? last->message : "");
  return out;
}

void Run::add_called(JsonObject& out, const Node& n) const {
  const bool attempt = n.parent != kNobody && nodes_[size_t(n.parent)].type == NodeType::Retry && !n.hooked;
  const Node& called = attempt ? nodes_[size_t(n.parent)] : n;
  const bool task = called.boundary != kNobody && nodes_[size_t(called.boundary)].type == NodeType::DAG;
  const bool named = called.boundary != kNobody && !called.hooked;
  out[task ? "tasks.name" : "steps.name"] = text_json(named ? called.display : "");
}

// What the node's template may name.
expr::Variables Run::own_variables(const Node& n, WallTime now) const {
  JsonObject variables = globals(now);
  add_inputs(variables, n);
  for (const Json& a :
       array_at(n.runs->body, {"inputs", "artifacts"}))  // also what is optional and not there
    variables["inputs.artifacts." + std::string(string_at(a, {"name"})) + ".path"] =
        text_json(string_at(a, {"path"}));
  for (const std::string_view list : {"parameters", "artifacts"})
    for (const Json& o : array_at(n.runs->body, {"outputs", list})) {
      const std::string_view path =
          list == "artifacts" ? string_at(o, {"path"}) : string_at(o, {"valueFrom", "path"});
      if (!path.empty())
        variables["outputs." + std::string(list) + "." + std::string(string_at(o, {"name"})) + ".path"] =
            text_json(path);
    }
  variables["node.name"] = text_json(n.name);
  variables["pod.name"] = text_json(pod_name(facts_.name, n));
  add_called(variables, n);
  for (auto& [name, value] : retry_variables(n)) variables[name] = value;
  return expr::Variables(std::move(variables));
}

// The node's template with everything filled in.
Or<Json> Run::filled_template(const Node& n, const expr::Variables& known, WallTime now) const {
  Json filled = n.runs->body;
  api::erase(filled, {"inputs"});  // the node's own stand in for it
  api::erase(filled, {"retryStrategy"});
  int64_t left = kFillSteps;
  const expr::FillOptions options{.allow_unresolved = true, .surroundings = {now}};
  if (const auto done = expr::fill_json(filled, known, left, options); !done)
    return wrong(done.error().message);
  if (n.inputs) {
    Json inputs = *n.inputs;  // locations of artifacts may name parameters
    if (const auto done = expr::fill_json(inputs, known, left, options); !done)
      return wrong(done.error().message);
    filled.as_object()["inputs"] = std::move(inputs);
  }
  return filled;
}

void Run::open_pod(NodeIndex node, WallTime now) {
  const Node& n = nodes_[size_t(node)];
  const expr::Variables known = own_variables(n, now);
  Or<Json> filled = filled_template(n, known, now);
  if (!filled) return end(node, Phase::Error, filled.error(), now);
  Json shared;
  if (flow_->pod_fields_tagged()) {
    shared = flow_->pod_fields();
    int64_t left = kFillSteps;
    if (const auto done =
            expr::fill_json(shared, known, left, {.allow_unresolved = true, .surroundings = {now}});
        !done)
      return end(node, Phase::Error, done.error().message, now);
  }
  arm(node, now);
  if (fulfilled(n.phase)) return;
  if (n.runs->kind == Kind::ContainerSet) add_containers(node, now);
  (has_pod(n) ? wanted_.pods : wanted_.resources).push_back({node, *std::move(filled), std::move(shared)});
}

// What an http template's answer means.
PodReport Run::judged(const Node& n, const PodReport& told, WallTime now) const {
  const Or<Json> filled = filled_template(n, own_variables(n, now), now);
  if (!filled) return {.phase = Phase::Error, .message = filled.error()};
  JsonObject inputs;
  add_inputs(inputs, n);
  return judge_http(*filled, told, std::move(inputs), now);
}

namespace {

std::string shown(Duration d) { return human_duration(std::chrono::duration_cast<std::chrono::seconds>(d)); }

}  // namespace

// How long to wait before the attempt that follows so many, of `retryStrategy.backoff`.
Or<Duration> Run::backoff(const Json& strategy, int64_t attempts) {
  const Json* b = api::find(strategy, {"backoff"});
  if (!b) return Duration{};
  const auto length = [&](std::string_view name) -> Or<Duration> {
    const std::string text = api::find(*b, {name}) ? text_of(*api::find(*b, {name})) : "";
    if (text.empty()) return Duration{};
    if (const auto d = Run::length(text)) return *d;
    return wrong("retryStrategy.backoff." + std::string(name) + " '" + text + "' is no duration");
  };
  const auto base = length("duration"), cap = length("cap");
  if (!base) return base;
  if (!cap) return cap;
  const double factor =
      api::find(*b, {"factor"}) ? std::atof(text_of(*api::find(*b, {"factor"})).c_str()) : 1;
  double wait = double(base->count());
  for (int64_t i = 1; i < attempts && wait < 1e18; ++i) wait *= std::max(factor, 1.0);
  constexpr double kMost = 30.0 * 24 * 3600 * 1e9;
  Duration out(int64_t(std::min(wait, kMost)));
  if (cap->count() > 0) out = std::min(out, *cap);
  return out;
}

// What the strategy may name once an attempt has failed.
expr::Variables Run::judging_variables(const Node& retry, const Node& last, WallTime now) const {
  JsonObject out = globals(now);
  add_inputs(out, retry);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(last.finished - last.started).count();
  const Json* code = last.outputs ? api::find(*last.outputs, {"exitCode"}) : nullptr;
  out["retries"] = text_json(std::to_string(retry.children - 1));
  out["lastRetry.exitCode"] = text_json(code ? text_of(*code) : "-1");
  out["lastRetry.status"] = text_json(to_string(last.phase));
  out["lastRetry.duration"] = text_json(std::to_string(seconds));
  out["lastRetry.message"] = text_json(last.message);
  return expr::Variables(std::move(out));
}

// An attempt is over: another, or the end of it.
void Run::retried(NodeIndex retry, NodeIndex child, WallTime now) {
  Node& r = nodes_[size_t(retry)];
  const Node& c = nodes_[size_t(child)];
  if (fulfilled(r.phase) || r.open > 0) return;
  if (!r.runs || !r.runs->retry) return end(retry, c.phase, c.message, now);
  r.outputs = c.outputs;
  if (!failed(c.phase)) return end(retry, c.phase, c.message, now);
  const expr::Variables variables = judging_variables(r, c, now);
  Json s = *r.runs->retry;
  int64_t steps = kFillSteps;
  if (const auto filled =
          expr::fill_json(s, variables, steps, {.allow_unresolved = true, .surroundings = {now}});
      !filled)
    return end(retry, Phase::Error, "retryStrategy: " + filled.error().message, now);
  const std::string policy(string_at(s, {"retryPolicy"}));
  const std::string_view expression = string_at(s, {"expression"});
  const bool again = policy.empty()          ? !expression.empty() || c.phase == Phase::Failed
                     : policy == "Always"    ? true
                     : policy == "OnFailure" ? c.phase == Phase::Failed
                     : policy == "OnError" || policy == "OnTransientError" ? c.phase == Phase::Error
                                                                           : false;
  const Json* limit = api::find(s, {"limit"});
  const std::string most = limit ? text_of(*limit) : "";
  if (shutdown_ != Shutdown::No) return end(retry, c.phase, c.message, now);
  if (!most.empty()) {
    const auto times = whole_number(most);
    if (!times) return end(retry, Phase::Error, "retryStrategy.limit '" + most + "' is no whole number", now);
    if (r.children > *times)
      return end(retry, c.phase, *times == 0 ? c.message : "No more retries left", now);
  }
  if (again && !expression.empty()) {
    const auto program = expr::Program::compile(expression);
    int64_t left = kFillSteps;
    const auto verdict = program ? program->run(variables.nested(), left, {now})
                                 : expr::Maybe<Json>(std::unexpected(program.error()));
    if (!verdict || !verdict->is_bool())
      return end(retry, Phase::Error,
                 "retryStrategy.expression: " + (verdict ? "is no bool" : verdict.error()), now);
    if (!verdict->get_bool()) return end(retry, c.phase, "retryStrategy.expression evaluated to false", now);
  }
  if (!again) return end(retry, c.phase, c.message, now);
  const auto wait = backoff(s, r.children);
  if (!wait) return end(retry, Phase::Error, wait.error(), now);
  if (const std::string_view text = string_at(s, {"backoff", "maxDuration"}); !text.empty())
    if (const auto longest = length(std::string(text)); longest && now + *wait > r.started + *longest)
      return end(retry, c.phase, "Max duration limit exceeded", now);
  if (wait->count() == 0) {
    attempt(retry, now);
    return;
  }
  r.message = "Backoff for " + shown(*wait);
  touch(retry);
  at(now + std::chrono::duration_cast<WallTime::duration>(*wait), retry);
}

// A timer of the node has come.
void Run::due(NodeIndex node, WallTime now) {
  if (node == kNobody) return deadline(now);
  const Node& n = nodes_[size_t(node)];
  if (fulfilled(n.phase) || waiting_.contains(node)) return;
  switch (n.type) {
    case NodeType::Suspend:
      return answered_by_time(node, now);
    case NodeType::Retry:
      if (n.open == 0) attempt(node, now);
      return;
    case NodeType::Pod:
    case NodeType::HTTP:
      wanted_.stop.push_back(node);
      return end(node, Phase::Failed, "Step exceeded its deadline", now);
    default:
      return;
  }
}

}  // namespace ingot::workflow
