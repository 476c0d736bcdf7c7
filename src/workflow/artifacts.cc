#include "workflow/artifacts.h"

#include <algorithm>

#include "api/remote_url.h"

namespace ingot::workflow {
namespace {

using api::array_at;
using api::find;
using api::string_at;

constexpr std::string_view kSources[] = {"raw", "http", "s3", "git"};
constexpr std::string_view kElsewhere[] = {"artifactory", "azure", "gcs", "hdfs", "oss", "plugin"};
constexpr std::initializer_list<std::string_view> kNotYet[] = {
    {"s3", "useSDKCreds"},       {"s3", "roleARN"},          {"s3", "createBucketIfNotPresent"},
    {"s3", "encryptionOptions"}, {"s3", "caSecret"},         {"http", "auth", "clientCert"},
    {"http", "auth", "oauth2"},  {"git", "insecureSkipTLS"},
};
constexpr std::initializer_list<std::string_view> kSecrets[] = {
    {"s3", "accessKeySecret"},
    {"s3", "secretKeySecret"},
    {"s3", "sessionTokenSecret"},
    {"http", "auth", "basicAuth", "usernameSecret"},
    {"http", "auth", "basicAuth", "passwordSecret"},
    {"git", "usernameSecret"},
    {"git", "passwordSecret"},
    {"git", "sshPrivateKeySecret"},
};
constexpr size_t kMostArtifacts = 100;  // of a template's inputs, or outputs

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

std::string dotted(std::initializer_list<std::string_view> path) {
  std::string out;
  for (const std::string_view part : path) (out += out.empty() ? "" : ".") += part;
  return out;
}

bool tagged(std::string_view text) { return text.find("{{") != text.npos; }

// Absolute, and with no step that leads elsewhere.
bool good_path(std::string_view path) {
  if (tagged(path)) return true;
  if (!path.starts_with('/') || path == "/" || path.size() > 1'024 || path.find('\0') != path.npos)
    return false;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view step = path.substr(at + 1, end - at - 1);
    if (step == ".." || step == ".") return false;
    at = end;
  }
  return true;
}

Or<void> check_location(const Json& a, const std::string& where) {
  for (const std::string_view source : kElsewhere)
    if (find(a, {source})) return wrong(where + "." + std::string(source) + " is not implemented");
  for (const auto& path : kNotYet)
    if (find(a, path)) return wrong(where + "." + dotted(path) + " is not implemented");
  if (const Json* s3 = find(a, {"s3"})) {
    const std::string_view key = string_at(*s3, {"key"}), bucket = string_at(*s3, {"bucket"});
    if (key.empty()) return wrong(where + ".s3.key is required");
    if (bucket.empty() && !tagged(key) &&
        (!key.starts_with(kOwnKey) || !Digest::parse_hex(key.substr(kOwnKey.size()))))
      return wrong(where + ".s3.key \"" + std::string(key.substr(0, 100)) +
                   "\": without a bucket it is \"sha256/\" and the 64 digits of what is kept here");
    if (!bucket.empty() && string_at(*s3, {"endpoint"}).empty())
      return wrong(where + ".s3.endpoint is required beside a bucket");
  }
  if (const Json* git = find(a, {"git"})) {
    const std::string_view repo = string_at(*git, {"repo"});
    if (repo.empty()) return wrong(where + ".git.repo is required");
    if (!tagged(repo)) {
      const auto url = api::parse_remote_url(repo);
      if (!url) return wrong(where + ".git.repo " + url.error());
      if (url->scheme == api::RemoteUrl::Scheme::File)
        return wrong(where + ".git.repo must be an https, http or ssh URL");
    }
    for (const Json& spec : array_at(*git, {"fetch"}))
      if (const std::string_view text = string_at(spec, {});
          !tagged(text) && !text.starts_with("refs/") && !text.starts_with("+refs/"))
        return wrong(where + ".git.fetch: a refspec begins with refs/");
  }
  if (const Json* http = find(a, {"http"})) {
    const std::string_view url = string_at(*http, {"url"});
    if (!tagged(url) && !url.starts_with("http://") && !url.starts_with("https://"))
      return wrong(where + ".http.url must begin with http:// or https://");
  }
  const auto sources =
      std::ranges::count_if(kSources, [&](std::string_view s) { return find(a, {s}) != nullptr; });
  if (sources > 1) return wrong(where + ": comes from more than one place");
  return {};
}

Or<void> check_archive(const Json& a, const std::string& where) {
  const Json* archive = find(a, {"archive"});
  if (!archive) return {};
  const JsonObject* ways = archive->if_object();
  if (!ways || ways->size() > 1) return wrong(where + ".archive: one of tar, zip and none");
  for (const auto& [way, how] : *ways)
    if (way != "tar" && way != "zip" && way != "none")
      return wrong(where + ".archive." + std::string(way) + ": one of tar, zip and none");
  if (const auto level = api::int_at(*archive, {"tar", "compressionLevel"});
      level && (*level < -1 || *level > 9))
    return wrong(where + ".archive.tar.compressionLevel: from -1 to 9");
  return {};
}

Or<void> check_mode(const Json& a, const std::string& where) {
  if (const auto mode = api::int_at(a, {"mode"}); mode && (*mode < 0 || *mode > 0777))
    return wrong(where + ".mode: from 0 to 0777");
  return {};
}

std::string named(std::string_view where, std::string_view list, const Json& a) {
  return std::string(where) + ": " + std::string(list) + "." + std::string(string_at(a, {"name"}));
}

Or<void> check_list(const Json& holder, std::string_view list, std::string_view where,
                    const std::function<Or<void>(const Json&, const std::string&)>& each) {
  const JsonArray& all = array_at(holder, {list, "artifacts"});
  const std::string at = std::string(list) + ".artifacts";
  if (all.size() > kMostArtifacts)
    return wrong(std::string(where) + ": " + at + ": more than " + std::to_string(kMostArtifacts));
  std::vector<std::string_view> names;
  for (const Json& a : all) {
    const std::string_view name = string_at(a, {"name"});
    if (name.empty()) return wrong(std::string(where) + ": " + at + ": name is required");
    if (std::ranges::find(names, name) != names.end())
      return wrong(named(where, at, a) + ": name is not unique");
    names.push_back(name);
    if (const auto fine = each(a, named(where, at, a)); !fine) return fine;
  }
  return {};
}

}  // namespace

Or<void> check_artifacts(const Json& body, Kind kind, std::string_view where) {
  const bool pod = runs_pod(kind) && kind != Kind::Http;
  const auto input = [&](const Json& a, const std::string& at) -> Or<void> {
    if (const auto fine = check_location(a, at); !fine) return fine;
    if (pod && string_at(a, {"path"}).empty()) return wrong(at + ".path is required");
    if (pod && !good_path(string_at(a, {"path"})))
      return wrong(at + ".path must be absolute and without \"..\"");
    if (find(a, {"from"}) || find(a, {"fromExpression"}))
      return wrong(at + ".from: only of arguments and of outputs");
    return check_mode(a, at);
  };
  const auto output = [&](const Json& a, const std::string& at) -> Or<void> {
    for (const std::string_view source : kSources)
      if (find(a, {source}))
        return wrong(at + "." + std::string(source) +
                     " is not implemented: what a step leaves is kept by digest in the tenant's own store");
    if (const auto fine = check_location(a, at); !fine) return fine;
    if (const auto fine = check_archive(a, at); !fine) return fine;
    const bool from = find(a, {"from"}) || find(a, {"fromExpression"});
    if (pod && from) return wrong(at + ".from: only of steps and dag");
    if (!pod && !from) return wrong(at + ".from is required");
    if (pod && string_at(a, {"path"}).empty()) return wrong(at + ".path is required");
    if (pod && !good_path(string_at(a, {"path"})))
      return wrong(at + ".path must be absolute and without \"..\"");
    return check_mode(a, at);
  };
  if (const auto fine = check_list(body, "inputs", where, input); !fine) return fine;
  const bool any =
      !array_at(body, {"inputs", "artifacts"}).empty() || !array_at(body, {"outputs", "artifacts"}).empty();
  if (any && kind == Kind::ContainerSet &&
      std::ranges::none_of(array_at(body, {"containerSet", "containers"}),
                           [](const Json& c) { return string_at(c, {"name"}) == "main"; }))
    return wrong(std::string(where) +
                 ": containerSet.containers must have a container named \"main\" for input or output");
  if (!pod && kind != Kind::Steps && kind != Kind::Dag && !array_at(body, {"outputs", "artifacts"}).empty())
    return wrong(std::string(where) + ": outputs.artifacts: a " + std::string(to_string(kind)) +
                 " leaves none");
  return check_list(body, "outputs", where, output);
}

Or<void> check_artifact_arguments(const Json& holder, std::string_view where) {
  return check_list(holder, "arguments", where,
                    [](const Json& a, const std::string& at) { return check_location(a, at); });
}

bool has_location(const Json& artifact) {
  return std::ranges::any_of(kSources, [&](std::string_view s) { return find(artifact, {s}) != nullptr; });
}

Json given_artifact(const Json& declared, const Json& given) {
  Json out = declared;
  if (has_location(given))
    for (const std::string_view old : kSources) api::erase(out, {old});
  for (const auto& [key, value] : given.as_object())
    if (key != "path" && key != "mode" && key != "recurseMode" && key != "globalName")
      out.as_object()[key] = value;
  return out;
}

Or<Json> located(const Json& argument, std::string_view from) {
  if (from.empty()) return argument;
  const auto parsed = api::parse_json(from);
  if (!parsed || !parsed->is_object()) return wrong("Unable to resolve: " + std::string(from.substr(0, 200)));
  Json out = *parsed;
  if (const std::string_view sub = string_at(argument, {"subPath"}); !sub.empty())
    api::set(out, {"subPath"}, sub);
  api::set(out, {"name"}, string_at(argument, {"name"}));
  for (const std::string_view own : {"path", "mode", "globalName"}) api::erase(out, {own});
  return out;
}

void secrets_of(const Json& artifact, std::vector<std::string>& names) {
  for (const auto& path : kSecrets) {
    const Json* secret = find(artifact, path);
    const std::string name(secret ? string_at(*secret, {"name"}) : "");
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
}

}  // namespace ingot::workflow
