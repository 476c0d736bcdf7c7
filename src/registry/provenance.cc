#include "registry/provenance.h"

#include <fmt/format.h>

#include "api/reserved.h"
#include "registry/statement.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kMostSubjects = 1'000;  // cosign reads 1,024

void keep(JsonObject& to, std::string_view name, std::string_view value) {
  if (!value.empty()) to[name] = value;
}
void keep(JsonObject& to, std::string_view name, JsonObject value) {
  if (!value.empty()) to[name] = std::move(value);
}
void keep(JsonObject& to, std::string_view name, JsonArray value) {
  if (!value.empty()) to[name] = std::move(value);
}

std::string_view first(std::string_view a, std::string_view b) { return a.empty() ? b : a; }

JsonObject parameters_of(const Json& of, std::initializer_list<std::string_view> path) {
  JsonObject all;
  for (const Json& p : api::array_at(of, path))
    if (const Json* value = api::find(p, {"value"})) all[string_at(p, {"name"})] = *value;
  return all;
}

JsonArray subjects_of(std::string_view name, const Digest& manifest, const data::Manifest& files) {
  const auto subject = [](std::string_view of, const Digest& digest) {
    return JsonObject{{"name", of}, {"digest", JsonObject{{"sha256", digest.hex()}}}};
  };
  JsonArray all{subject(fmt::format("{}.manifest.json", name), manifest)};
  if (files.files.size() < kMostSubjects)
    for (const data::ManifestFile& file : files.files) all.push_back(subject(file.name, file.digest));
  return all;
}

std::string_view commit_of(const Json& version, const Made& made) {
  return first(string_at(version, {"spec", "provenanceOf", "commit"}),
               string_at(made.workflow, {"metadata", "labels", api::kCommitLabel}));
}

// The images of the pod's containers, by what ran.
void images(const Json& pod, JsonArray& to) {
  for (const std::string_view list : {"initContainerStatuses", "containerStatuses"})
    for (const Json& status : api::array_at(pod, {"status", list})) {
      std::string_view id = string_at(status, {"imageID"});
      if (const size_t at = id.find("sha256:"); at != id.npos) id.remove_prefix(at);
      const auto digest = Digest::parse(id);
      JsonObject image{{"name", fmt::format("image of container {}", string_at(status, {"name"}))},
                       {"uri", string_at(status, {"image"})}};
      if (digest) image["digest"] = JsonObject{{"sha256", digest->hex()}};
      to.push_back(std::move(image));
    }
}

JsonArray dependencies(const Json& version, const Made& made) {
  JsonArray all;
  if (const std::string_view commit = commit_of(version, made); !commit.empty()) {
    JsonObject source{{"name", "source"}, {"digest", JsonObject{{"gitCommit", commit}}}};
    keep(source, "uri",
         first(string_at(made.workflow, {"metadata", "annotations", api::kUrlAnnotation}),
               string_at(version, {"spec", "provenanceOf", "repository"})));
    all.push_back(std::move(source));
  }
  for (const auto& [name, digest] : made.datasets)
    all.push_back(JsonObject{{"name", fmt::format("data set version {}", name)},
                             {"digest", JsonObject{{"sha256", digest.hex()}}}});
  images(made.pod, all);
  return all;
}

JsonArray devices(const Made& made) {
  JsonArray all;
  const bool simulated = string_at(made.allocation, {"metadata", "labels", "ingot.dev/simulated"}) == "true";
  for (const Json& device : api::array_at(made.allocation, {"spec", "devices"})) {
    JsonObject one{{"uuid", string_at(device, {"uuid"})}};
    keep(one, "model", string_at(device, {"model"}));
    keep(one, "profile", string_at(device, {"profile"}));
    if (simulated) one["simulated"] = true;
    all.push_back(std::move(one));
  }
  for (const Json& row : made.held) {
    if (string_at(row, {"device"}) == "cpu") continue;
    JsonObject one{{"uuid", string_at(row, {"device"})}};
    keep(one, "model", string_at(row, {"model"}));
    keep(one, "part", string_at(row, {"part"}));
    if (api::bool_at(row, {"simulated"})) one["simulated"] = true;
    all.push_back(std::move(one));
  }
  return all;
}

JsonObject seen(const Json& version, const Made& made) {
  const auto said = [&](std::string_view field) {
    return string_at(version, {"spec", "provenanceOf", field});
  };
  JsonObject all;
  keep(all, "run", string_at(version, {"spec", "runId"}));
  keep(all, "namespace", said("namespace"));
  keep(all, "pod", said("pod"));
  keep(all, "podUid", said("podUid"));
  keep(all, "workflow", said("workflow"));
  keep(all, "workflowUid", said("workflowUid"));
  keep(all, "workflowNode", said("node"));
  std::string_view node =
      first(string_at(made.allocation, {"spec", "node"}), string_at(made.pod, {"spec", "nodeName"}));
  if (node.empty() && !made.held.empty()) node = string_at(made.held.front(), {"node"});
  keep(all, "node", node);
  keep(all, "gpus", devices(made));
  return all;
}

JsonObject said(const Json& version, const Made& made) {
  JsonObject all;
  keep(all, "parameters", JsonObject(api::object_at(version, {"spec", "provenanceOf", "parameters"})));
  keep(all, "metrics", JsonObject(api::object_at(version, {"spec", "provenanceOf", "metrics"})));
  keep(all, "datasets", JsonArray(api::array_at(version, {"spec", "provenanceOf", "datasets"})));
  keep(all, "workflowParameters", parameters_of(made.workflow, {"spec", "arguments", "parameters"}));
  keep(all, "stepParameters", parameters_of(made.node, {"inputs", "parameters"}));
  keep(all, "template",
       first(string_at(made.node, {"templateName"}),
             string_at(made.workflow, {"spec", "workflowTemplateRef", "name"})));
  keep(all, "repository",
       first(string_at(version, {"spec", "provenanceOf", "repository"}),
             string_at(made.workflow, {"metadata", "labels", api::kRepositoryLabel})));
  keep(all, "source", string_at(version, {"spec", "source"}));
  return all;
}

}  // namespace

std::string to_provenance(const Json& version, const Made& made, const data::Manifest& files,
                          const Digest& manifest, const std::string& factory) {
  const std::string_view name = string_at(version, {"metadata", "name"});
  JsonObject metadata{{"invocationId", string_at(version, {"metadata", "uid"})}};
  keep(metadata, "startedOn", string_at(version, {"spec", "provenanceOf", "started"}));
  keep(metadata, "finishedOn", string_at(version, {"metadata", "creationTimestamp"}));
  return api::to_text(JsonObject{
      {"_type", kStatementType},
      {"subject", subjects_of(name, manifest, files)},
      {"predicateType", kProvenancePredicate},
      {"predicate",
       JsonObject{{"buildDefinition", JsonObject{{"buildType", kRunBuild},
                                                 {"externalParameters", said(version, made)},
                                                 {"internalParameters", seen(version, made)},
                                                 {"resolvedDependencies", dependencies(version, made)}}},
                  {"runDetails", JsonObject{{"builder", JsonObject{{"id", factory}}},
                                            {"metadata", std::move(metadata)}}}}}});
}

}  // namespace ingot::registry
