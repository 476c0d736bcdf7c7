#include "git/start.h"

#include <algorithm>

#include "api/parse.h"
#include "api/reserved.h"
#include "base/encoding.h"

namespace ingot::git {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kCommitShown = 12, kBranchShown = 6;
constexpr size_t kMostPathText = 64 * 1024;
constexpr std::string_view kSource = "source";

std::unexpected<Error> refuse(std::string field, std::string why) {
  Error error{.reason = Reason::Invalid, .message = field + ": " + why};
  error.causes.push_back({"FieldValueForbidden", std::move(field), std::move(why)});
  return fail(std::move(error));
}

// The text of a podSpecPatch, which may not bring an account of its own.
Result<void> check_patch(const Json& patch, const std::string& field) {
  if (!patch.is_string()) return {};
  const std::string_view text{patch.get_string().data(), patch.get_string().size()};
  if (text.find("{{") != text.npos)
    return refuse(field, "a pipeline of a repository patches pods with a fixed text only");
  const auto parsed = api::parse_body_yaml(text);
  if (!parsed || !parsed->value.is_object()) return {};  // no patch at all, and refused where it is read
  for (const std::string_view name : {"serviceAccountName", "serviceAccount"})
    if (parsed->value.get_object().contains(name))
      return refuse(field + "." + std::string(name),
                    "the account is the repository's: set its spec.serviceAccountName");
  return {};
}

// Accounts anywhere in the spec: templates, their inline ones, executor.
Result<void> check_accounts(const Json& value, const std::string& field, std::string_view account) {
  if (value.is_array()) {
    const JsonArray& list = value.get_array();
    for (size_t i = 0; i < list.size(); ++i)
      if (auto good = check_accounts(list[i], field + "[" + std::to_string(i) + "]", account); !good)
        return good;
  }
  if (!value.is_object()) return {};
  for (const auto& [key, member] : value.get_object()) {
    const std::string path = field + "." + std::string(key.data(), key.size());
    if (key == "podSpecPatch") {
      if (auto good = check_patch(member, path); !good) return good;
    } else if (key == "serviceAccountName" && string_at(member, {}) != account) {
      return refuse(path, "a pipeline of this repository runs as \"" + std::string(account) +
                              "\": leave it out, or change spec.serviceAccountName of the Repository");
    } else if (auto good = check_accounts(member, path, account); !good) {
      return good;
    }
  }
  return {};
}

std::string paths_text(const std::vector<std::string>& paths) {
  JsonArray list;
  size_t bytes = 0;
  for (const std::string& path : paths) {
    bytes += path.size() + 3;
    if (bytes > kMostPathText) break;
    list.emplace_back(path);
  }
  return api::to_text(Json(std::move(list)));
}

Json* named(JsonArray& list, std::string_view name) {
  const auto found =
      std::ranges::find_if(list, [&](const Json& one) { return string_at(one, {"name"}) == name; });
  return found == list.end() ? nullptr : &*found;
}

JsonArray& arguments(Json& workflow, std::string_view kind) {
  if (const Json* list = api::find(workflow, {"spec", "arguments", kind}); !list || !list->is_array())
    api::set(workflow, {"spec", "arguments", kind}, JsonArray{});
  return workflow.get_object()["spec"].get_object()["arguments"].get_object()[kind].get_array();
}

void set_parameter(Json& workflow, std::string_view name, std::string value) {
  JsonArray& list = arguments(workflow, "parameters");
  Json* known = named(list, name);
  Json* entry = known ? known : &list.emplace_back(JsonObject{{"name", name}});
  api::erase(*entry, {"valueFrom"});
  api::set(*entry, {"value"}, value);
}

const Json* entrypoint_of(const Json& workflow) {
  const std::string_view name = string_at(workflow, {"spec", "entrypoint"});
  for (const Json& one : api::array_at(workflow, {"spec", "templates"}))
    if (string_at(one, {"name"}) == name) return &one;
  return nullptr;
}

bool declares_source(const JsonArray& list) {
  return std::ranges::any_of(list, [](const Json& one) { return string_at(one, {"name"}) == kSource; });
}

}  // namespace

std::string run_name(const Push& push) {
  const std::string rest = hex(sha256(push.uid + "\n" + push.branch));
  return push.repository + "-" + push.commit.substr(0, kCommitShown) + "-" + rest.substr(0, kBranchShown);
}

bool wants_source(const Json& workflow) {
  if (declares_source(api::array_at(workflow, {"spec", "arguments", "artifacts"}))) return true;
  const Json* entry = entrypoint_of(workflow);
  return entry && declares_source(api::array_at(*entry, {"inputs", "artifacts"}));
}

Result<Json> make_run(Json workflow, const Push& push, const Digest* source) {
  if (!workflow.is_object()) return refuse("spec", "a pipeline is a Workflow");
  if (const Json* spec = api::find(workflow, {"spec"}))
    if (auto good = check_accounts(*spec, "spec", push.service_account); !good) return fail(good.error());
  api::set(workflow, {"spec", "serviceAccountName"}, push.service_account);
  JsonObject metadata{{"name", run_name(push)}};
  for (const std::string_view kept : {"labels", "annotations"})
    if (const Json* map = api::find(workflow, {"metadata", kept})) metadata[kept] = *map;
  workflow.get_object()["metadata"] = std::move(metadata);
  api::set(workflow, {"metadata", "labels", api::kRepositoryLabel}, push.repository);
  api::set(workflow, {"metadata", "labels", api::kCommitLabel}, push.commit);
  api::set(workflow, {"metadata", "annotations", kBranchAnnotation}, push.branch);
  api::set(workflow, {"metadata", "annotations", api::kUrlAnnotation}, push.url);
  set_parameter(workflow, "repository", push.repository);
  set_parameter(workflow, "branch", push.branch);
  set_parameter(workflow, "ref", "refs/heads/" + push.branch);
  set_parameter(workflow, "commit", push.commit);
  set_parameter(workflow, "before", push.before);
  set_parameter(workflow, "changed-paths", paths_text(push.paths));
  if (!source) return workflow;
  JsonArray& artifacts = arguments(workflow, "artifacts");
  Json given = JsonObject{{"name", kSource}, {"s3", JsonObject{{"key", "sha256/" + source->hex()}}}};
  if (Json* known = named(artifacts, kSource))
    *known = std::move(given);
  else
    artifacts.push_back(std::move(given));
  return workflow;
}

}  // namespace ingot::git
