#include "node/artifact.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/remote_url.h"
#include "base/encoding.h"

namespace ingot::node {
namespace {

using api::Json;
using api::JsonObject;
using api::string_at;

constexpr size_t kMostRefspecs = 20, kMostPath = 1'024, kMostHeaders = 100, kMostRaw = 1 << 20,
                 kMostUrl = 8'192;

Json text(std::string_view t) { return Json(boost::json::string_view(t.data(), t.size())); }

std::unexpected<Error> wrong(std::string_view name, std::string_view what) {
  return fail(Reason::Invalid, fmt::format("artifact {}: {}", name, what));
}

// Absolute, below the root, with no step that leads elsewhere.
bool good_path(std::string_view path) {
  if (path.size() < 2 || path.front() != '/' || path.size() > kMostPath || path.find('\0') != path.npos)
    return false;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view step = path.substr(at + 1, end - at - 1);
    if (step == ".." || step == "." || step.size() > 255) return false;
    at = end;
  }
  return true;
}

std::optional<uint32_t> mode_of(const Json& a) {
  const auto mode = api::int_at(a, {"mode"});
  return mode ? std::optional(uint32_t(*mode) & 0777) : std::nullopt;
}

Result<std::string> secret(std::string_view artifact, const Json& holder, std::string_view field,
                           const PodConfig* config) {
  const Json* ref = api::find(holder, {field});
  if (!ref || !config) return std::string();
  auto value = secret_value(*ref, config);
  if (!value) return wrong(artifact, fmt::format("{}: {}", field, value.error().message));
  return value;
}

bool one_line(std::string_view t) {
  return std::ranges::none_of(t, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

Result<void> read_http(std::string_view name, const Json& http, const PodConfig* config, ArtifactSource& to) {
  to.from = ArtifactSource::From::Http;
  to.text = string_at(http, {"url"});
  if ((!to.text.starts_with("http://") && !to.text.starts_with("https://")) || !one_line(to.text) ||
      to.text.size() > kMostUrl)
    return wrong(name, "http.url must begin with http:// or https://");
  const auto& headers = api::array_at(http, {"headers"});
  if (headers.size() > kMostHeaders) return wrong(name, "http.headers: too many");
  for (const Json& h : headers) {
    const std::string_view key = string_at(h, {"name"}), value = string_at(h, {"value"});
    if (key.empty() || !one_line(key) || !one_line(value) || key.find(':') != key.npos)
      return wrong(name, fmt::format("http.headers: \"{}\" is no header", key.substr(0, 100)));
    to.headers.emplace_back(key, value);
  }
  if (const Json* basic = api::find(http, {"auth", "basicAuth"})) {
    auto user = secret(name, *basic, "usernameSecret", config);
    auto password = secret(name, *basic, "passwordSecret", config);
    if (!user) return fail(user.error());
    if (!password) return fail(password.error());
    to.user = *std::move(user);
    to.password = *std::move(password);
  }
  return {};
}

Result<void> read_s3(std::string_view name, const Json& s3, const PodConfig* config, ArtifactSource& to) {
  const std::string_view key = string_at(s3, {"key"});
  to.bucket = string_at(s3, {"bucket"});
  if (to.bucket.empty()) {
    to.from = ArtifactSource::From::Own;
    const auto digest = key.starts_with(kOwnKey) ? Digest::parse_hex(key.substr(kOwnKey.size()))
                                                 : Result<Digest>(fail(Reason::Invalid, ""));
    if (!digest)
      return wrong(
          name,
          fmt::format(
              "s3.key \"{}\": without a bucket it is \"sha256/\" and the 64 digits of what is kept here",
              key.substr(0, 100)));
    to.digest = *digest;
    return {};
  }
  to.from = ArtifactSource::From::S3;
  to.text = key;
  to.endpoint = string_at(s3, {"endpoint"});
  to.region = string_at(s3, {"region"});
  to.insecure = api::bool_at(s3, {"insecure"});
  if (to.region.empty()) to.region = "us-east-1";
  if (to.endpoint.empty()) return wrong(name, "s3.endpoint is required beside a bucket");
  for (const std::string* part : {&to.text, &to.endpoint, &to.bucket, &to.region})
    if (part->empty() || part->size() > kMostUrl || !one_line(*part))
      return wrong(name, "s3: key, endpoint, bucket and region are one line each");
  for (const auto& [field, into] :
       {std::pair{"accessKeySecret", &to.user}, std::pair{"secretKeySecret", &to.password},
        std::pair{"sessionTokenSecret", &to.token}}) {
    auto value = secret(name, s3, field, config);
    if (!value) return fail(value.error());
    *into = *std::move(value);
  }
  return {};
}

Result<void> read_git(std::string_view name, const Json& git, const PodConfig* config, ArtifactSource& to) {
  to.from = ArtifactSource::From::Git;
  to.text = string_at(git, {"repo"});
  const auto url = api::parse_remote_url(to.text);
  if (!url) return wrong(name, "git.repo " + url.error());
  if (url->scheme == api::RemoteUrl::Scheme::File) return wrong(name, "git.repo: no file of this machine");
  to.git.revision = string_at(git, {"revision"});
  to.git.branch = string_at(git, {"branch"});
  to.git.single_branch = api::bool_at(git, {"singleBranch"});
  to.git.any_host_key = api::bool_at(git, {"insecureIgnoreHostKey"});
  to.git.without_submodules = api::bool_at(git, {"disableSubmodules"});
  for (const Json& spec : api::array_at(git, {"fetch"})) to.git.fetch.emplace_back(string_at(spec, {}));
  if (to.git.fetch.size() > kMostRefspecs) return wrong(name, "git.fetch: too many");
  for (const std::string& spec : to.git.fetch)
    if (!one_line(spec) || spec.size() > kMostPath ||
        !spec.substr(spec.starts_with('+')).starts_with("refs/"))
      return wrong(name, "git.fetch: \"" + spec.substr(0, 100) + "\" does not begin with refs/");
  for (const std::string* ref : {&to.git.revision, &to.git.branch})
    if (!one_line(*ref) || ref->size() > kMostPath)
      return wrong(name, "git: revision and branch are one line each");
  for (const auto& [field, into] :
       {std::pair{"usernameSecret", &to.user}, std::pair{"passwordSecret", &to.password},
        std::pair{"sshPrivateKeySecret", &to.git.private_key}}) {
    auto value = secret(name, git, field, config);
    if (!value) return fail(value.error());
    *into = *std::move(value);
  }
  for (std::string* line : {&to.user, &to.password})  // as files of secrets often end
    while (line->ends_with('\n')) line->pop_back();
  if (!to.git.private_key.empty() && config) {
    const Json hosts =
        JsonObject{{"name", text(string_at(git, {"sshPrivateKeySecret", "name"}))}, {"key", "known_hosts"}};
    to.git.known_hosts = secret_value(hosts, config).value_or("");
    if (to.git.known_hosts.empty() && !to.git.any_host_key)
      return wrong(name,
                   "git: the Secret of sshPrivateKeySecret has no known_hosts to know the host by; "
                   "insecureIgnoreHostKey: true takes any");
  }
  return {};
}

}  // namespace

Result<std::string> secret_value(const Json& ref, const PodConfig* config) {
  const std::string name(string_at(ref, {"name"}));
  const std::string_view key = string_at(ref, {"key"});
  const auto found = config->secrets.find(name);
  if (found == config->secrets.end() || !found->second)
    return fail(Reason::NotFound, fmt::format("secret \"{}\" not found", name));
  const Json* value = api::find(*found->second, {"data", key});
  if (!value) return fail(Reason::NotFound, fmt::format("secret \"{}\" has no key \"{}\"", name, key));
  auto bytes = parse_base64(string_at(*value, {}));
  if (!bytes) return fail(Reason::Invalid, fmt::format("secret \"{}\" cannot be read", name));
  return *std::move(bytes);
}

// "/a//b/" → "/a/b"; "" where it is no path.
std::string artifact_path(const Json& a) {
  std::string out;
  const std::string_view path = string_at(a, {"path"});
  if (!good_path(path)) return out;
  for (const char c : path)
    if (c != '/' || !out.ends_with('/')) out += c;
  while (out.ends_with('/')) out.pop_back();
  return out;
}

Result<ArtifactIn> artifact_in(const Json& a, const PodConfig* config) {
  ArtifactIn out;
  out.name = string_at(a, {"name"});
  out.path = artifact_path(a);
  if (out.path.empty()) return wrong(out.name, "path must be absolute and without \"..\"");
  out.sub_path = string_at(a, {"subPath"});
  if (!out.sub_path.empty() && !good_path("/" + out.sub_path))
    return wrong(out.name, "subPath must be relative and without \"..\"");
  out.unpack = !api::find(a, {"archive", "none"});
  out.optional = api::bool_at(a, {"optional"});
  out.mode = mode_of(a);
  out.recurse_mode = api::bool_at(a, {"recurseMode"});
  Result<void> read =
      wrong(out.name, "comes from nowhere that this node knows: raw, http, git and s3 are known");
  if (const Json* raw = api::find(a, {"raw"})) {
    out.source.text = string_at(*raw, {"data"});
    out.unpack = false;
    read = {};
    if (out.source.text.size() > kMostRaw) read = wrong(out.name, "raw.data is larger than 1 MiB");
  } else if (const Json* http = api::find(a, {"http"})) {
    read = read_http(out.name, *http, config, out.source);
  } else if (const Json* git = api::find(a, {"git"})) {
    read = read_git(out.name, *git, config, out.source);
    out.unpack = true;
  } else if (const Json* s3 = api::find(a, {"s3"})) {
    read = read_s3(out.name, *s3, config, out.source);
  }
  if (!read) return fail(read.error());
  return out;
}

Result<ArtifactOut> artifact_out(const Json& a) {
  ArtifactOut out;
  out.name = string_at(a, {"name"});
  out.path = artifact_path(a);
  if (out.name.empty() || out.path.empty())
    return wrong(out.name, "path must be absolute and without \"..\"");
  out.optional = api::bool_at(a, {"optional"});
  out.mode = mode_of(a);
  if (api::find(a, {"archive", "none"})) out.archive = ArtifactOut::Archive::None;
  if (api::find(a, {"archive", "zip"})) out.archive = ArtifactOut::Archive::Zip;
  out.level =
      int(std::clamp<int64_t>(api::int_at(a, {"archive", "tar", "compressionLevel"}).value_or(-1), -1, 9));
  return out;
}

Json kept_json(const ArtifactOut& a, const Kept& kept) {
  JsonObject out{{"name", text(a.name)},
                 {"path", text(a.path)},
                 {"s3", JsonObject{{"key", text(std::string(kOwnKey) + kept.digest.hex())}}},
                 {"size", kept.bytes}};
  if (!kept.packed) out["archive"] = JsonObject{{"none", JsonObject{}}};
  if (a.mode) out["mode"] = *a.mode;
  return out;
}

}  // namespace ingot::node
