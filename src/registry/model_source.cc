#include "registry/model_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "data/manifest.h"

namespace ingot::registry {
namespace {

constexpr size_t kLongestSource = 4'096;
constexpr int kMostDecodings = 5;

std::unexpected<Error> wrong(std::string_view source, std::string_view what) {
  return fail(Reason::Invalid, fmt::format("source: \"{}\" {}\n  register what a run logged: runs:/RUN/PATH",
                                           source.substr(0, 200), what));
}

std::vector<std::string_view> steps_of(std::string_view path) {
  std::vector<std::string_view> steps;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    steps.push_back(path.substr(0, slash));
    path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  }
  return steps;
}

std::string joined(const std::vector<std::string_view>& steps, size_t from) {
  std::string path;
  for (size_t i = from; i < steps.size(); ++i) (path += path.empty() ? "" : "/") += steps[i];
  return path;
}

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Result<std::string> decoded(std::string_view source) {
  std::string text(source);
  for (int i = 0; i < kMostDecodings; ++i) {
    auto once = percent_decode(text, false);
    if (!once) return wrong(source, "has escapes that mean nothing");
    if (*once == text) return text;
    text = std::move(*once);
  }
  return wrong(source, "is escaped again and again");
}

Result<ModelSource> beneath(std::string_view source, ModelSource::Kind kind, std::string_view id,
                            std::string path) {
  if (!is_id(id))
    return wrong(source, kind == ModelSource::Kind::Run ? "names no run" : "names no logged model");
  if (!path.empty())
    if (auto fine = data::check_file_name(path); !fine)
      return wrong(source, "leads elsewhere: " + fine.error().message);
  return ModelSource{kind, std::string(id), std::move(path), {}, {}};
}

Result<ModelSource> of_artifacts(std::string_view source, const std::vector<std::string_view>& steps) {
  // EXPERIMENT/RUN/artifacts/… or EXPERIMENT/models/ID/artifacts/…
  if (steps.size() >= 4 && steps[1] == "models" && steps[3] == "artifacts")
    return beneath(source, ModelSource::Kind::Logged, steps[2], joined(steps, 4));
  if (steps.size() >= 3 && steps[2] == "artifacts")
    return beneath(source, ModelSource::Kind::Run, steps[1], joined(steps, 3));
  return wrong(source, "is not beneath the artifacts of a run");
}

Result<ModelSource> of_models(std::string_view source, std::string_view rest) {
  const std::vector<std::string_view> steps = steps_of(rest);
  if (steps.size() == 1 && steps[0].starts_with("m-"))
    return beneath(source, ModelSource::Kind::Logged, steps[0], "");
  ModelSource version{.kind = ModelSource::Kind::Version, .id = {}, .path = {}, .name = {}, .version = {}};
  if (steps.size() == 1) {
    const size_t at = rest.rfind('@');
    if (at == rest.npos) return wrong(source, "names no version of a model");
    version.name = rest.substr(0, at);
    version.version = rest.substr(at + 1);
  } else if (steps.size() == 2) {
    version.name = steps[0];
    version.version = steps[1];
  }
  if (version.name.empty() || version.version.empty()) return wrong(source, "names no version of a model");
  return version;
}

}  // namespace

Result<ModelSource> parse_model_source(std::string_view source) {
  if (source.size() > kLongestSource) return wrong(source, "is too long");
  auto text = decoded(source);
  if (!text) return fail(text.error());
  const size_t colon = text->find(':');
  if (colon == text->npos) return wrong(source, "is a path of a machine, and the factory reads none");
  const std::string_view scheme = std::string_view(*text).substr(0, colon);
  std::string_view rest = std::string_view(*text).substr(colon + 1);
  if (rest.find_first_of("?#\\") != rest.npos) return wrong(source, "has a query, a fragment or a backslash");
  // "mlflow-artifacts://HOST/…" names a server: there is this one.
  if (scheme == "mlflow-artifacts" && rest.starts_with("//")) {
    const size_t slash = rest.find('/', 2);
    if (slash == rest.npos) return wrong(source, "is not beneath the artifacts of a run");
    rest.remove_prefix(slash);
  }
  while (rest.starts_with('/')) rest.remove_prefix(1);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (scheme == "models") return of_models(source, rest);
  const std::vector<std::string_view> steps = steps_of(rest);
  if (scheme == "mlflow-artifacts") return of_artifacts(source, steps);
  if (scheme == "runs" && !steps.empty())
    return beneath(source, ModelSource::Kind::Run, steps[0], joined(steps, 1));
  return wrong(source, "is not beneath the artifacts of a run");
}

}  // namespace ingot::registry
