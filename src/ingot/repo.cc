// ingot repo add|list|sync|runs
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "api/reserved.h"
#include "base/encoding.h"
#include "git/repository.h"
#include "git/start.h"
#include "host/disk_file.h"
#include "host/real_env.h"
#include "ingot/client.h"
#include "ingot/output.h"
#include "ingot/place.h"

namespace ingot {
namespace {

constexpr size_t kShownCommit = 12;
constexpr std::string_view kWebhookKey = "secret";

// Its own paths below that of a tenant's namespace.
struct Paths : Place {
  std::string repositories() const { return path("factory.ingot.dev/v1alpha1", "repositories"); }
  std::string repository(const std::string& name) const { return repositories() + "/" + query_value(name); }
  std::string secrets() const { return path("v1", "secrets"); }
  std::string workflows(const std::string& repository) const {
    return fmt::format("{}?labelSelector={}", path("argoproj.io/v1alpha1", "workflows"),
                       query_value(fmt::format("{}={}", api::kRepositoryLabel, repository)));
  }
  std::string hook(const std::string& name) const {
    return fmt::format("/clusters/{}/hooks/{}/{}", query_value(tenant), query_value(ns), query_value(name));
  }
};

Result<Paths> paths_of(Client& client, const RepoOptions& options) {
  auto place = place_of(client, options.tenant, options.ns, "repository");
  if (!place) return fail(place.error());
  return Paths{*place};
}

std::string random_text() {
  host::RealEntropy entropy;
  std::string bytes;
  for (int i = 0; i < 4; ++i) {
    const uint64_t word = entropy.next();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return hex(bytes);
}

api::Json secret_object(const std::string& name, const std::map<std::string, std::string>& entries) {
  api::JsonObject data;
  for (const auto& [key, value] : entries) data[key] = base64(value);
  return api::JsonObject{{"apiVersion", "v1"},
                         {"kind", "Secret"},
                         {"metadata", {{"name", name}}},
                         {"type", "Opaque"},
                         {"data", std::move(data)}};
}

Result<std::string> file_text(const std::string& path, bool one_line) {
  auto text = host::read_file(path, size_t(1) << 20);
  while (one_line && text && !text->empty() && (text->back() == '\n' || text->back() == '\r'))
    text->pop_back();
  return text;
}

// What the options say of who asks; empty: nobody in particular.
Result<std::map<std::string, std::string>> credential_of(const RepoOptions& options) {
  std::map<std::string, std::string> entries;
  const std::tuple<const std::string*, const char*, bool> files[] = {
      {&options.token_file, "password", true},
      {&options.ssh_key, "ssh-privatekey", false},
      {&options.known_hosts, "known_hosts", false}};
  for (const auto& [path, key, one_line] : files) {
    if (path->empty()) continue;
    auto text = file_text(*path, one_line);
    if (!text) return fail(text.error());
    if (text->empty()) return fail(Reason::Invalid, fmt::format("{} is empty", *path));
    entries[key] = std::move(*text);
  }
  if (!entries.empty() && !options.username.empty()) entries["username"] = options.username;
  return entries;
}

Result<api::JsonArray> signers_of(const RepoOptions& options) {
  api::JsonArray lines;
  for (const std::string& path : options.signers) {
    auto text = file_text(path, false);
    if (!text) return fail(text.error());
    std::string_view rest = *text;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (!line.empty() && !line.starts_with('#')) lines.emplace_back(line);
    }
  }
  return lines;
}

// A Secret of that name with these entries, whether it is there or not.
Result<void> put_secret(Client& client, const Paths& place, const std::string& name,
                        const std::map<std::string, std::string>& entries) {
  const api::Json secret = secret_object(name, entries);
  auto made = client.call("POST", place.secrets(), &secret);
  if (!made && made.error().reason == Reason::Conflict)
    made = client.call("PATCH", place.secrets() + "/" + query_value(name), &secret);
  if (!made) return fail(made.error());
  return {};
}

Result<api::Json> spec_of(const RepoOptions& options) {
  api::JsonObject spec{{"url", options.url}};
  if (!options.branches.empty())
    spec["branches"] = api::JsonArray(options.branches.begin(), options.branches.end());
  if (!options.paths.empty()) spec["paths"] = api::JsonArray(options.paths.begin(), options.paths.end());
  if (!options.pipeline.empty()) spec["pipeline"] = options.pipeline;
  if (!options.interval.empty()) spec["interval"] = options.interval;
  if (!options.service_account.empty()) spec["serviceAccountName"] = options.service_account;
  auto signers = signers_of(options);
  if (!signers) return fail(signers.error());
  if (!signers->empty()) {
    spec["allowedSigners"] = *std::move(signers);
    spec["requireSignedCommits"] = true;
  }
  return spec;
}

// "…reading the remote" on a terminal while it lasts.
class Waiting {
 public:
  explicit Waiting(std::string_view what) : shown_(::isatty(STDERR_FILENO) == 1) {
    if (shown_) fmt::print(stderr, "{}…", what);
  }
  ~Waiting() {
    if (shown_) fmt::print(stderr, "\r\033[K");
  }

 private:
  const bool shown_;
};

const api::Json* condition_of(const api::Json& repository, std::string_view type) {
  for (const api::Json& condition : api::array_at(repository, {"status", "conditions"}))
    if (api::string_at(condition, {"type"}) == type) return &condition;
  return nullptr;
}

// Sets the annotation that asks for a look, and waits until the status is of it.
Result<api::Json> look_now(Client& client, const Paths& place, const std::string& name, bool wait) {
  const std::string token = "cli " + random_text().substr(0, 16);
  api::Json patch = api::JsonObject{};
  api::set(patch, {"metadata", "annotations", git::kSyncAnnotation}, token);
  auto asked = client.call("PATCH", place.repository(name), &patch);
  if (!asked || !wait) return asked;
  if (api::bool_at(*asked, {"spec", "suspend"}))
    return fail(Reason::Invalid, fmt::format("repository {} is suspended (spec.suspend)", name));
  api::Json newest;
  const Waiting waiting("reading the remote");
  const std::string path = fmt::format("{}?fieldSelector={}&watch=true", place.repositories(),
                                       query_value("metadata.name=" + name));
  auto watched = client.watch(path, [&](const api::Json& event) {
    if (const api::Json* object = api::find(event, {"object"})) newest = *object;
    return api::string_at(newest, {"status", "syncedFor"}) != token &&
           api::string_at(event, {"type"}) != "DELETED";
  });
  if (!watched) return fail(watched.error());
  return newest;
}

// "main, release/*"
std::string joined(const api::JsonArray& names) {
  std::string out;
  for (const api::Json& name : names)
    out += fmt::format("{}{}", out.empty() ? "" : ", ", api::string_at(name, {}));
  return out;
}

int tell(const Common& common, const api::Json& repository) {
  if (common.json) {
    print_json(repository);
    return kOk;
  }
  const api::Json* ready = condition_of(repository, "Ready");
  const std::string_view name = api::string_at(repository, {"metadata", "name"});
  if (ready && api::string_at(*ready, {"status"}) == "False")
    return failed(
        fmt::format("repository {0} cannot be read: {1} ({2})\n  it is tried again by itself; "
                    "`ingot repo sync {0}` tries now",
                    name, api::string_at(*ready, {"message"}), api::string_at(*ready, {"reason"})));
  const api::JsonArray& branches = api::array_at(repository, {"status", "branches"});
  if (branches.empty()) {
    const std::string wanted = joined(api::array_at(repository, {"spec", "branches"}));
    fmt::print("repository {}: its remote has no branch{} yet: push one, and its pipeline runs\n", name,
               wanted.empty() ? "" : " " + wanted);
    return kOk;
  }
  Table table({"BRANCH", "COMMIT", "WORKFLOW", "MESSAGE"});
  for (const api::Json& branch : branches)
    table.row({std::string(api::string_at(branch, {"name"})),
               std::string(api::string_at(branch, {"commit"}).substr(0, kShownCommit)),
               std::string(api::string_at(branch, {"workflow"})),
               std::string(api::string_at(branch, {"message"}))});
  table.print();
  return kOk;
}

}  // namespace

int repo_add(const Common& common, const RepoOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = paths_of(*client, options);
  if (!place) return failed(place.error());
  auto credential = credential_of(options);
  if (!credential) return failed(credential.error());
  auto spec = spec_of(options);
  if (!spec) return failed(spec.error());
  const std::string secret = options.name + "-git", hook_secret = options.name + "-webhook",
                    status_secret = options.name + "-status", shared = random_text();
  if (!credential->empty()) api::set(*spec, {"secretRef", "name"}, secret);
  if (!options.status_file.empty()) api::set(*spec, {"statusTokenRef", "name"}, status_secret);
  if (!options.webhook.empty()) {
    api::set(*spec, {"webhook", "provider"}, options.webhook);
    api::set(*spec, {"webhook", "secretRef", "name"}, hook_secret);
  }
  const api::Json repository = api::JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                               {"kind", "Repository"},
                                               {"metadata", {{"name", options.name}}},
                                               {"spec", *spec}};
  // Checked before its Secrets are made, so that a refusal leaves nothing behind.
  if (auto dry = client->call("POST", place->repositories() + "?dryRun=All", &repository); !dry)
    return failed(
        dry.error().reason == Reason::Conflict
            ? fmt::format("repository {0} is there already\n  change it with `kubectl edit repository {0}`, "
                          "or remove it with `kubectl delete repository {0}`",
                          options.name)
            : dry.error().message);
  if (!credential->empty())
    if (auto put = put_secret(*client, *place, secret, *credential); !put) return failed(put.error());
  if (!options.status_file.empty()) {
    auto token = file_text(options.status_file, true);
    if (!token) return failed(token.error());
    if (auto put = put_secret(*client, *place, status_secret, {{"token", *token}}); !put)
      return failed(put.error());
  }
  if (!options.webhook.empty())
    if (auto put = put_secret(*client, *place, hook_secret, {{std::string(kWebhookKey), shared}}); !put)
      return failed(put.error());
  auto made = client->call("POST", place->repositories(), &repository);
  if (!made) return failed(made.error());
  if (!common.json) fmt::print("repository {} of {} is watched\n", options.name, place->tenant);
  if (!options.webhook.empty() && !common.json)
    fmt::print("webhook for {}: push events as application/json to\n  https://{}{}\nwith secret\n  {}\n",
               options.webhook, client->record().address, place->hook(options.name), shared);
  if (options.no_wait) return common.json ? tell(common, *made) : int(kOk);
  auto looked = look_now(*client, *place, options.name, true);
  if (!looked) return failed(looked.error());
  return tell(common, *looked);
}

int repo_list(const Common& common, const RepoOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = paths_of(*client, options);
  if (!place) return failed(place.error());
  auto repositories = client->list(place->repositories());
  if (!repositories) return failed(repositories.error());
  if (common.json) {
    print_json(*repositories);
    return kOk;
  }
  Table table({"NAME", "URL", "READY", "BRANCH", "COMMIT", "WORKFLOW", "AGE", "PROBLEM"});
  for (const api::Json& one : *repositories) {
    const api::Json* ready = condition_of(one, "Ready");
    const bool good = ready && api::string_at(*ready, {"status"}) == "True";
    table.row({std::string(api::string_at(one, {"metadata", "name"})),
               std::string(api::string_at(one, {"spec", "url"})),
               good    ? "yes"
               : ready ? std::string(api::string_at(*ready, {"reason"}))
                       : "not yet",
               std::string(api::string_at(one, {"status", "lastRun", "branch"})),
               std::string(api::string_at(one, {"status", "lastRun", "commit"}).substr(0, kShownCommit)),
               std::string(api::string_at(one, {"status", "lastRun", "workflow"})), age_of(one),
               std::string(api::string_at(one, {"status", "lastError"}))});
  }
  table.print(fmt::format("no repository in namespace {} of {} yet\n  `ingot repo add NAME URL` watches one",
                          place->ns, place->tenant));
  return kOk;
}

int repo_sync(const Common& common, const RepoOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = paths_of(*client, options);
  if (!place) return failed(place.error());
  auto looked = look_now(*client, *place, options.name, !options.no_wait);
  if (!looked) return failed(looked.error());
  if (options.no_wait && !common.json) return kOk;
  return tell(common, *looked);
}

int repo_runs(const Common& common, const RepoOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = paths_of(*client, options);
  if (!place) return failed(place.error());
  auto repository = client->get(place->repository(options.name));
  if (!repository) return failed(repository.error());
  auto runs = client->list(place->workflows(options.name));
  if (!runs) return failed(runs.error());
  std::ranges::sort(*runs, std::greater{}, [](const api::Json& run) {
    return api::string_at(run, {"metadata", "creationTimestamp"});
  });
  if (common.json) {
    print_json(*runs);
    return kOk;
  }
  Table table({"WORKFLOW", "BRANCH", "COMMIT", "PHASE", "PROGRESS", "AGE"});
  for (const api::Json& run : *runs)
    table.row(
        {std::string(api::string_at(run, {"metadata", "name"})),
         std::string(api::string_at(run, {"metadata", "annotations", git::kBranchAnnotation})),
         std::string(api::string_at(run, {"metadata", "labels", api::kCommitLabel}).substr(0, kShownCommit)),
         std::string(api::string_at(run, {"status", "phase"})),
         std::string(api::string_at(run, {"status", "progress"})), age_of(run)});
  const std::string problem(api::string_at(*repository, {"status", "lastError"}));
  table.print(fmt::format("repository {} has started nothing yet{}{}", options.name,
                          problem.empty() ? "" : ": ", problem));
  return kOk;
}

}  // namespace ingot
