#include "sim/workflow_checks.h"

#include "workflow/rows.h"

namespace ingot::sim {
namespace {

using api::Json;
using api::string_at;

constexpr std::string_view kNodeName = "workflows.argoproj.io/node-name",
                           kWorkflowUid = "workflows.argoproj.io/workflow-uid";

}  // namespace

void WorkflowChecks::follow(const store::Change& change) {
  const api::Object& object = *change.object;
  if (object.key.resource() == workflow::kNodeRows) return follow_row(change);
  if (change.deleted || object.key.resource() != "pods" || !object.mentions(kNodeName)) return;
  const Json pod = object.parse();
  const std::string step = std::string(object.key.cluster()) + " " +
                           std::string(string_at(pod, {"metadata", "annotations", kWorkflowUid})) + " " +
                           std::string(string_at(pod, {"metadata", "annotations", kNodeName}));
  const std::string uid(string_at(pod, {"metadata", "uid"}));
  const auto done = done_.find(step);
  if (done != done_.end() && done->second != uid)
    violate("a step twice: " + step + " had succeeded, and pod " + uid + " was made for it");
  if (done == done_.end() && string_at(pod, {"status", "phase"}) == "Succeeded") done_.emplace(step, uid);
}

void WorkflowChecks::follow_row(const store::Change& change) {
  const std::string key = change.object->key.text();
  if (change.deleted) {
    rows_.erase(key);
    return;
  }
  const Json row = change.object->parse();
  if (string_at(row, {"phase"}) == "Succeeded")
    rows_.insert(key);
  else if (rows_.contains(key))
    violate("a step twice: " + key + " had succeeded, and is " + std::string(string_at(row, {"phase"})));
}

void check_workflows_rest(store::Turn& turn, std::vector<std::string>& violations) {
  std::set<std::string> workflows;
  const auto restless = [&](const api::Object& object, const std::string& what) {
    if (violations.size() < 20) violations.push_back("no rest: " + object.key.text() + " " + what);
  };
  turn.range("", "", [&](const store::ObjectPtr& object) {
    if (object->key.resource() != workflow::kWorkflows) return true;
    workflows.insert(object->key.text());
    const Json json = object->parse();
    if (string_at(json, {"status", "finishedAt"}).empty())
      restless(*object, "goes on: " + std::string(string_at(json, {"status", "phase"})));
    return true;
  });
  turn.range("", "", [&](const store::ObjectPtr& object) {
    const api::Key& key = object->key;
    if (key.resource() != workflow::kNodeRows) return true;
    const std::string_view name = key.name().substr(0, key.name().rfind(':'));
    if (!workflows.contains(
            api::Key(ClusterId{std::string(key.cluster())}, workflow::kWorkflows, key.ns(), name).text()))
      restless(*object, "is of no Workflow");
    return true;
  });
}

}  // namespace ingot::sim
