#include "registry/lineage_names.h"

#include <fmt/format.h>

#include "base/digest.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::string_at;
using Names = std::vector<std::string>;

constexpr std::string_view kDataDependency = "data set version ", kImageDependency = "image of container ";

void add(Names& to, std::string_view value, std::string (*name)(std::string_view)) {
  if (!value.empty()) to.push_back(name(value));
}
void add_commit(Names& to, std::string_view commit) {
  add(to, commit, commit_node);
  if (commit.size() >= kShortCommit) to.push_back(short_commit(commit));
}
void add_images(Names& to, const Json& images) {
  for (const Json& image : api::array_at(images, {"images"}))
    add(to, string_at(image, {"digest"}), image_node);
}

Names in_version(const Json& row) {
  Names names{version_node(string_at(row, {"model"}), api::int_at(row, {"version"}).value_or(0))};
  if (string_at(row, {"type"}) == "version.registered") {
    names.push_back(model_name(string_at(row, {"model"})));
    if (const Json* made = api::find(row, {"provenanceOf"})) {
      add(names, made_by(*made), run_node);
      add_commit(names, string_at(*made, {"commit"}));
    }
    return names;
  }
  const Json* build = api::find(row, {"build"});
  if (!build) return names;
  if (const Json* made = api::find(*build, {"internalParameters"})) add(names, made_by(*made), run_node);
  for (const Json& resolved : api::array_at(*build, {"resolvedDependencies"})) {
    const Dependency of = dependency_of(resolved);
    if (of.kind == Dependency::Kind::Data) add(names, of.digest, data_node);
    if (of.kind == Dependency::Kind::Image) add(names, of.digest, image_node);
    if (of.kind == Dependency::Kind::Commit) add_commit(names, of.digest);
  }
  return names;
}

Names in_alias(const Json& row) {
  Names names;
  for (const std::string_view field : {"from", "to"})
    if (const auto number = api::int_at(row, {field}))
      names.push_back(version_node(string_at(row, {"model"}), *number));
  return names;
}

Names in_run(const Json& row) {
  Names names{run_node(string_at(row, {"run", "uid"})),
              run_name(string_at(row, {"namespace"}), string_at(row, {"run", "name"}))};
  if (const std::string_view job = string_at(row, {"job"}); !job.empty())
    names.push_back(run_name(string_at(row, {"namespace"}), job));
  add_commit(names, string_at(row, {"commit"}));
  add_images(names, row);
  for (const Json& pod : api::array_at(row, {"pods"})) add_images(names, pod);
  for (const Json& data : api::array_at(row, {"datasets"})) {
    const std::string_view manifest = string_at(data, {"manifest"});
    names.push_back(manifest.empty()
                        ? unknown_data_node(string_at(row, {"namespace"}), string_at(data, {"name"}))
                        : data_node(manifest));
  }
  return names;
}

Names in_data(const Json& row) {
  const std::string_view ns = string_at(row, {"namespace"});
  Names names{data_name(ns, string_at(row, {"name"}))};
  add(names, string_at(row, {"manifest"}), data_made);
  if (const std::string_view run = source_run(string_at(row, {"source"})); !run.empty())
    names.push_back(data_source(ns, run));
  return names;
}

}  // namespace

std::string version_node(std::string_view model, int64_t number) {
  return fmt::format("version/{}@{}", model, number);
}
std::string run_node(std::string_view uid) { return fmt::format("run/{}", uid); }
std::string data_node(std::string_view manifest) { return fmt::format("data/{}", manifest); }
std::string unknown_data_node(std::string_view ns, std::string_view name) {
  return fmt::format("data/{}/{}", ns, name);
}
std::string commit_node(std::string_view commit) { return fmt::format("commit/{}", commit); }
std::string image_node(std::string_view digest) { return fmt::format("image/{}", digest); }

std::string_view kind_of(std::string_view node) { return node.substr(0, node.find('/')); }
std::string_view name_of(std::string_view node) {
  const size_t slash = node.find('/');
  return slash == node.npos ? std::string_view() : node.substr(slash + 1);
}

std::string model_name(std::string_view model) { return fmt::format("model-of/{}", model); }
std::string run_name(std::string_view ns, std::string_view name) {
  return fmt::format("run-called/{}/{}", ns, name);
}
std::string data_name(std::string_view ns, std::string_view name) {
  return fmt::format("data-called/{}/{}", ns, name);
}
std::string data_made(std::string_view manifest) { return fmt::format("data-made/{}", manifest); }
std::string data_source(std::string_view ns, std::string_view run) {
  return fmt::format("data-from/{}/{}", ns, run);
}
std::string short_commit(std::string_view commit) {
  return fmt::format("commit-like/{}", commit.substr(0, kShortCommit));
}
std::string pod_name(std::string_view uid) { return fmt::format("held/{}", uid); }
std::string judged_name(std::string_view uid) { return fmt::format("judged/{}", uid); }

std::string_view stream_of(std::string_view name) {
  const std::string_view kind = kind_of(name);
  return kind == "held" ? kLedgerRows : kind == "judged" ? kVerdictRows : kLineageRows;
}

std::string_view source_run(std::string_view source) {
  constexpr std::string_view kRun = "run:";
  if (!source.starts_with(kRun)) return {};
  source.remove_prefix(kRun.size());
  return source.substr(0, source.find_first_of("/:"));
}

std::string_view made_by(const Json& made) {
  const std::string_view workflow = string_at(made, {"workflowUid"});
  return workflow.empty() ? string_at(made, {"podUid"}) : workflow;
}

Dependency dependency_of(const Json& resolved) {
  Dependency of{.name = std::string(string_at(resolved, {"name"})),
                .uri = std::string(string_at(resolved, {"uri"}))};
  if (const std::string_view commit = string_at(resolved, {"digest", "gitCommit"}); !commit.empty()) {
    of.kind = Dependency::Kind::Commit;
    of.digest = commit;
    return of;
  }
  const std::string_view digest = string_at(resolved, {"digest", "sha256"});
  if (digest.empty()) return of;
  of.digest = std::string(Digest::kPrefix) + std::string(digest);
  for (const auto& [prefix, kind] : {std::pair(kDataDependency, Dependency::Kind::Data),
                                     std::pair(kImageDependency, Dependency::Kind::Image)})
    if (of.name.starts_with(prefix)) {
      of.kind = kind;
      of.name.erase(0, prefix.size());
      break;
    }
  return of;
}

Names names_in(std::string_view stream, const Json& row) {
  if (stream == kLedgerRows) {
    const std::string_view pod = string_at(row, {"podUID"});
    return pod.empty() ? Names() : Names{pod_name(pod)};
  }
  if (stream == kVerdictRows) {  // of a pod, a Workflow or a version
    Names names;
    for (const std::string_view field : {"uid", "workflowUid"})
      add(names, string_at(row, {field}), judged_name);
    return names;
  }
  const std::string_view type = string_at(row, {"type"});
  if (type.starts_with("version.")) return in_version(row);
  if (type.starts_with("alias.")) return in_alias(row);
  if (type.starts_with("run.")) return in_run(row);
  if (type.starts_with("data.")) return in_data(row);
  return {};
}

}  // namespace ingot::registry
