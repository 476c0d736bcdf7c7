#include "host/git_job.h"

#include <algorithm>
#include <iterator>

#include "api/json.h"

namespace ingot::host {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr std::string_view kKinds[] = {"look", "pack", "report", "checkout"};

JsonArray list_of(const std::vector<std::string>& texts) { return JsonArray(texts.begin(), texts.end()); }
std::vector<std::string> texts_of(const Json& json, std::string_view name) {
  std::vector<std::string> texts;
  for (const Json& one : api::array_at(json, {name})) texts.emplace_back(string_at(one, {}));
  return texts;
}
JsonObject map_of(const std::map<std::string, std::string>& map) {
  JsonObject out;
  for (const auto& [name, value] : map) out[name] = value;
  return out;
}
std::map<std::string, std::string> texts_by_name(const Json& json, std::string_view name) {
  std::map<std::string, std::string> map;
  for (const auto& [key, value] : api::object_at(json, {name}))
    map.emplace(std::string(key.data(), key.size()), std::string(string_at(value, {})));
  return map;
}
std::string text(const Json& json, std::string_view name) { return std::string(string_at(json, {name})); }

bool is_commit(std::string_view id) {
  return id.size() == 40 && id.find_first_not_of("0123456789abcdef") == id.npos;
}

JsonObject change_json(const env::GitChange& c) {
  return {{"branch", c.branch},       {"commit", c.commit},        {"before", c.before},
          {"rewritten", c.rewritten}, {"paths", list_of(c.paths)}, {"morePaths", c.more_paths},
          {"relevant", c.relevant},   {"pipeline", c.pipeline},    {"problem", c.problem},
          {"signature", c.signature}, {"signed", c.signed_text},   {"subject", c.subject},
          {"author", c.author}};
}
env::GitChange read_change(const Json& json) {
  return {.branch = text(json, "branch"),
          .commit = text(json, "commit"),
          .before = text(json, "before"),
          .rewritten = api::bool_at(json, {"rewritten"}),
          .paths = texts_of(json, "paths"),
          .more_paths = api::bool_at(json, {"morePaths"}),
          .relevant = api::bool_at(json, {"relevant"}, true),
          .pipeline = text(json, "pipeline"),
          .problem = text(json, "problem"),
          .signature = text(json, "signature"),
          .signed_text = text(json, "signed"),
          .subject = text(json, "subject"),
          .author = text(json, "author")};
}

}  // namespace

std::string to_text(const GitJob& job) {
  const env::GitLook& look = job.look;
  const env::GitCredential& c = look.credential;
  const env::GitReport& r = job.report;
  return api::to_text(JsonObject{{"kind", kKinds[size_t(job.kind)]},
                                 {"report",
                                  {{"provider", r.provider},
                                   {"token", r.token},
                                   {"commit", r.commit},
                                   {"name", r.name},
                                   {"state", r.state},
                                   {"description", r.description}}},
                                 {"checkout",
                                  {{"revision", job.checkout.revision},
                                   {"branch", job.checkout.branch},
                                   {"fetch", list_of(job.checkout.fetch)},
                                   {"singleBranch", job.checkout.single_branch},
                                   {"anyHostKey", job.checkout.any_host_key},
                                   {"withoutSubmodules", job.checkout.without_submodules}}},
                                 {"url", look.url},
                                 {"credential",
                                  {{"username", c.username},
                                   {"password", c.password},
                                   {"privateKey", c.private_key},
                                   {"passphrase", c.passphrase},
                                   {"knownHosts", c.known_hosts}}},
                                 {"branches", list_of(look.branches)},
                                 {"paths", list_of(look.paths)},
                                 {"seen", map_of(look.seen)},
                                 {"pipeline", look.pipeline},
                                 {"first", look.first},
                                 {"commit", job.commit},
                                 {"bytes", job.limits.bytes},
                                 {"objects", job.limits.objects},
                                 {"room", job.limits.room},
                                 {"sourceBytes", job.limits.source_bytes},
                                 {"sourceFiles", job.limits.source_files},
                                 {"seconds", job.limits.seconds}});
}

Result<GitJob> parse_git_job(std::string_view input) {
  const auto json = api::parse_json(input);
  if (!json) return fail(json.error());
  const auto of_credential = [&](std::string_view name) {
    return std::string(string_at(*json, {"credential", name}));
  };
  const auto number = [&](std::string_view name) { return api::int_at(*json, {name}).value_or(0); };
  const auto kind = std::ranges::find(kKinds, string_at(*json, {"kind"}));
  if (kind == std::end(kKinds)) return fail(Reason::Invalid, "no such job");
  GitJob job{.kind = GitJob::Kind(kind - kKinds),
             .commit = text(*json, "commit"),
             .limits = {.bytes = number("bytes"),
                        .objects = number("objects"),
                        .source_bytes = number("sourceBytes"),
                        .source_files = number("sourceFiles"),
                        .room = number("room"),
                        .seconds = int(number("seconds"))}};
  if (const Json* c = api::find(*json, {"checkout"}))
    job.checkout = {.revision = text(*c, "revision"),
                    .branch = text(*c, "branch"),
                    .fetch = texts_of(*c, "fetch"),
                    .single_branch = api::bool_at(*c, {"singleBranch"}),
                    .any_host_key = api::bool_at(*c, {"anyHostKey"}),
                    .without_submodules = api::bool_at(*c, {"withoutSubmodules"})};
  job.look.url = text(*json, "url");
  job.look.credential = {.username = of_credential("username"),
                         .password = of_credential("password"),
                         .private_key = of_credential("privateKey"),
                         .passphrase = of_credential("passphrase"),
                         .known_hosts = of_credential("knownHosts")};
  job.look.branches = texts_of(*json, "branches");
  job.look.paths = texts_of(*json, "paths");
  job.look.seen = texts_by_name(*json, "seen");
  job.look.pipeline = text(*json, "pipeline");
  job.look.first = api::bool_at(*json, {"first"});
  const auto of_report = [&](std::string_view name) {
    return std::string(string_at(*json, {"report", name}));
  };
  job.report = {.url = job.look.url,
                .provider = of_report("provider"),
                .token = of_report("token"),
                .commit = of_report("commit"),
                .name = of_report("name"),
                .state = of_report("state"),
                .description = of_report("description")};
  return job;
}

std::string to_text(const Result<void>& done) {
  if (done) return "{}";
  const std::string cause = done.error().causes.empty() ? "" : done.error().causes.front().type;
  return api::to_text(JsonObject{{"error", done.error().message}, {"cause", cause}});
}

Result<void> parse_git_done(std::string_view answer) {
  const auto json = api::parse_json(answer);
  if (!json || !json->is_object())
    return fail(env::git_error(env::kGitBroken, "the Git worker said nothing of use"));
  const std::string error = text(*json, "error");
  if (error.empty()) return {};
  return fail(env::git_error(text(*json, "cause"), error));
}

std::string to_text(const Result<env::GitSeen>& seen) {
  if (!seen) return to_text(Result<void>(fail(seen.error())));
  JsonArray changes;
  for (const env::GitChange& change : seen->changes) changes.push_back(change_json(change));
  return api::to_text(JsonObject{{"head", seen->head},
                                 {"tips", map_of(seen->tips)},
                                 {"changes", std::move(changes)},
                                 {"more", seen->more}});
}

Result<env::GitSeen> parse_git_seen(std::string_view answer) {
  if (const auto done = parse_git_done(answer); !done) return fail(done.error());
  const auto json = api::parse_json(answer);
  env::GitSeen seen{.head = text(*json, "head"),
                    .tips = texts_by_name(*json, "tips"),
                    .more = api::bool_at(*json, {"more"})};
  std::erase_if(seen.tips, [](const auto& tip) { return !is_commit(tip.second); });
  for (const Json& change : api::array_at(*json, {"changes"})) {
    if (seen.changes.size() == kMostChanges) break;
    if (const auto tip = seen.tips.find(text(change, "branch"));
        tip != seen.tips.end() && tip->second == text(change, "commit"))
      seen.changes.push_back(read_change(change));
  }
  return seen;
}

}  // namespace ingot::host
