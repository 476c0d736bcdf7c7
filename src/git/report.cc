#include "git/report.h"

#include <algorithm>

#include "api/json.h"
#include "api/remote_url.h"

namespace ingot::git {
namespace {

using Scheme = api::RemoteUrl::Scheme;

std::string escaped(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain)
      out += c;
    else
      (out += '%') += {kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 15]};
  }
  return out;
}

bool one_line(std::string_view text) {
  return !text.empty() && text.size() <= 1'024 &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

struct Api {
  std::string path, header;
  api::JsonObject body;
};

Api github(const env::GitReport& report, const std::string& host, const std::string& repository) {
  return {(host == "github.com" ? "" : "/api/v3") + ("/repos/" + repository) + "/statuses/" + report.commit,
          "Authorization: Bearer " + report.token,
          {{"state", report.state}, {"context", report.name}, {"description", report.description}}};
}
Api gitea(const env::GitReport& report, const std::string&, const std::string& repository) {
  return {"/api/v1/repos/" + repository + "/statuses/" + report.commit,
          "Authorization: token " + report.token,
          {{"state", report.state}, {"context", report.name}, {"description", report.description}}};
}
Api gitlab(const env::GitReport& report, const std::string&, const std::string& repository) {
  const std::string_view state = report.state == "pending"   ? "running"
                                 : report.state == "success" ? "success"
                                                             : "failed";
  return {"/api/v4/projects/" + escaped(repository) + "/statuses/" + report.commit,
          "PRIVATE-TOKEN: " + report.token,
          {{"state", state}, {"name", report.name}, {"description", report.description}}};
}

struct Provider {
  std::string_view name;
  bool two_parts;  // owner and repository, and no more
  Api (*api)(const env::GitReport&, const std::string&, const std::string&);
};
constexpr Provider kProviders[] = {
    {"github", true, github}, {"gitlab", false, gitlab}, {"gitea", true, gitea}, {"forgejo", true, gitea}};

}  // namespace

std::string_view provider_of(std::string_view host) {
  return host == "github.com"     ? "github"
         : host == "gitlab.com"   ? "gitlab"
         : host == "codeberg.org" ? "forgejo"
                                  : "";
}

std::string_view state_of(std::string_view phase) {
  return phase == "Succeeded" ? "success"
         : phase == "Failed"  ? "failure"
         : phase == "Error"   ? "error"
                              : "pending";
}

std::expected<ReportCall, std::string> report_call(const env::GitReport& report) {
  const auto url = api::parse_remote_url(report.url);
  if (!url || url->scheme == Scheme::File)
    return std::unexpected("spec.url leads to no host that shows states");
  const auto provider = std::ranges::find(kProviders, report.provider, &Provider::name);
  if (provider == std::end(kProviders))
    return std::unexpected("spec.webhook.provider is none that shows states");
  if (!one_line(report.token)) return std::unexpected("the token of spec.statusTokenRef is none");
  std::string repository = url->path.substr(1);
  if (repository.ends_with(".git")) repository.resize(repository.size() - 4);
  if (!one_line(repository) || (provider->two_parts && std::ranges::count(repository, '/') != 1))
    return std::unexpected("spec.url does not name an owner and a repository");
  const bool plain = url->scheme == Scheme::Http;
  const std::string port = url->scheme == Scheme::Ssh ? "443" : std::to_string(url->port);
  const std::string host = url->host == "github.com" ? "api.github.com" : url->host;
  const Api api = provider->api(report, url->host, repository);
  const std::string body = api::to_text(api.body);
  const std::string shown = host.find(':') == host.npos ? host : "[" + host + "]";
  return ReportCall{
      .encrypted = !plain,
      .host = host,
      .port = port,
      .request = "POST " + api.path + " HTTP/1.1\r\nHost: " + shown +
                 (port == (plain ? "80" : "443") ? "" : ":" + port) + "\r\n" + api.header +
                 "\r\nUser-Agent: ingot\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
                 "Connection: close\r\nContent-Length: " +
                 std::to_string(body.size()) + "\r\n\r\n" + body};
}

}  // namespace ingot::git
