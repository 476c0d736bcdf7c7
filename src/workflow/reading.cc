#include "workflow/reading.h"

#include <algorithm>
#include <set>

#include "api/patch.h"

namespace ingot::workflow {

using api::array_at;
using api::find;
using api::string_at;

namespace {

constexpr size_t kMostStored = 1'000;  // templates of others in one run

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

Or<Json> looked_up(const Lookup& lookup, bool cluster, std::string_view name) {
  if (auto object = lookup(cluster, name)) return *std::move(object);
  return wrong((cluster ? "clusterworkflowtemplate \"" : "workflowtemplate \"") + std::string(name) +
               "\" not found");
}

// What the Workflow says goes before what the WorkflowTemplate says; templates and arguments are of both.
Or<Json> merged_with(const Json& spec, const Json& source) {
  const Json* base = find(source, {"spec"});
  if (!base) return spec;
  auto merged = api::merge_patch(*base, spec);
  if (!merged) return wrong(merged.error().message);
  JsonArray templates = array_at(spec, {"templates"});
  for (const Json& t : array_at(*base, {"templates"})) templates.push_back(t);
  if (!templates.empty()) api::set(*merged, {"templates"}, std::move(templates));
  for (const std::string_view list : {"parameters", "artifacts"}) {
    JsonArray all = array_at(spec, {"arguments", list});
    for (const Json& p : array_at(*base, {"arguments", list}))
      if (std::ranges::none_of(
              all, [&](const Json& a) { return string_at(a, {"name"}) == string_at(p, {"name"}); }))
        all.push_back(p);
    if (!all.empty()) api::set(*merged, {"arguments", list}, std::move(all));
  }
  api::erase(*merged, {"workflowTemplateRef"});
  return *std::move(merged);
}

Or<JsonObject> gather(const Json& spec, const Lookup& lookup) {
  JsonObject stored;
  std::vector<Reference> todo = references(spec);
  std::set<std::pair<bool, std::string>> seen;
  while (!todo.empty()) {
    const Reference ref = std::move(todo.back());
    todo.pop_back();
    if (!seen.emplace(ref.cluster, ref.name).second) continue;
    const Or<Json> object = looked_up(lookup, ref.cluster, ref.name);
    if (!object) return wrong(object.error());
    const std::string scope = (ref.cluster ? "cluster/" : "namespaced/") + ref.name + "/";
    for (const Json& t : array_at(*object, {"spec", "templates"})) {
      if (stored.size() >= kMostStored)
        return wrong("refers to more than " + std::to_string(kMostStored) + " templates of others");
      stored[scope + std::string(string_at(t, {"name"}))] = t;
    }
    if (const Json* more = find(*object, {"spec"}))
      for (Reference& r : references(*more)) todo.push_back(std::move(r));
  }
  return stored;
}

}  // namespace

Or<Resolved> resolve(const Json& object, const Lookup& lookup) {
  Resolved out{.spec = find(object, {"spec"}) ? *find(object, {"spec"}) : Json(JsonObject{})};
  if (const Json* kept = find(object, {"status", "storedWorkflowTemplateSpec"})) {
    out.spec = *kept;
  } else if (const Json* ref = find(out.spec, {"workflowTemplateRef"})) {
    const Or<Json> source =
        looked_up(lookup, api::bool_at(*ref, {"clusterScope"}), string_at(*ref, {"name"}));
    if (!source) return wrong(source.error());
    Or<Json> merged = merged_with(out.spec, *source);
    if (!merged) return wrong(merged.error());
    out.spec = *std::move(merged);
    out.fresh = true;
  }
  if (const JsonObject& kept = api::object_at(object, {"status", "storedTemplates"}); !kept.empty()) {
    out.stored = kept;
    return out;
  }
  Or<JsonObject> found = gather(out.spec, lookup);
  if (!found) return wrong(found.error());
  out.stored = *std::move(found);
  out.fresh |= !out.stored.empty();
  return out;
}

Json with_stored(Json object, const Resolved& resolved) {
  if (find(object, {"spec", "workflowTemplateRef"}))
    api::set(object, {"status", "storedWorkflowTemplateSpec"}, resolved.spec);
  if (!resolved.stored.empty()) api::set(object, {"status", "storedTemplates"}, resolved.stored);
  return object;
}

Or<void> check(std::string_view kind, const Json& object, const Lookup& lookup) {
  const bool cron = kind == "CronWorkflow", runs = cron || kind == "Workflow";
  Json shaped = JsonObject{};
  const Json* spec = cron ? find(object, {"spec", "workflowSpec"}) : find(object, {"spec"});
  if (!spec) return wrong("spec is required");
  api::set(shaped, {"spec"}, *spec);
  Or<Resolved> resolved = resolve(shaped, lookup);
  if (!resolved) {
    if (runs) return wrong(resolved.error());
    return {};
  }
  const auto flow = Flow::read(std::move(resolved->spec), resolved->stored);
  if (!flow) return wrong(flow.error());
  if (runs && !(*flow)->entry()) return wrong("spec.entrypoint is required");
  return {};
}

Or<void> check_alone(std::string_view kind, const Json& object) {
  const Json* spec = find(object, {"spec"});
  if (kind == "CronWorkflow" || !spec || find(*spec, {"workflowTemplateRef"})) return {};
  const auto flow = Flow::read(*spec, {}, true);
  if (!flow) return wrong(flow.error());
  if (kind == "Workflow" && !(*flow)->entry()) return wrong("spec.entrypoint is required");
  return {};
}

bool stands_alone(const Json& object) {
  const Json* spec = find(object, {"spec"});
  return spec && !find(*spec, {"workflowTemplateRef"}) && references(*spec).empty();
}

Or<void> check_references(const Json& object, const Lookup& lookup) {
  const Json* spec = find(object, {"spec"});
  std::vector<Reference> all = spec ? references(*spec) : std::vector<Reference>{};
  if (const Json* ref = spec ? find(*spec, {"workflowTemplateRef"}) : nullptr)
    all.push_back({api::bool_at(*ref, {"clusterScope"}), std::string(string_at(*ref, {"name"})), ""});
  std::ranges::sort(all);  // those of one object stand together, which is read once
  const Reference* last = nullptr;
  Or<Json> found = wrong("");
  if (all.size() > kMostStored)
    return wrong("refers to more than " + std::to_string(kMostStored) + " templates of others");
  for (const Reference& ref : all) {
    if (!last || last->name != ref.name || last->cluster != ref.cluster)
      found = looked_up(lookup, ref.cluster, ref.name);
    last = &ref;
    if (!found) return wrong(found.error());
    const JsonArray& templates = array_at(*found, {"spec", "templates"});
    if (!ref.of_template.empty() && std::ranges::none_of(templates, [&](const Json& t) {
          return string_at(t, {"name"}) == ref.of_template;
        }))
      return wrong("template \"" + ref.of_template + "\" of workflowtemplate \"" + ref.name + "\" not found");
  }
  return {};
}

bool by_reference_alone(const api::Object& ns) {
  return ns.mentions(kByReferenceLabel) &&
         string_at(ns.parse(), {"metadata", "labels", kByReferenceLabel}) == "true";
}

Or<void> check_by_reference(std::string_view kind, const Json& object) {
  if (kind != "Workflow" && kind != "CronWorkflow") return {};
  constexpr std::string_view kMay[] = {
      "activeDeadlineSeconds",
      "archiveLogs",
      "arguments",
      "artifactGC",
      "entrypoint",
      "metrics",
      "podGC",
      "priority",
      "shutdown",
      "suspend",
      "ttlStrategy",
      "volumeClaimGC",
      "workflowMetadata",
      "workflowTemplateRef",
  };
  const std::string where = kind == "Workflow" ? "spec" : "spec.workflowSpec";
  const JsonObject& spec = kind == "Workflow" ? api::object_at(object, {"spec"})
                                              : api::object_at(object, {"spec", "workflowSpec"});
  const std::string why =
      ": this namespace runs WorkflowTemplates alone (its label " + std::string(kByReferenceLabel) + ")";
  if (!spec.contains("workflowTemplateRef")) return wrong(where + ".workflowTemplateRef is required" + why);
  for (const auto& [name, value] : spec)
    if (std::ranges::find(kMay, std::string_view(name)) == std::end(kMay))
      return wrong(where + "." + std::string(name) + " is the WorkflowTemplate's to say" + why);
  for (const std::string_view stored : {"storedTemplates", "storedWorkflowTemplateSpec"})
    if (find(object, {"status", stored}))
      return wrong("status." + std::string(stored) + " is the factory's to say" + why);
  return {};
}

std::vector<std::string> ignored(const Json& object) {
  constexpr std::string_view kOfSpec[] = {"archiveLogs",  "artifactGC", "artifactRepositoryRef",
                                          "executor",     "metrics",    "podDisruptionBudget",
                                          "volumeClaimGC"};
  constexpr std::string_view kOfTemplate[] = {"archiveLocation", "executor", "failFast", "metrics"};
  std::vector<std::string> out;
  for (const std::string_view field : kOfSpec)
    if (find(object, {"spec", field})) out.push_back("spec." + std::string(field));
  if (find(object, {"spec", "podGC", "deleteDelayDuration"})) out.push_back("spec.podGC.deleteDelayDuration");
  size_t n = 0;
  for (const Json& t : array_at(object, {"spec", "templates"})) {
    for (const std::string_view field : kOfTemplate)
      if (find(t, {field})) out.push_back("spec.templates[" + std::to_string(n) + "]." + std::string(field));
    ++n;
  }
  return out;
}

}  // namespace ingot::workflow
