#include "workflow/flow.h"

#include <algorithm>
#include <set>

#include "api/patch.h"
#include "expr/template.h"
#include "workflow/artifacts.h"
#include "workflow/container_set.h"
#include "workflow/http.h"
#include "workflow/locks.h"
#include "workflow/memo.h"
#include "workflow/resource.h"

namespace ingot::workflow {
namespace {

using api::array_at;
using api::find;
using api::string_at;

constexpr std::pair<std::string_view, Kind> kKinds[] = {
    {"container", Kind::Container}, {"script", Kind::Script}, {"containerSet", Kind::ContainerSet},
    {"resource", Kind::Resource},   {"http", Kind::Http},     {"suspend", Kind::Suspend},
    {"steps", Kind::Steps},         {"dag", Kind::Dag},
};
// What Argo has and we have not yet: refused by name.
constexpr std::initializer_list<std::string_view> kNotYet[] = {
    {"data"},
    {"plugin"},
};
constexpr std::initializer_list<std::string_view> kSpecNotYet[] = {{"volumeClaimTemplates"}};

std::string dotted(std::initializer_list<std::string_view> path) {
  std::string out;
  for (const std::string_view part : path) (out += out.empty() ? "" : ".") += part;
  return out;
}
// The first of these paths that the object has.
template <class Paths>
std::string first_of(const Json& object, const Paths& paths) {
  for (const auto& path : paths)
    if (const Json* found = api::find(object, path);
        found && !(found->is_array() && found->get_array().empty()))
      return dotted(path);
  return "";
}

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }
std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }
std::string key_of(std::string_view scope, std::string_view name) {
  return std::string(scope) + "/" + std::string(name);
}

void each_text(const Json& json, const std::function<void(std::string_view)>& visit) {
  if (json.is_string()) {
    visit(json.get_string());
  } else if (json.is_array()) {
    for (const Json& item : json.get_array()) each_text(item, visit);
  } else if (json.is_object()) {
    for (const auto& [name, value] : json.get_object()) {
      visit(name);
      each_text(value, visit);
    }
  }
}

bool tagged(const Json& json) {
  bool any = false;
  each_text(json, [&](std::string_view text) { any |= text.find("{{") != text.npos; });
  return any;
}

// Of the spec what is of every pod.
constexpr std::string_view kPodFields[] = {
    "affinity",         "automountServiceAccountToken",
    "dnsConfig",        "dnsPolicy",
    "hostAliases",      "hostNetwork",
    "imagePullSecrets", "nodeSelector",
    "podMetadata",      "podPriorityClassName",
    "podSpecPatch",     "schedulerName",
    "securityContext",  "serviceAccountName",
    "tolerations",      "volumes",
};

// The name of the step or task in "tasks.A.outputs.result", "" where it is none.
std::string_view used_task(std::string_view variable) {
  for (const std::string_view prefix : {"tasks.", "steps."})
    if (variable.starts_with(prefix)) {
      variable.remove_prefix(prefix.size());
      return variable.substr(0, variable.find('.'));
    }
  return {};
}

// What its fields say of locks and of what is remembered.
Or<void> check_template(const Template& t) {
  if (const Json* locks = api::find(t.body, {"synchronization"}))
    if (const auto names = lock_names(*locks, "ns"); !names) return wrong(names.error());
  if (t.kind == Kind::Resource)
    if (const auto good = check_resource(t.body); !good) return good;
  if (t.kind == Kind::Http)
    if (const auto good = check_http(t.body); !good) return good;
  if (t.kind == Kind::ContainerSet)
    if (const auto good = check_container_set(t.body); !good) return good;
  if (const Json* memoize = api::find(t.body, {"memoize"})) return check_memoize(*memoize);
  return {};
}

}  // namespace

std::string_view to_string(Kind kind) {
  return std::ranges::find(kKinds, kind, &std::pair<std::string_view, Kind>::second)->first;
}

const Template* Flow::find(std::string_view scope, std::string_view name) const {
  const auto found = templates_.find(key_of(scope, name));
  return found == templates_.end() ? nullptr : found->second.get();
}

Or<const Template*> Flow::target(const Json& holder, std::string_view scope, std::string_view where) {
  if (const Json* body = api::find(holder, {"inline"}))
    return add(*body, std::string(scope) + "/inline" + std::to_string(inlines_++), where);
  if (const Json* ref = api::find(holder, {"templateRef"})) {
    const std::string_view name = string_at(*ref, {"name"}), of = string_at(*ref, {"template"});
    const std::string other =
        (api::bool_at(*ref, {"clusterScope"}) ? "cluster/" : "namespaced/") + std::string(name);
    if (const Template* t = find(other, of)) return t;
    static const Template later;
    if (others_later_) return &later;
    return wrong(std::string(where) + ": template " + quoted(of) + " of workflowtemplate " + quoted(name) +
                 " not found");
  }
  const std::string_view name = string_at(holder, {"template"});
  if (name.empty()) return wrong(std::string(where) + ": names no template");
  if (const Template* t = find(scope, name)) return t;
  return wrong(std::string(where) + ": template name '" + std::string(name) + "' undefined");
}

Or<const Template*> Flow::add(const Json& body, const std::string& scope, std::string_view where) {
  if (templates_.size() >= kMaxTemplates)
    return wrong("more than " + std::to_string(kMaxTemplates) + " templates");
  if (!body.is_object()) return wrong(std::string(where) + " is no object");
  auto made = std::make_unique<Template>();
  made->name = string_at(body, {"name"});
  made->scope = scope;
  made->body = body;
  if (const Json* defaults = api::find(spec_, {"templateDefaults"})) {
    auto merged = api::merge_patch(*defaults, body);
    if (!merged) return wrong(std::string(where) + ": " + merged.error().message);
    made->body = *std::move(merged);
  }
  std::optional<Kind> kind;
  if (const std::string other = first_of(made->body, kNotYet); !other.empty())
    return wrong(std::string(where) + ": " + other + " is not implemented");
  for (const auto& [name, value] : kKinds)
    if (api::find(body, {name})) {
      if (kind)
        return wrong(std::string(where) + ": a template has one type, not two: " +
                     std::string(to_string(*kind)) + " and " + std::string(name));
      kind = value;
    }
  for (const auto& [name, value] : kKinds)  // of templateDefaults
    if (!kind && api::find(made->body, {name})) kind = value;
  if (!kind) return wrong(std::string(where) + ": has no type (container, script, steps, dag, …)");
  for (const auto& [name, value] : kKinds)
    if (value != *kind) api::erase(made->body, {name});
  made->kind = *kind;
  if (const auto good = check_template(*made); !good) return wrong(std::string(where) + ": " + good.error());
  if (const auto fine = check_artifacts(made->body, *kind, where); !fine) return wrong(fine.error());
  made->retry = api::find(made->body, {"retryStrategy"});
  if (!made->retry) made->retry = api::find(spec_, {"retryStrategy"});
  made->daemon = api::bool_at(made->body, {"daemon"});
  made->parallelism = api::int_at(made->body, {"parallelism"});
  if (const Json* inputs = api::find(made->body, {"inputs"})) made->tagged_inputs = tagged(*inputs);
  each_text(body, [&](std::string_view text) { uses_results_ |= text.find("outputs.result") != text.npos; });
  made->fail_fast = api::bool_at(made->body, {"dag", "failFast"}, true);
  const std::string key = key_of(scope, made->name);
  const auto [at, fresh] = templates_.try_emplace(key, std::move(made));
  if (!fresh) return wrong(std::string(where) + ": template name '" + at->second->name + "' not unique");
  return at->second.get();
}

Or<Task> Flow::read_task(const Json& body, const Template& of, const std::string& where) {
  if (!body.is_object()) return wrong(where + " is no object");
  Task task;
  task.name = string_at(body, {"name"});
  if (task.name.empty()) return wrong(where + ": name is required");
  task.body = body;
  if (const auto fine = check_artifact_arguments(body, where); !fine) return wrong(fine.error());
  const int loops = (api::find(body, {"withItems"}) != nullptr) +
                    (api::find(body, {"withParam"}) != nullptr) +
                    (api::find(body, {"withSequence"}) != nullptr);
  if (loops > 1) return wrong(where + ": only one of withItems, withParam and withSequence");
  task.expands = loops == 1;
  task.continues_failed = api::bool_at(body, {"continueOn", "failed"});
  task.continues_error = api::bool_at(body, {"continueOn", "error"});
  std::set<std::string> uses;
  std::string fault;
  each_text(body, [&](std::string_view text) {
    if (text.find("{{") == text.npos) return;
    task.tagged = true;
    const auto read = expr::Template::compile(text);
    if (!read) {
      if (fault.empty()) fault = read.error();
      return;
    }
    for (const std::string& name : read->names())
      if (const std::string_view used = used_task(name); !used.empty()) uses.emplace(used);
  });
  for (const auto& [name, hook] : api::object_at(body, {"hooks"}))
    if (const auto read = expr::Program::compile(string_at(hook, {"expression"})))
      for (const std::string& used : read->names())
        if (const std::string_view of = used_task(used); !of.empty()) uses.emplace(of);
  if (!fault.empty()) return wrong(where + ": " + fault);
  task.uses.assign(uses.begin(), uses.end());
  Or<const Template*> runs = target(body, of.scope, where);
  if (!runs) return wrong(runs.error());
  task.runs = *runs;
  Or<Hooks> hooks = read_hooks(body, of.scope, where);
  if (!hooks) return wrong(hooks.error());
  task.hooks = *std::move(hooks);
  return task;
}

Or<Hooks> Flow::read_hooks(const Json& holder, std::string_view scope, const std::string& where) {
  Hooks hooks;
  for (const auto& [key, hook] : api::object_at(holder, {"hooks"})) {
    const std::string name(key.data(), key.size());
    Or<const Template*> runs = target(hook, scope, where + ".hooks." + name);
    if (!runs) return wrong(runs.error());
    const std::string expression(string_at(hook, {"expression"}));
    if (name != "exit" && expression.empty())
      return wrong(where + ".hooks." + name + ": expression is required");
    if (!expression.empty())
      if (const auto good = expr::Program::compile(expression); !good)
        return wrong(where + ".hooks." + name + ".expression: " + good.error());
    hooks.emplace(name,
                  Hook{*runs, JsonObject{{"arguments", api::object_at(hook, {"arguments"})}}, expression});
  }
  if (const std::string_view name = string_at(holder, {"onExit"}); !name.empty() && !hooks.contains("exit")) {
    const Template* runs = find(scope, name);
    if (!runs) return wrong(where + ".onExit: template name '" + std::string(name) + "' undefined");
    hooks.emplace("exit", Hook{runs, JsonObject{}, ""});
  }
  return hooks;
}

Or<void> Flow::read_steps(Template& t, std::string_view where) {
  size_t group = 0;
  for (const Json& steps : array_at(t.body, {"steps"})) {
    t.groups.push_back(uint32_t(t.tasks.size()));
    const std::string in = std::string(where) + ".steps[" + std::to_string(group++) + "]";
    if (!steps.is_array() && !steps.is_object()) return wrong(in + " is no list of steps");
    const JsonArray one{steps};
    for (const Json& step : steps.is_array() ? steps.get_array() : one) {
      Or<Task> task = read_task(step, t, in + "." + std::string(string_at(step, {"name"})));
      if (!task) return wrong(task.error());
      if (!t.by_name.emplace(task->name, uint32_t(t.tasks.size())).second)
        return wrong(in + ": name '" + task->name + "' is not unique");
      t.tasks.push_back(*std::move(task));
      if (t.tasks.size() > kMaxTasks)
        return wrong(in + ": more than " + std::to_string(kMaxTasks) + " steps");
    }
  }
  if (t.tasks.empty()) return wrong(std::string(where) + ": has no steps");
  return {};
}

Or<void> Flow::read_dag(Template& t, std::string_view where) {
  const JsonArray& tasks = array_at(t.body, {"dag", "tasks"});
  if (tasks.empty()) return wrong(std::string(where) + ": must have at least one task");
  if (tasks.size() > kMaxTasks)
    return wrong(std::string(where) + ": more than " + std::to_string(kMaxTasks) + " tasks");
  t.tasks.reserve(tasks.size());
  for (const Json& body : tasks) {
    const std::string in = std::string(where) + ".tasks." + std::string(string_at(body, {"name"}));
    Or<Task> task = read_task(body, t, in);
    if (!task) return wrong(task.error());
    const std::string_view depends = string_at(body, {"depends"});
    const JsonArray& dependencies = array_at(body, {"dependencies"});
    if (!depends.empty() && !dependencies.empty())
      return wrong(in + ": cannot use both 'depends' and 'dependencies'");
    if (!depends.empty()) {
      auto logic = Depends::parse(depends);
      if (!logic) return wrong(in + ": depends " + logic.error());
      task->logic = *std::move(logic);
    } else if (!dependencies.empty()) {
      std::vector<std::string> names;
      for (const Json& name : dependencies) names.emplace_back(string_at(name, {}));
      task->logic = Depends::all_of(names);
    }
    if (!t.by_name.emplace(task->name, uint32_t(t.tasks.size())).second)
      return wrong(in + ": task name is not unique");
    t.tasks.push_back(*std::move(task));
  }
  for (uint32_t i = 0; i < t.tasks.size(); ++i) {
    Task& task = t.tasks[i];
    const std::string in = std::string(where) + ".tasks." + task.name;
    for (const std::string& name : task.logic.names()) {
      const auto at = t.by_name.find(name);
      if (at == t.by_name.end()) return wrong(in + ": dependency '" + name + "' not defined");
      if (at->second == i) return wrong(in + ": depends on itself");
      task.needs.push_back(at->second);
    }
    std::ranges::sort(task.needs);
    const auto again = std::ranges::unique(task.needs);
    task.needs.erase(again.begin(), again.end());
    for (const uint32_t need : task.needs) t.tasks[need].dependents.push_back(i);
  }
  // A task is done with once all it needs is: what is never done with is part of a cycle or behind one.
  std::vector<uint32_t> open(t.tasks.size()), ready;
  for (uint32_t i = 0; i < t.tasks.size(); ++i)
    if ((open[i] = uint32_t(t.tasks[i].needs.size())) == 0) ready.push_back(i);
  size_t done = 0;
  while (done < ready.size())
    for (const uint32_t next : t.tasks[ready[done++]].dependents)
      if (--open[next] == 0) ready.push_back(next);
  if (done < t.tasks.size()) {
    const auto stuck = std::ranges::find_if(open, [](uint32_t n) { return n > 0; });
    return wrong(std::string(where) + ": dependency cycle detected at task '" +
                 t.tasks[size_t(stuck - open.begin())].name + "'");
  }
  t.target = string_at(t.body, {"dag", "target"});
  if (t.target.find("{{") == t.target.npos)
    if (const auto named = t.targets_in(t.target); !named)
      return wrong(std::string(where) + ": " + named.error());
  for (uint32_t i = 0; i < t.tasks.size(); ++i)
    if (t.tasks[i].dependents.empty()) t.targets.push_back(i);
  return {};
}

Or<std::vector<uint32_t>> Template::targets_in(std::string_view text) const {
  std::vector<uint32_t> out;
  for (size_t from = 0; from < text.size();) {
    const size_t end = std::min(text.find(' ', from), text.size());
    if (const std::string_view name = text.substr(from, end - from); !name.empty()) {
      const auto at = by_name.find(name);
      if (at == by_name.end()) return wrong("target '" + std::string(name) + "' is not defined");
      out.push_back(at->second);
    }
    from = end + 1;
  }
  return out;
}

Or<std::shared_ptr<const Flow>> Flow::read(Json spec, const JsonObject& stored, bool others_later) {
  std::shared_ptr<Flow> flow(new Flow);
  flow->others_later_ = others_later;
  flow->spec_ = std::move(spec);
  if (const std::string other = first_of(flow->spec_, kSpecNotYet); !other.empty())
    return wrong("spec." + other + " is not implemented");
  if (const Json* locks = api::find(flow->spec_, {"synchronization"}))
    if (const auto names = lock_names(*locks, "ns"); !names) return wrong("spec." + names.error());
  const auto look = [&](std::string_view text) {
    flow->names_creation_ |= text.find("creationTimestamp") != text.npos;
  };
  each_text(flow->spec_, look);
  for (const auto& [name, body] : stored) each_text(body, look);
  for (const std::string_view field : kPodFields)
    if (const Json* value = api::find(flow->spec_, {field})) api::set(flow->pod_fields_, {field}, *value);
  flow->pod_fields_tagged_ = tagged(flow->pod_fields_);
  size_t n = 0;
  for (const Json& body : array_at(flow->spec_, {"templates"})) {
    const std::string where = "templates." + std::string(string_at(body, {"name"}));
    if (string_at(body, {"name"}).empty())
      return wrong("templates[" + std::to_string(n) + "].name is required");
    if (const auto added = flow->add(body, "local", where); !added) return wrong(added.error());
    ++n;
  }
  for (const auto& [name, body] : stored) {
    const std::string_view key = name;
    const size_t slash = key.rfind('/');
    if (slash == key.npos) continue;
    if (const auto added = flow->add(body, std::string(key.substr(0, slash)), key); !added)
      return wrong(added.error());
  }
  // Inline templates are added, and read, as they are met.
  std::set<const Template*> seen;
  for (bool more = true; more;) {
    more = false;
    std::vector<Template*> fresh;
    for (const auto& [key, t] : flow->templates_)
      if (seen.insert(t.get()).second) fresh.push_back(t.get());
    for (Template* t : fresh) {
      more = true;
      const std::string where = "templates." + t->name;
      if (t->kind == Kind::Steps)
        if (const auto read = flow->read_steps(*t, where); !read) return wrong(read.error());
      if (t->kind == Kind::Dag)
        if (const auto read = flow->read_dag(*t, where); !read) return wrong(read.error());
    }
  }
  const std::string_view entry = string_at(flow->spec_, {"entrypoint"});
  if (!entry.empty()) {
    flow->entry_ = flow->find("local", entry);
    if (!flow->entry_) return wrong("spec.entrypoint: template name '" + std::string(entry) + "' undefined");
  }
  if (const auto fine = check_artifact_arguments(flow->spec_, "spec"); !fine) return wrong(fine.error());
  Or<Hooks> hooks = flow->read_hooks(flow->spec_, "local", "spec");
  if (!hooks) return wrong(hooks.error());
  flow->hooks_ = *std::move(hooks);
  return flow;
}

namespace {
void gather(const Json& json, std::set<Reference>& out) {
  if (json.is_array()) {
    for (const Json& item : json.get_array()) gather(item, out);
  } else if (json.is_object()) {
    for (const auto& [name, value] : json.get_object()) {
      if (name == "templateRef" && value.is_object())
        out.insert({api::bool_at(value, {"clusterScope"}), std::string(string_at(value, {"name"})),
                    std::string(string_at(value, {"template"}))});
      else if (name == "steps" || name == "dag" || name == "tasks" || name == "inline" || name == "hooks" ||
               value.is_array() || (value.is_object() && name != "container" && name != "script"))
        gather(value, out);
    }
  }
}
}  // namespace

std::vector<Reference> references(const Json& templates) {
  std::set<Reference> out;
  gather(templates, out);
  return {out.begin(), out.end()};
}

}  // namespace ingot::workflow
