#include "workflow/resource.h"

#include <algorithm>

#include "api/parse.h"
#include "api/selector.h"
#include "expr/jsonpath.h"
#include "workflow/pod.h"
#include "workflow/resource_flags.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::find;
using api::set;
using api::string_at;

namespace {

constexpr std::string_view kActions[] = {"get", "create", "apply", "patch", "replace", "delete"};
constexpr std::pair<std::string_view, std::string_view> kPatches[] = {
    {"", "application/strategic-merge-patch+json"},
    {"strategic", "application/strategic-merge-patch+json"},
    {"merge", "application/merge-patch+json"},
    {"json", "application/json-patch+json"},
};
constexpr std::string_view kUidAnnotation = "workflows.argoproj.io/workflow-uid";
constexpr size_t kMostLeaves = 10'000;

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }
bool tagged(std::string_view text) { return text.find("{{") != text.npos; }

// What may stand in a path as it is.
bool plain_segment(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text != "." && text != ".." &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '.' || c == '_' || c == ':';
         });
}

void flatten(const Json& json, const std::string& path, JsonObject& out) {
  if (out.size() >= kMostLeaves) return;
  const auto below = [&](std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  };
  if (json.is_object())
    for (const auto& [name, value] : json.get_object()) flatten(value, below(name), out);
  else if (json.is_array())
    for (size_t i = 0; i < json.get_array().size(); ++i)
      flatten(json.get_array()[i], below(std::to_string(i)), out);
  else if (!json.is_null())
    out[path] = text_json(text_of(json));
}

// The paths that a condition names.
std::vector<std::string> paths_of(std::string_view condition) {
  std::vector<std::string> out;
  int depth = 0;
  bool in_path = true;
  std::string path;
  for (const char c : std::string(condition) + ",") {
    depth += (c == '(') - (c == ')');
    if (c == ',' && depth == 0) {
      if (!path.empty()) out.push_back(std::exchange(path, ""));
      in_path = true;
    } else if (std::string_view(" !").find(c) != std::string_view::npos && path.empty()) {
      continue;
    } else if (std::string_view(" =!<>").find(c) != std::string_view::npos) {
      in_path = false;
    } else if (in_path) {
      path += c;
    }
  }
  return out;
}

void own(Json& manifest, const Facts& facts) {
  JsonArray owners = array_at(manifest, {"metadata", "ownerReferences"});
  owners.push_back(JsonObject{{"apiVersion", "argoproj.io/v1alpha1"},
                              {"kind", "Workflow"},
                              {"name", text_json(facts.name)},
                              {"uid", text_json(facts.uid)}});
  set(manifest, {"metadata", "ownerReferences"}, std::move(owners));
}

}  // namespace

Or<void> check_resource(const Json& body) {
  const Json* r = find(body, {"resource"});
  if (find(*r, {"manifestFrom"})) return wrong("resource.manifestFrom is not implemented");
  const JsonArray& flags = array_at(*r, {"flags"});
  const bool later = std::ranges::any_of(flags, [](const Json& f) { return tagged(string_at(f, {})); });
  const Or<ResourceFlags> told = later ? Or<ResourceFlags>(ResourceFlags{}) : read_flags(flags);
  if (!told) return wrong(told.error());
  const std::string_view action = string_at(*r, {"action"});
  if (!tagged(action) && std::ranges::find(kActions, action) == std::end(kActions))
    return wrong("resource.action '" + std::string(action) +
                 "' is none of get, create, apply, patch, replace, delete");
  const bool named = later || !told->type.empty();
  if (!told->selector.empty() && action != "delete" && !tagged(action))
    return wrong("resource.flags: --selector is of delete");
  if (named && (action == "create" || action == "apply" || action == "replace"))
    return wrong("resource.flags: of " + std::string(action) + " the manifest names the object");
  if (string_at(*r, {"manifest"}).empty() && !(named && (action == "get" || action == "delete")))
    return wrong("resource.manifest is required");
  if (action == "patch" && string_at(*r, {"mergeStrategy"}) == "json" && !named)
    return wrong("resource.mergeStrategy json: flags name what it changes, as [configmap, NAME]");
  if (const std::string_view merge = string_at(*r, {"mergeStrategy"});
      !tagged(merge) &&
      std::ranges::find(kPatches, merge, &std::pair<std::string_view, std::string_view>::first) ==
          std::end(kPatches))
    return wrong("resource.mergeStrategy '" + std::string(merge) + "' is none of strategic, merge, json");
  for (const std::string_view field : {"successCondition", "failureCondition"})
    if (const std::string_view text = string_at(*r, {field}); !tagged(text))
      if (const auto read = api::LabelSelector::parse(text); !read)
        return wrong("resource." + std::string(field) + ": " + read.error().message);
  for (const Json& p : array_at(body, {"outputs", "parameters"})) {
    const std::string at = "outputs.parameters." + std::string(string_at(p, {"name"})) + ".valueFrom.";
    if (find(p, {"valueFrom", "jqFilter"})) return wrong(at + "jqFilter is not implemented: jsonPath is");
    if (const std::string_view path = string_at(p, {"valueFrom", "jsonPath"}); !path.empty() && !tagged(path))
      if (const auto read = expr::JsonPath::compile(path); !read)
        return wrong(at + "jsonPath: " + read.error());
  }
  return {};
}

Or<ResourcePlan> plan_resource(const Json& filled, const Facts& facts, const Node& node) {
  if (const auto good = check_resource(filled); !good) return wrong(good.error());
  const Json& r = *find(filled, {"resource"});
  const Or<ResourceFlags> flags = read_flags(array_at(r, {"flags"}));
  if (!flags) return wrong(flags.error());
  const std::string_view text = string_at(r, {"manifest"});
  const auto parsed = api::parse_body_yaml(text.empty() ? std::string_view("{}") : text);
  if (!parsed) return wrong("resource.manifest: " + parsed.error().message);
  ResourcePlan out{.action = std::string(string_at(r, {"action"})),
                   .ns = flags->ns,
                   .name = flags->name,
                   .type = flags->type,
                   .subresource = flags->subresource,
                   .query = flags->query,
                   .selector = flags->selector,
                   .manifest = parsed->value,
                   .success = std::string(string_at(r, {"successCondition"})),
                   .failure = std::string(string_at(r, {"failureCondition"}))};
  const std::string_view merge = string_at(r, {"mergeStrategy"});
  for (const auto& [name, type] : kPatches)
    if (name == merge) out.patch_type = type;
  Json& m = out.manifest;
  if (!out.subresource.empty() && (out.action != "patch" || !plain_segment(out.subresource)))
    return wrong("resource.flags: --subresource is of patch");
  if (!out.type.empty()) {
    if (out.ns.empty()) out.ns = facts.ns;
    if (out.selector.empty() && !plain_segment(out.name))
      return wrong("resource.flags: \"" + out.name.substr(0, 100) + "\" is no name");
    if (!plain_segment(out.ns)) return wrong("resource.flags: --namespace is no name");
    if (out.action == "patch" && merge == "json" && !m.is_array())
      return wrong("resource.manifest: a JSON patch is a list of operations");
    return out;
  }
  if (!m.is_object()) return wrong("resource.manifest is no object");
  out.api_version = string_at(m, {"apiVersion"});
  out.kind = string_at(m, {"kind"});
  if (out.ns.empty()) out.ns = string_at(m, {"metadata", "namespace"});
  if (out.ns.empty()) out.ns = facts.ns;
  out.name = string_at(m, {"metadata", "name"});
  if (const std::string_view generate = string_at(m, {"metadata", "generateName"});
      out.name.empty() && !generate.empty() && out.action == "create")
    out.name = std::string(generate.substr(0, 200)) + node.id.substr(node.id.rfind('-') + 1);
  if (out.api_version.empty() || out.kind.empty() || out.name.empty())
    return wrong("resource.manifest: apiVersion, kind and metadata.name are required");
  if (!plain_segment(out.name)) return wrong("resource.manifest: metadata.name is no name");
  if (!plain_segment(out.ns)) return wrong("resource.manifest: metadata.namespace is no name");
  if (out.action == "patch" && merge == "json")
    return wrong("resource.mergeStrategy json: flags name what it changes, as [configmap, NAME]");
  if (out.action != "create" && out.action != "apply" && out.action != "replace") return out;
  set(m, {"metadata", "name"}, out.name);
  api::erase(m, {"metadata", "generateName"});
  if (api::bool_at(r, {"setOwnerReference"})) own(m, facts);
  if (out.action != "create") return out;
  set(m, {"metadata", "annotations", kNodeIdAnnotation}, node.id);
  set(m, {"metadata", "annotations", kUidAnnotation}, facts.uid);
  return out;
}

bool made_by(const Json& object, const Facts& facts, const Node& node) {
  return !facts.uid.empty() && string_at(object, {"metadata", "annotations", kNodeIdAnnotation}) == node.id &&
         string_at(object, {"metadata", "annotations", kUidAnnotation}) == facts.uid;
}

Or<bool> condition_holds(std::string_view condition, const Json& object) {
  const auto selector = api::LabelSelector::parse(condition);
  if (!selector) return wrong(selector.error().message);
  JsonObject leaves;
  flatten(object, "", leaves);
  for (const std::string& path : paths_of(condition))
    if (!leaves.contains(path)) return false;
  return selector->matches(leaves);
}

Or<std::optional<bool>> judge(const ResourcePlan& plan, const Json& object) {
  if (plan.failure.empty() && plan.success.empty()) return true;
  if (!plan.failure.empty()) {
    const Or<bool> failed = condition_holds(plan.failure, object);
    if (!failed) return wrong("resource.failureCondition: " + failed.error());
    if (*failed) return false;
  }
  if (plan.success.empty()) return std::nullopt;
  const Or<bool> good = condition_holds(plan.success, object);
  if (!good) return wrong("resource.successCondition: " + good.error());
  return *good ? std::optional(true) : std::nullopt;
}

Or<Values> resource_outputs(const Json& filled, const Json& object) {
  JsonArray parameters;
  for (const Json& p : array_at(filled, {"outputs", "parameters"})) {
    const std::string name(string_at(p, {"name"}));
    const std::string_view path = string_at(p, {"valueFrom", "jsonPath"});
    std::optional<std::string> value;
    std::string why = "valueFrom.jsonPath is required";
    if (!path.empty()) {
      const auto read = expr::JsonPath::compile(path);
      int64_t left = kFillSteps;
      const auto text =
          read ? read->text(object, left, false) : expr::Maybe<std::string>(std::unexpected(read.error()));
      if (text)
        value = *text;
      else
        why = text.error();
    }
    if (!value)
      if (const Json* otherwise = find(p, {"valueFrom", "default"})) value = text_of(*otherwise);
    if (!value) return wrong("outputs.parameters." + name + ": " + why);
    parameters.push_back(JsonObject{{"name", text_json(name)}, {"value", text_json(*value)}});
  }
  if (parameters.empty()) return nullptr;
  return std::make_shared<const Json>(JsonObject{{"parameters", std::move(parameters)}});
}

}  // namespace ingot::workflow
