#include "node/step.h"

#include <fmt/format.h>

namespace ingot::node {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

Json text(std::string_view t) { return Json(boost::json::string_view(t.data(), t.size())); }

// As a shell's $(…) has it.
std::string_view without_newlines(std::string_view t) {
  while (t.ends_with('\n')) t.remove_suffix(1);
  return t;
}

}  // namespace

std::optional<Step> step_of(const Pod& pod) {
  const std::string_view written = string_at(pod.object, {"metadata", "annotations", kTemplateAnnotation});
  if (written.empty()) return std::nullopt;
  const auto json = api::parse_json(written);
  if (!json) return std::nullopt;
  Step step{.result = api::bool_at(*json, {"result"})};
  if (const Json* http = api::find(*json, {"http"})) {
    step.result = false;
    step.http = *http;
    return step;
  }
  for (const Json& p : api::array_at(*json, {"outputs", "parameters"})) {
    const std::string_view path = string_at(p, {"valueFrom", "path"});
    if (path.empty()) continue;
    Step::Parameter& parameter = step.parameters.emplace_back();
    parameter.name = string_at(p, {"name"});
    parameter.path = path;
    if (const Json* otherwise = api::find(p, {"valueFrom", "default"}))
      parameter.otherwise =
          otherwise->is_string() ? std::string(string_at(*otherwise, {})) : api::to_text(*otherwise);
  }
  for (const Json& a : api::array_at(*json, {"inputs", "artifacts"})) step.brought.push_back(a);
  for (const Json& a : api::array_at(*json, {"outputs", "artifacts"})) step.kept.push_back(a);
  for (const Json& c : api::array_at(*json, {"containers"})) step.containers.emplace_back(string_at(c, {}));
  if (step.containers.empty()) step.containers.emplace_back(kStepContainer);
  if (!step.leaves() && step.brought.empty()) return std::nullopt;
  return step;
}

namespace {

template <class T, class Read>
Result<std::vector<T>> read_all(const std::vector<Json>& entries, std::string_view what, Read read) {
  if (entries.size() > kMaxArtifacts)
    return fail(Reason::Invalid, fmt::format("more than {} {} artifacts", kMaxArtifacts, what));
  std::vector<T> out;
  for (const Json& entry : entries) {
    auto one = read(entry);
    if (!one) return fail(one.error());
    out.push_back(*std::move(one));
  }
  return out;
}

}  // namespace

Result<std::vector<ArtifactIn>> artifacts_in(const Step& step, const PodConfig* config) {
  return read_all<ArtifactIn>(step.brought, "input", [&](const Json& a) { return artifact_in(a, config); });
}

Result<std::vector<ArtifactOut>> artifacts_out(const Step& step) {
  return read_all<ArtifactOut>(step.kept, "output", artifact_out);
}

std::vector<Mount> artifact_mounts(const Step& step, const std::string& directory, const Brought& there) {
  std::vector<Mount> out;
  for (size_t i = 0; i < step.brought.size() && i < there.size(); ++i) {
    if (!there[i]) continue;
    const std::string path = artifact_path(step.brought[i]);
    if (!path.empty()) out.push_back({fmt::format("{}/{}/data", directory, i), path, false});
  }
  return out;
}

std::string outputs_of(const Step& step, const Result<Left>& left) {
  const auto failed = [](const std::string& why) { return api::to_text(JsonObject{{"error", text(why)}}); };
  if (!left) return failed(left.error().message);
  JsonObject out;
  size_t bytes = 0;
  if (step.result) {
    const std::string_view result = without_newlines(left->out);
    bytes += result.size();
    out["result"] = text(result);
  }
  JsonArray parameters;
  for (const Step::Parameter& p : step.parameters) {
    const auto file = left->files.find(p.path);
    std::optional<std::string> value = p.otherwise;
    std::string why = "no such file";
    if (file != left->files.end() && file->second)
      value = *file->second;
    else if (file != left->files.end())
      why = file->second.error().message;
    if (!value) return failed("cannot save parameter " + p.path + ": " + why);
    bytes += value->size();
    parameters.push_back(JsonObject{{"name", text(p.name)}, {"value", text(without_newlines(*value))}});
  }
  std::string missing;
  JsonArray artifacts;
  const auto asked = artifacts_out(step);
  if (!asked) missing = asked.error().message;
  for (const ArtifactOut& a : asked ? *asked : std::vector<ArtifactOut>{}) {
    const auto kept = left->artifacts.find(a.name);
    if (kept != left->artifacts.end() && kept->second) {
      artifacts.push_back(kept_json(a, *kept->second));
      continue;
    }
    const bool nothing = kept == left->artifacts.end() || kept->second.error().reason == Reason::NotFound;
    if (nothing && a.optional) continue;
    if (missing.empty())
      missing = fmt::format("cannot save artifact {} from {}: {}", a.name, a.path,
                            nothing ? "no such file or directory" : kept->second.error().message);
  }
  if (!artifacts.empty()) out["artifacts"] = std::move(artifacts);
  if (!missing.empty()) out["error"] = text(missing);
  if (bytes > kMaxOutputs)
    return failed("the outputs are larger than " + std::to_string(kMaxOutputs / 1024) +
                  " KiB: use an artifact");
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  return api::to_text(out);
}

}  // namespace ingot::node
