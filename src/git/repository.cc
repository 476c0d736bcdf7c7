#include "git/repository.h"

#include <algorithm>

#include "base/encoding.h"

namespace ingot::git {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr Duration kInterval = std::chrono::minutes(1);
constexpr size_t kLongestMessage = 1'024, kLongestOfBranch = 256;

std::string text(const Json& json, std::initializer_list<std::string_view> path) {
  return std::string(string_at(json, path));
}
std::vector<std::string> texts(const Json& json, std::initializer_list<std::string_view> path) {
  std::vector<std::string> out;
  for (const Json& one : api::array_at(json, path)) out.emplace_back(string_at(one, {}));
  return out;
}

std::string cut(std::string_view message, size_t most = kLongestMessage) {
  std::string out(message.substr(0, most));
  // Not within a character.
  while (out.size() < message.size() && !out.empty() && (message[out.size()] & 0xc0) == 0x80) out.pop_back();
  return out;
}

JsonArray branches_json(const std::map<std::string, Branch>& branches) {
  JsonArray list;
  for (const auto& [name, branch] : branches) {
    JsonObject one{{"name", name}, {"commit", branch.commit}};
    if (!branch.workflow.empty()) one["workflow"] = branch.workflow;
    if (!branch.message.empty()) one["message"] = cut(branch.message, kLongestOfBranch);
    if (branch.seen) one["seen"] = to_rfc3339(*branch.seen);
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

Repository read_repository(const Json& object) {
  return {.name = text(object, {"metadata", "name"}),
          .uid = text(object, {"metadata", "uid"}),
          .url = text(object, {"spec", "url"}),
          .branches = texts(object, {"spec", "branches"}),
          .paths = texts(object, {"spec", "paths"}),
          .signers = texts(object, {"spec", "allowedSigners"}),
          .pipeline = text(object, {"spec", "pipeline"}),
          .service_account = text(object, {"spec", "serviceAccountName"}),
          .secret = text(object, {"spec", "secretRef", "name"}),
          .asked = text(object, {"metadata", "annotations", kSyncAnnotation}),
          .generation = api::int_at(object, {"metadata", "generation"}).value_or(0),
          .interval = parse_duration(string_at(object, {"spec", "interval"})).value_or(kInterval),
          .suspended = api::bool_at(object, {"spec", "suspend"}),
          .signed_only = api::bool_at(object, {"spec", "requireSignedCommits"})};
}

RepositoryState read_state(const Json& object) {
  RepositoryState state{.url = text(object, {"status", "url"}),
                        .head = text(object, {"status", "remoteHead"}),
                        .synced_for = text(object, {"status", "syncedFor"}),
                        .synced = parse_rfc3339(string_at(object, {"status", "lastSync"}))};
  for (const Json& one : api::array_at(object, {"status", "branches"}))
    state.branches[text(one, {"name"})] = {.commit = text(one, {"commit"}),
                                           .workflow = text(one, {"workflow"}),
                                           .message = text(one, {"message"}),
                                           .seen = parse_rfc3339(string_at(one, {"seen"}))};
  for (const Json& one : api::array_at(object, {"status", "unreported"}))
    state.unreported.push_back({text(one, {"workflow"}), text(one, {"branch"}), text(one, {"commit"})});
  return state;
}

bool speaks_for(const RepositoryState& state, std::string_view workflow, std::string_view commit) {
  return std::ranges::any_of(
             state.branches,
             [&](const auto& b) { return b.second.workflow == workflow && b.second.commit == commit; }) ||
         std::ranges::any_of(state.unreported,
                             [&](const Started& s) { return s.workflow == workflow && s.commit == commit; });
}

bool write_state(Json& object, const RepositoryState& state, const std::optional<Started>& newest,
                 WallTime now) {
  const Json* was = api::find(object, {"status"});
  const Json before = was ? *was : Json(JsonObject{});
  api::set(object, {"status", "url"}, state.url);
  api::set(object, {"status", "remoteHead"}, state.head);
  if (!state.synced_for.empty()) api::set(object, {"status", "syncedFor"}, state.synced_for);
  api::set(object, {"status", "branches"}, branches_json(state.branches));
  JsonArray unreported;
  const size_t skip = state.unreported.size() - std::min(state.unreported.size(), kMostUnreported);
  for (size_t i = skip; i < state.unreported.size(); ++i)
    unreported.push_back(JsonObject{{"workflow", state.unreported[i].workflow},
                                    {"branch", state.unreported[i].branch},
                                    {"commit", state.unreported[i].commit}});
  if (unreported.empty())
    api::erase(object, {"status", "unreported"});
  else
    api::set(object, {"status", "unreported"}, std::move(unreported));
  api::set(object, {"status", "observedGeneration"},
           api::int_at(object, {"metadata", "generation"}).value_or(0));
  if (state.synced) api::set(object, {"status", "lastSync"}, to_rfc3339(*state.synced));
  if (newest)
    api::set(object, {"status", "lastRun"},
             JsonObject{{"workflow", newest->workflow},
                        {"branch", newest->branch},
                        {"commit", newest->commit},
                        {"started", to_rfc3339(now)}});
  return !api::same(before, *api::find(object, {"status"}));
}

bool write_condition(Json& object, std::string_view type, bool good, std::string_view reason,
                     std::string_view message, WallTime now) {
  const Json* was = api::find(object, {"status"});
  const Json before = was ? *was : Json(JsonObject{});
  JsonArray conditions = api::array_at(object, {"status", "conditions"});
  const auto known =
      std::ranges::find_if(conditions, [&](const Json& c) { return string_at(c, {"type"}) == type; });
  const std::string_view status = good ? "True" : "False";
  std::string since = to_rfc3339(now);
  if (known != conditions.end() && string_at(*known, {"status"}) == status)
    since = text(*known, {"lastTransitionTime"});
  Json entry = JsonObject{{"type", type},
                          {"status", status},
                          {"reason", reason},
                          {"message", cut(message)},
                          {"observedGeneration", api::int_at(object, {"metadata", "generation"}).value_or(0)},
                          {"lastTransitionTime", since}};
  if (known != conditions.end())
    *known = std::move(entry);
  else
    conditions.push_back(std::move(entry));
  std::string wrong;  // a remote that cannot be read before a commit that cannot run
  for (const Json& c : conditions)
    if (string_at(c, {"status"}) == "False" && (wrong.empty() || string_at(c, {"type"}) == "Ready"))
      wrong = text(c, {"message"});
  if (wrong.empty())
    api::erase(object, {"status", "lastError"});
  else
    api::set(object, {"status", "lastError"}, wrong);
  api::set(object, {"status", "conditions"}, std::move(conditions));
  return !api::same(before, *api::find(object, {"status"}));
}

std::string secret_value(const Json& secret, std::string_view key) {
  return parse_base64(string_at(secret, {"data", key})).value_or("");
}

env::GitCredential credential_of(const Json& secret) {
  env::GitCredential credential{.username = secret_value(secret, "username"),
                                .password = secret_value(secret, "password"),
                                .private_key = secret_value(secret, "ssh-privatekey"),
                                .passphrase = secret_value(secret, "passphrase"),
                                .known_hosts = secret_value(secret, "known_hosts")};
  if (credential.password.empty()) credential.password = secret_value(secret, "token");
  return credential;
}

}  // namespace ingot::git
