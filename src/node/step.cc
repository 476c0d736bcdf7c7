#include "node/step.h"

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
  if (!step.result && step.parameters.empty()) return std::nullopt;
  return step;
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
  if (bytes > kMaxOutputs)
    return failed("the outputs are larger than " + std::to_string(kMaxOutputs / 1024) +
                  " KiB: use an artifact");
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  return api::to_text(out);
}

}  // namespace ingot::node
