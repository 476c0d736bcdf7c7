// Repository. What only shows once the remote is asked is said in its status.
#include <algorithm>

#include "api/names.h"
#include "api/remote_url.h"
#include "api/validate.h"
#include "base/encoding.h"
#include "base/time.h"

namespace ingot::api {
namespace {

constexpr size_t kLongestName = 40;  // a run's name has a commit and a branch behind it
constexpr size_t kLongestPath = 1'024, kLongestGlob = 256, kMostGlobs = 64, kMostSigners = 256;
constexpr Duration kLeastInterval = std::chrono::seconds(10), kMostInterval = std::chrono::hours(24);
constexpr std::string_view kKeyTypes[] = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256",
                                          "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"};

void globs(const Json& spec, std::string_view name, FieldErrors& errors) {
  const JsonArray& list = array_at(spec, {name});
  const std::string path = child("spec", name);
  if (list.size() > kMostGlobs) return errors.too_many(path, list.size(), kMostGlobs);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string_view glob = text(list[i]);
    if (glob.empty()) errors.invalid(item(path, i), list[i], "must not be empty");
    if (glob.size() > kLongestGlob) errors.too_long(item(path, i), kLongestGlob);
    if (glob.starts_with('/')) errors.invalid(item(path, i), list[i], "must not begin with \"/\"");
  }
}

bool inside(std::string_view path) {
  if (path.empty() || path.starts_with('/') || path.find('\0') != path.npos) return false;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return true;
}

// A line of an allowed_signers file or a public key: [PRINCIPALS] TYPE KEY [COMMENT].
std::string signer_fault(std::string_view line) {
  if (line.starts_with("-----BEGIN PGP")) return "OpenPGP keys are not supported: sign with an SSH key";
  if (line.find('\n') != line.npos) return "must be one line";
  if (line.starts_with('#')) return "is commented out: leave it out";
  std::string_view rest = line;
  for (int word = 0; word < 2; ++word) {
    const size_t space = std::min(rest.find(' '), rest.size());
    const std::string_view type = rest.substr(0, space);
    rest.remove_prefix(std::min(space + 1, rest.size()));
    if (type.find('=') != type.npos) break;  // an option, which would mean something
    if (std::ranges::find(kKeyTypes, type) == std::end(kKeyTypes)) continue;
    const auto key = parse_base64(rest.substr(0, rest.find(' ')));
    return key && key->size() > type.size() + 4 && key->substr(4, type.size()) == type
               ? ""
               : "must have the key in base64 after its type";
  }
  return "must be a public key as ssh-keygen writes it: ssh-ed25519, ssh-rsa or ecdsa-sha2-nistp256, 384 or "
         "521, "
         "and the key; options and cert-authority are not supported";
}

void secret(const Json& spec, std::initializer_list<std::string_view> at, std::string path,
            FieldErrors& errors) {
  const Json* ref = find(spec, at);
  if (!ref) return;
  if (const auto name = string_at(*ref, {"name"}); !name.empty())
    errors.check(path + ".name", name, dns_subdomain_fault(name));
  if (const auto key = string_at(*ref, {"key"}); !key.empty())
    errors.check(path + ".key", key, config_key_fault(key));
}

void signers(const Json& spec, FieldErrors& errors) {
  const JsonArray& list = array_at(spec, {"allowedSigners"});
  if (list.size() > kMostSigners) return errors.too_many("spec.allowedSigners", list.size(), kMostSigners);
  for (size_t i = 0; i < list.size(); ++i)
    if (const std::string fault = signer_fault(text(list[i])); !fault.empty())
      errors.invalid(item("spec.allowedSigners", i), list[i], fault);
  if (bool_at(spec, {"requireSignedCommits"}) && list.empty())
    errors.required("spec.allowedSigners", "whose signatures count, when requireSignedCommits is set");
}

// Where states of commits go.
void report(const Json& spec, FieldErrors& errors) {
  if (!find(spec, {"statusTokenRef"})) return;
  const auto url = parse_remote_url(string_at(spec, {"url"}));
  if (url && url->scheme == RemoteUrl::Scheme::File)
    errors.forbidden("spec.statusTokenRef", "a file remote shows no states of commits");
  const bool known =
      url && (url->host == "github.com" || url->host == "gitlab.com" || url->host == "codeberg.org");
  if (!known && string_at(spec, {"webhook", "provider"}).empty())
    errors.required("spec.webhook.provider", "statusTokenRef is for a host of which kind?");
}

}  // namespace

void validate_repository(const Subject& s) {
  const std::string_view name = string_at(s.object, {"metadata", "name"});
  if (name.size() > kLongestName) s.errors.too_long("metadata.name", kLongestName);
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  FieldErrors& errors = s.errors;
  if (const Json* url = find(*spec, {"url"})) {
    if (text(*url).empty())
      errors.required("spec.url");
    else if (const auto parsed = parse_remote_url(text(*url)); !parsed)
      errors.invalid("spec.url", *url, parsed.error());
  }
  globs(*spec, "branches", errors);
  globs(*spec, "paths", errors);
  const std::string_view interval = string_at(*spec, {"interval"});
  const auto every = parse_duration(interval);
  if (!every || *every < kLeastInterval || *every > kMostInterval)
    errors.invalid("spec.interval", Json(std::string(interval)), "must be a duration from 10s to 24h");
  const std::string_view pipeline = string_at(*spec, {"pipeline"});
  if (pipeline.size() > kLongestPath)
    errors.too_long("spec.pipeline", kLongestPath);
  else if (!inside(pipeline))
    errors.invalid("spec.pipeline", Json(std::string(pipeline)), "must be a path inside the repository");
  const std::string_view account = string_at(*spec, {"serviceAccountName"});
  errors.check("spec.serviceAccountName", account, dns_subdomain_fault(account));
  secret(*spec, {"secretRef"}, "spec.secretRef", errors);
  secret(*spec, {"statusTokenRef"}, "spec.statusTokenRef", errors);
  secret(*spec, {"webhook", "secretRef"}, "spec.webhook.secretRef", errors);
  signers(*spec, errors);
  report(*spec, errors);
}

}  // namespace ingot::api
