#include "apiserver/workflows.h"

#include <algorithm>
#include <span>

#include "api/json_text.h"
#include "api/reserved.h"
#include "apiserver/encode.h"
#include "apiserver/status.h"
#include "workflow/cron.h"
#include "workflow/reading.h"
#include "workflow/rows.h"

namespace ingot::apiserver {
namespace {

using api::Json;
using api::JsonObject;

constexpr std::string_view kGroup = "argoproj.io";
constexpr size_t kMostWritten = 4;    // replies of a tenant's that hold many nodes, not sent yet
constexpr size_t kLarge = 64 * 1024;  // of a text that is not read as a whole within a turn

// Every row of the Workflow, in key order.
template <class Visit>
void each_row(const ClusterView& view, const api::ObjectPtr& workflow, Visit visit) {
  const std::string prefix = workflow::row_name(workflow->key.name(), "");
  // What is greater than "namespace/WORKFLOW:" and begins with it.
  const std::string after = std::string(workflow->key.ns()) + "/" + prefix;
  view.range(workflow::kNodeRows, workflow->key.ns(), after, [&](const api::ObjectPtr& row) {
    if (!row->key.name().starts_with(prefix)) return false;
    visit(row);
    return true;
  });
}

Json unpacked(const api::Object& row) { return workflow::unpacked(row.parse(), row.key.name()); }

bool has_begun(const api::Object& workflow) { return workflow.mentions("\"startedAt\""); }

}  // namespace

bool is_workflow(const api::Resource& type) { return type.group == kGroup && type.kind == "Workflow"; }
bool holds_templates(const api::Resource& type) { return type.group == kGroup; }

WorkflowParts workflow_parts(const ClusterView& view, const api::ObjectPtr& workflow) {
  WorkflowParts parts{.workflow = workflow};
  if (workflow && has_begun(*workflow))
    each_row(view, workflow, [&](const api::ObjectPtr& row) { parts.nodes.push_back(row); });
  return parts;
}

api::ObjectPtr whole_workflow(const ClusterView& view, const api::ObjectPtr& workflow) {
  return whole_workflow(workflow_parts(view, workflow));
}

api::ObjectPtr whole_workflow(const WorkflowParts& parts) {
  const api::ObjectPtr& workflow = parts.workflow;
  if (parts.nodes.empty()) return workflow;
  std::vector<Json> rows;
  for (const api::ObjectPtr& row : parts.nodes) rows.push_back(unpacked(*row));
  std::string text;
  api::append_with(text, workflow->json, {"status", "nodes"}, workflow::shown_nodes(std::move(rows)));
  return std::make_shared<const api::Object>(
      api::Object{workflow->key, workflow->revision, std::move(text), workflow->node, workflow->marks});
}

Result<Outcome> answer_later(Call& call, Revision shows, int code, std::function<Reply()> write) {
  auto& writing = call.services.writing;
  std::erase_if(writing, [](const auto& of) { return *of.second == 0; });
  auto& count = writing[call.view.cluster().value];
  if (!count) count = std::make_shared<std::atomic<size_t>>(0);
  if (*count >= kMostWritten)
    return fail(
        {.reason = Reason::TooManyRequests,
         .message = "workflows with thousands of nodes are on their way to you already: wait for them",
         .retry_after_s = 1});
  ++*count;
  // Held by what is written, until that has left: it lies in memory, and nobody else has it.
  const std::shared_ptr<void> held(nullptr, [count](void*) { --*count; });
  Answer answer{.shows = shows};
  answer.reply.code = code;
  answer.later = [write = std::move(write), held](Reply& reply) {
    Reply written = write();
    for (Piece& piece : written.body) {
      const std::string* text = piece.get();
      const auto both = std::make_shared<std::pair<Piece, std::shared_ptr<void>>>(std::move(piece), held);
      reply.body.emplace_back(both, text);
    }
  };
  return answer;
}

Result<Outcome> show_later(Call& call, int code, WorkflowParts parts) {
  const Revision shows = parts.workflow->revision;
  return answer_later(call, shows, code,
                      [wanted = call.in.wanted, &type = call.type(), parts = std::move(parts),
                       now = call.services.env.clock.wall()] {
                        Reply reply;
                        reply.body.push_back(encode_object(wanted, type, whole_workflow(parts), now));
                        return reply;
                      });
}

bool speaks_of_nodes(PatchKind kind, const Json& patch) {
  if (kind != PatchKind::Json) {
    const Json* status = api::find(patch, {"status"});
    return !patch.is_object() || (status && (!status->is_object() || status->as_object().contains("nodes")));
  }
  const auto of_nodes = [](std::string_view path) {
    return path.empty() || path == "/status" || path.starts_with("/status/nodes");
  };
  if (!patch.is_array()) return true;
  return std::ranges::any_of(patch.get_array(), [&](const Json& op) {
    return of_nodes(api::string_at(op, {"path"})) ||
           (api::find(op, {"from"}) && of_nodes(api::string_at(op, {"from"})));
  });
}

NodeEdits take_nodes(const ClusterView& view, const api::ObjectPtr& stored, Json& after) {
  const Json* shown = api::find(after, {"status", "nodes"});
  const Json given = shown ? *shown : Json(JsonObject{});
  api::erase(after, {"status", "nodes"});
  NodeEdits edits;
  each_row(view, stored, [&](const api::ObjectPtr& row) {
    const Json before = unpacked(*row);
    const Json* own = api::find(given, {api::string_at(before, {"id"})});
    if (!own)
      edits.emplace_back(row, nullptr);
    else if (auto changed = workflow::row_from_shown(before, *own))
      edits.emplace_back(row, workflow::packed(std::move(*changed), stored->key.name()));
  });
  return edits;
}

Result<void> write_nodes(ClusterView& view, NodeEdits edits) {
  for (auto& [row, value] : edits) {
    const api::Key& key = row->key;
    const auto written =
        value.is_null() ? view.erase(key.resource(), key.ns(), key.name(), row->revision)
                        : view.put(key.resource(), key.ns(), key.name(), std::move(value), row->revision);
    if (!written) return fail(written.error());
  }
  return {};
}

Result<void> check_begun(Call& call, const Json& before, const Json& after) {
  constexpr std::pair<std::string_view, std::string_view> kKept[] = {
      {"spec", "templates"},
      {"spec", "entrypoint"},
      {"spec", "templateDefaults"},
      {"spec", "onExit"},
      {"spec", "hooks"},
      {"spec", "workflowTemplateRef"},
      {"spec", "synchronization"},
      {"status", "storedTemplates"},
      {"status", "storedWorkflowTemplateSpec"},
      {"spec", "arguments"},  // the last: of a commit's run only
  };
  const bool of_commit = !api::string_at(before, {"metadata", "labels", api::kCommitLabel}).empty();
  if (!of_commit && !api::find(before, {"status", "startedAt"})) return check_templates(call, after);
  for (const auto& [part, name] : std::span(kKept).first(std::size(kKept) - !of_commit)) {
    const Json *was = api::find(before, {part, name}), *is = api::find(after, {part, name});
    if ((!was && !is) || (was && is && api::same(*was, *is))) continue;
    const std::string field = std::string(part) + "." + std::string(name);
    Error error{.reason = Reason::Invalid,
                .message = field + ": field is immutable " +
                           (of_commit ? "in the run of a commit" : "once the run has begun") +
                           "; submit another"};
    error.causes.push_back({"FieldValueInvalid", field, error.message});
    return fail(about(std::move(error), call.type(), call.route().name));
  }
  return {};
}

void look_at_templates(Prepared& in) {
  if (!holds_templates(*in.type) || in.type->kind == "CronWorkflow" || !in.route.subresource.empty()) return;
  in.alone = workflow::check_alone(in.type->kind, *in.body);
  in.stands_alone = workflow::stands_alone(*in.body);
}

Result<void> check_templates(Call& call, const Json& object, const Json* before) {
  const auto lookup = [&](bool cluster, std::string_view name) -> std::optional<Json> {
    const api::ObjectPtr found =
        call.view.get(cluster ? "clusterworkflowtemplates.argoproj.io" : "workflowtemplates.argoproj.io",
                      cluster ? std::string_view() : std::string_view(call.route().ns), name);
    return found ? std::optional(found->parse()) : std::nullopt;
  };
  const bool cron = call.type().kind == "CronWorkflow";
  const auto by_reference = [&] {
    if (call.route().ns.empty()) return false;
    const api::ObjectPtr ns = call.view.get("namespaces", "", call.route().ns);
    return ns && workflow::by_reference_alone(*ns);
  };
  const auto refuse = [&](std::string_view field, const std::string& why) {
    const std::string_view name = api::string_at(object, {"metadata", "name"});
    Error error{.reason = Reason::Invalid,
                .message = std::string(call.type().kind) + ".argoproj.io \"" + std::string(name) +
                           "\" is invalid: " + (cron ? std::string(field) + ": " + why : why)};
    error.causes.push_back({"FieldValueInvalid", std::string(field), why});
    return fail(about(std::move(error), call.type(), name));
  };
  if (cron)
    if (const auto problem = workflow::check_cron(object)) return refuse(problem->field, problem->message);
  const Json* was = cron && before ? api::find(*before, {"spec", "workflowSpec"}) : nullptr;
  if (was && api::same(*was, *api::find(object, {"spec", "workflowSpec"}))) return {};
  const auto checked = [&]() -> workflow::Or<void> {
    if (by_reference())
      if (auto may = workflow::check_by_reference(call.type().kind, object); !may) return may;
    const auto& alone = call.in.alone;
    if (alone && (!*alone || call.in.stands_alone)) return *alone;
    if (alone && call.in.request.body.size() > kLarge)
      return is_workflow(call.type()) ? workflow::check_references(object, lookup) : workflow::Or<void>();
    return workflow::check(call.type().kind, object, lookup);
  }();
  if (checked) {
    for (const std::string& field : workflow::ignored(object))
      call.warnings.push_back(field + " has no effect in this factory");
    return {};
  }
  return refuse(cron ? "spec.workflowSpec" : "spec", checked.error());
}

}  // namespace ingot::apiserver
