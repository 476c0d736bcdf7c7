// A workflow as it is run: its templates, read once. Immutable; any thread.
//
// Everything that a run refers to is in it: the Workflow's own templates, and of WorkflowTemplates and
// ClusterWorkflowTemplates those that were stored with the run when it began, so that what is changed later changes no run.
// Source: Argo Workflows 4.0, pkg/apis/workflow/v1alpha1 and workflow/controller.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "workflow/depends.h"

namespace ingot::workflow {

using api::Json;
using api::JsonArray;
using api::JsonObject;
template <class T>
using Or = std::expected<T, std::string>;  // the error says what is wrong, and where, for people

struct Template;

enum class Kind : uint8_t { Container, Script, ContainerSet, Resource, Http, Suspend, Steps, Dag };
std::string_view to_string(Kind);
// Whether a pod runs it.
inline bool runs_pod(Kind k) {
  return k == Kind::Container || k == Kind::Script || k == Kind::ContainerSet || k == Kind::Http;
}

// What runs beside or after a node: `hooks`, and as "exit" what `onExit` names.
struct Hook {
  const Template* runs = nullptr;
  Json arguments;
  std::string expression;  // "": always
};
using Hooks = std::map<std::string, Hook>;

// A step of `steps` or a task of `dag`.
struct Task {
  std::string name;
  Json body;  // as it is written
  const Template* runs = nullptr;
  Hooks hooks;
  std::vector<std::string> uses;  // names of steps or tasks whose values its text names
  bool tagged = false;            // its text has tags
  bool expands = false;           // withItems, withParam, withSequence
  bool continues_failed = false, continues_error = false;
  std::vector<uint32_t> needs;       // of a dag: the tasks that it depends on …
  std::vector<uint32_t> dependents;  // … and those that depend on it
  Depends logic;
};

struct Template {
  std::string name;
  std::string scope;  // "local/NAME", "namespaced/NAME", "cluster/NAME": where names in it are looked up
  Kind kind = Kind::Container;
  Json body;                                             // with templateDefaults
  std::vector<Task> tasks;                               // of a dag; of steps, one group after another
  std::vector<uint32_t> groups;                          // of steps: where each group begins in `tasks`
  std::vector<uint32_t> targets;                         // of a dag: what decides how it ends …
  std::string target;                                    // … unless this names others, once it is filled in
  std::map<std::string, uint32_t, std::less<>> by_name;  // of tasks
  bool fail_fast = true;
  std::optional<int64_t> parallelism;
  const Json* retry = nullptr;  // its retryStrategy, or the spec's
  bool daemon = false;
  bool tagged_inputs = false;  // what it says of its inputs has tags
  // The tasks of a dag that a `target` names, once it is filled in.
  Or<std::vector<uint32_t>> targets_in(std::string_view text) const;
  size_t group_end(size_t group) const {
    return group + 1 < groups.size() ? groups[group + 1] : tasks.size();
  }
};

class Flow {
 public:
  // `spec`: WorkflowSpec, merged with the WorkflowTemplate's that it refers to. `stored`: templates of others by
  // "namespaced/NAME/TEMPLATE" or "cluster/NAME/TEMPLATE".
  // With `others_later` those need not be there: it is only looked at, never run.
  static Or<std::shared_ptr<const Flow>> read(Json spec, const JsonObject& stored, bool others_later = false);

  const Json& spec() const { return spec_; }
  // What of the spec is of all its pods; whether it has tags.
  const Json& pod_fields() const { return pod_fields_; }
  bool pod_fields_tagged() const { return pod_fields_tagged_; }
  const Template* entry() const { return entry_; }
  const Hooks& hooks() const { return hooks_; }
  bool uses_results() const { return uses_results_; }      // something names an outputs.result
  bool names_creation() const { return names_creation_; }  // something names a part of when it was created
  // nullptr: there is none.
  const Template* find(std::string_view scope, std::string_view name) const;
  // What an object with `template`, `templateRef` or `inline` runs; an error names it.
  Or<const Template*> target(const Json& holder, std::string_view scope, std::string_view where);

 private:
  Flow() = default;
  Or<const Template*> add(const Json& body, const std::string& scope, std::string_view where);
  Or<void> read_steps(Template&, std::string_view where);
  Or<void> read_dag(Template&, std::string_view where);
  Or<Task> read_task(const Json& body, const Template&, const std::string& where);
  Or<Hooks> read_hooks(const Json& holder, std::string_view scope, const std::string& where);

  Json spec_, pod_fields_ = JsonObject{};
  bool pod_fields_tagged_ = false;
  const Template* entry_ = nullptr;
  Hooks hooks_;
  bool uses_results_ = false, names_creation_ = false, others_later_ = false;
  std::map<std::string, std::unique_ptr<Template>, std::less<>> templates_;  // by "scope/name"
  size_t inlines_ = 0;
};
using FlowPtr = std::shared_ptr<const Flow>;

// What WorkflowTemplates a text of templates refers to: (cluster-scoped, name), each once.
struct Reference {
  bool cluster = false;
  std::string name, of_template;  // of_template: "" of a workflowTemplateRef
  auto operator<=>(const Reference&) const = default;
};
std::vector<Reference> references(const Json& templates);

inline constexpr size_t kMaxTemplates = 10'000, kMaxTasks = 100'000;  // of a flow, of a template

}  // namespace ingot::workflow
