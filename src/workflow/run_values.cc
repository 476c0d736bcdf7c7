// A run: what its steps and tasks may name, and what they give.
#include <algorithm>

#include "expr/when.h"
#include "workflow/artifacts.h"
#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::string_at;

namespace {

constexpr std::string_view kStrict[] = {"tasks", "steps"};

// Whether the text is one tag, and that of a value which is absent.
bool is_absent(std::string_view text, const expr::Variables& variables) {
  if (!text.starts_with("{{") || !text.ends_with("}}")) return false;
  text = text.substr(2, text.size() - 4);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  const Json* value = variables.find(text);
  return value && value->is_null();
}

// An argument that is absent leaves its place to the default of what is called, where that has one.
void leave_to_defaults(Json& body, const Task& task, const expr::Variables& variables) {
  if (!task.runs || !api::find(body, {"arguments", "parameters"})) return;
  const JsonArray& inputs = array_at(task.runs->body, {"inputs", "parameters"});
  const auto left_out = [&](const Json& p) {
    if (!is_absent(string_at(p, {"value"}), variables)) return false;
    const auto input = std::ranges::find_if(
        inputs, [&](const Json& i) { return string_at(i, {"name"}) == string_at(p, {"name"}); });
    return input != inputs.end() && (api::find(*input, {"default"}) || api::find(*input, {"value"}));
  };
  JsonArray given;
  for (const Json& p : array_at(body, {"arguments", "parameters"}))
    if (!left_out(p)) given.push_back(p);
  api::set(body, {"arguments", "parameters"}, std::move(given));
}

}  // namespace

// What a step or a task may name: what its scope has, and of others what its text uses.
JsonObject Run::variables_for(NodeIndex scope, const Task& task) const {
  const Scope& s = *scopes_.at(scope);
  JsonObject out = s.variables;
  for (const auto& [name, value] : global_outputs_) out[name] = value;
  const std::string prefix = s.runs->kind == Kind::Steps ? "steps." : "tasks.";
  for (const std::string& name : task.uses) {
    const auto at = s.runs->by_name.find(name);
    if (at == s.runs->by_name.end()) continue;
    const NodeIndex node = s.node_of[at->second];
    if (const auto items = s.items.find(at->second); items != s.items.end()) {
      std::vector<const Node*> all;
      for (const NodeIndex item : items->second) all.push_back(&nodes_[size_t(item)]);
      add_aggregate(out, prefix + name, all);
    }
    if (node != kNobody && (fulfilled(nodes_[size_t(node)].phase) || nodes_[size_t(node)].daemoned))
      add_values(out, prefix + name, nodes_[size_t(node)]);
  }
  return out;
}

// A step or a task with everything filled in that its scope knows; the text of its `when` alone where that says no.
Or<Json> Run::filled_task(NodeIndex scope, const Task& t, WallTime now) const {
  Json body = t.body;
  api::erase(body, {"hooks"});
  api::erase(body, {"inline"});
  if (!t.tagged) return body;
  const expr::Variables variables(variables_for(scope, t));
  int64_t left = kFillSteps;
  const expr::FillOptions options{.allow_unresolved = true, .required = kStrict, .surroundings = {now}};
  if (const Json* when = api::find(body, {"when"}); when && !t.expands) {
    Json text = *when;
    if (const auto done = expr::fill_json(text, variables, left, options); !done)
      return std::unexpected(done.error().message);
    const auto proceed = expr::when(string_at(text, {}));
    if (!proceed) return std::unexpected(proceed.error());
    if (!*proceed) return text;
  }
  leave_to_defaults(body, t, variables);
  // An optional artifact may come from what did not run: it is then left out.
  JsonArray artifacts = array_at(body, {"arguments", "artifacts"});
  const bool any_optional =
      std::ranges::any_of(artifacts, [](const Json& a) { return api::bool_at(a, {"optional"}); });
  if (any_optional) api::erase(body, {"arguments", "artifacts"});
  if (const auto done = expr::fill_json(body, variables, left, options); !done)
    return std::unexpected(done.error().message);
  if (!any_optional) return body;
  JsonArray given;
  for (Json& a : artifacts) {
    const auto done = expr::fill_json(a, variables, left, options);
    if (done)
      given.push_back(std::move(a));
    else if (!api::bool_at(a, {"optional"}))
      return std::unexpected(done.error().message);
  }
  api::set(body, {"arguments", "artifacts"}, std::move(given));
  return body;
}

// `from: "{{tasks.A.outputs.artifacts.x}}"`, filled: the artifact's own JSON; else what says where it is by itself.
Or<Json> Run::resolve_artifact(NodeIndex scope, const Json& argument, WallTime now) const {
  std::string from(string_at(argument, {"from"}));
  if (const std::string_view text = string_at(argument, {"fromExpression"}); !text.empty()) {
    const auto program = expr::Program::compile(text);
    if (!program) return std::unexpected("fromExpression: " + program.error());
    Task uses;
    for (const auto& [name, index] : scopes_.at(scope)->runs->by_name) uses.uses.push_back(name);
    int64_t left = kFillSteps;
    const auto value = program->run(expr::Variables(variables_for(scope, uses)).nested(), left, {now});
    if (!value) return std::unexpected("fromExpression: " + value.error());
    from = text_of(*value);
  }
  return located(argument, from);
}

Or<Values> Run::outputs_of(NodeIndex scope, WallTime now) const {
  const Template& t = *scopes_.at(scope)->runs;
  const Json* declared = api::find(t.body, {"outputs"});
  if (!declared) return nullptr;
  Task uses;
  for (const auto& [name, index] : t.by_name) uses.uses.push_back(name);
  const expr::Variables variables(variables_for(scope, uses));
  JsonArray parameters, artifacts;
  for (const Json& p : array_at(*declared, {"parameters"})) {
    const std::string name(string_at(p, {"name"}));
    std::optional<std::string> value;
    std::string why = "has no value";
    int64_t left = kFillSteps;
    if (const std::string_view text = string_at(p, {"valueFrom", "expression"}); !text.empty()) {
      const auto program = expr::Program::compile(text);
      const auto made = program ? program->run(variables.nested(), left, {now})
                                : expr::Maybe<Json>(std::unexpected(program.error()));
      if (made)
        value = text_of(*made);
      else
        why = made.error();
    } else if (const std::string_view from = string_at(p, {"valueFrom", "parameter"}); !from.empty()) {
      Json filled = text_json(from);
      if (const auto done = expr::fill_json(filled, variables, left, {.surroundings = {now}}))
        value = text_of(filled);
      else
        why = done.error().message;
    } else if (const Json* v = api::find(p, {"value"})) {
      Json filled = *v;
      if (const auto done = expr::fill_json(filled, variables, left, {.surroundings = {now}}))
        value = text_of(filled);
      else
        why = done.error().message;
    }
    if (!value)
      if (const Json* v = api::find(p, {"valueFrom", "default"})) value = text_of(*v);
    if (!value) return std::unexpected("outputs.parameters." + name + ": " + why);
    parameters.push_back(JsonObject{{"name", text_json(name)}, {"value", text_json(*value)}});
  }
  for (const Json& a : array_at(*declared, {"artifacts"})) {
    Json filled = a;
    int64_t left = kFillSteps;
    if (api::find(filled, {"from"}))
      if (const auto done = expr::fill_json(filled.at("from"), variables, left, {.allow_unresolved = true});
          !done)
        return std::unexpected("outputs.artifacts." + std::string(string_at(a, {"name"})) + ": " +
                               done.error().message);
    Or<Json> found = resolve_artifact(scope, filled, now);
    if (found && api::find(*found, {"name"}) && (!api::find(*found, {"from"})))
      artifacts.push_back(*std::move(found));
    else if (!api::bool_at(a, {"optional"}))
      return std::unexpected("outputs.artifacts." + std::string(string_at(a, {"name"})) + ": " +
                             (found ? "not found" : found.error()));
  }
  JsonObject out;
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (!artifacts.empty()) out["artifacts"] = std::move(artifacts);
  if (out.empty()) return nullptr;
  return std::make_shared<const Json>(std::move(out));
}

}  // namespace ingot::workflow
