#include "apiserver/path.h"

#include <fmt/format.h>

#include <charconv>

#include "base/encoding.h"

namespace ingot::apiserver {
namespace {
constexpr size_t kMostTarget = 16 * 1024;
constexpr size_t kMostSegments = 32;
constexpr size_t kMostParameters = 64;

bool has_control(std::string_view text) {
  for (char c : text)
    if (uint8_t(c) < 0x20 || c == 0x7f) return true;
  return false;
}

Result<std::vector<std::string>> split_path(std::string_view path) {
  if (!path.starts_with('/')) return fail(Reason::BadRequest, "the request path must start with \"/\"");
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  std::vector<std::string> segments;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view raw = path.substr(0, slash);
    path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
    if (slash != std::string_view::npos && path.empty())
      return fail(Reason::BadRequest, "the request path has an empty segment");
    std::optional<std::string> segment = percent_decode(raw, false);
    if (!segment)
      return fail(Reason::BadRequest, fmt::format("the request path has a bad escape in \"{}\"", raw));
    if (segment->empty()) return fail(Reason::BadRequest, "the request path has an empty segment");
    if (*segment == "." || *segment == ".." || segment->find('/') != segment->npos || has_control(*segment))
      return fail(Reason::BadRequest,
                  "the request path has a segment that no name can be: \".\", \"..\", \"/\" or a "
                  "control character");
    segments.push_back(std::move(*segment));
    if (segments.size() > kMostSegments)
      return fail(Reason::BadRequest, "the request path has too many segments");
  }
  return segments;
}

// The part of apiserver's RequestInfo that matters (apiserver: pkg/endpoints/request/requestinfo.go).
void read_resource(Route& route, size_t at) {
  const std::vector<std::string>& s = route.segments;
  const auto left = [&](size_t n) { return s.size() >= at + n; };
  if (left(3) && s[at] == "namespaces" && s[at + 2] != "status" && s[at + 2] != "finalize") {
    route.ns = s[at + 1];
    at += 2;
  }
  if (!left(1)) return;
  route.endpoint = Endpoint::Resource;
  route.resource = s[at];
  if (left(2)) route.name = s[at + 1];
  if (left(3)) route.subresource = s[at + 2];
  for (size_t i = at + 3; i < s.size(); ++i) (route.subresource += '/') += s[i];
}

void classify(Route& route) {
  const std::vector<std::string>& s = route.segments;
  if (s.empty()) return;
  if (s[0] == "healthz" || s[0] == "livez" || s[0] == "readyz") {
    route.endpoint = Endpoint::Health;
  } else if (s[0] == "version" && s.size() == 1) {
    route.endpoint = Endpoint::Version;
  } else if (s[0] == "openapi") {
    route.endpoint = Endpoint::Discovery;
  } else if (s[0] == "blobs") {
    route.endpoint = Endpoint::Blobs;
    route.group = "factory.ingot.dev";
    route.resource = "blobs";
    if (s.size() == 2) route.name = s[1];
  } else if (s[0] == "mlflow") {
    route.endpoint = Endpoint::Mlflow;
    route.group = "factory.ingot.dev";
  } else if (s[0] == "hooks" && s.size() == 3 && !route.cluster.empty() && !route.every_cluster) {
    route.endpoint = Endpoint::Hook;
    route.group = "factory.ingot.dev";
    route.resource = "repositories";
    route.subresource = "hook";
    route.ns = s[1];
    route.name = s[2];
  } else if (s[0] == "api") {
    if (s.size() > 1) route.version = s[1];
    route.endpoint = Endpoint::Discovery;
    if (s.size() > 2) read_resource(route, 2);
  } else if (s[0] == "apis") {
    if (s.size() > 1) route.group = s[1];
    if (s.size() > 2) route.version = s[2];
    route.endpoint = Endpoint::Discovery;
    if (s.size() > 3) read_resource(route, 3);
  }
}
}  // namespace

Result<Query> Query::parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const size_t amp = text.find('&');
    const std::string_view pair = text.substr(0, amp);
    text = amp == text.npos ? std::string_view{} : text.substr(amp + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    std::optional<std::string> name = percent_decode(pair.substr(0, equals), true);
    std::optional<std::string> value =
        equals == pair.npos ? std::string() : percent_decode(pair.substr(equals + 1), true);
    if (!name || !value) return fail(Reason::BadRequest, "the query string has a bad escape");
    query.values_.emplace_back(std::move(*name), std::move(*value));
    if (query.values_.size() > kMostParameters)
      return fail(Reason::BadRequest,
                  fmt::format("the query string has more than {} parameters", kMostParameters));
  }
  return query;
}

std::string_view Query::get(std::string_view name) const {
  for (const auto& [key, value] : values_)
    if (key == name) return value;
  return {};
}
bool Query::has(std::string_view name) const {
  for (const auto& [key, value] : values_)
    if (key == name) return true;
  return false;
}
bool Query::flag(std::string_view name) const {
  const std::string_view value = get(name);
  return has(name) && value != "false" && value != "0" && value != "False";
}
Result<int64_t> Query::number(std::string_view name, int64_t otherwise, int64_t most) const {
  const std::string_view text = get(name);
  if (text.empty()) return otherwise;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > most)
    return fail(Reason::BadRequest, fmt::format("query parameter {}: \"{}\" is not a number from 0 to {}",
                                                name, text.substr(0, 40), most));
  return value;
}

Result<Route> parse_target(std::string_view target) {
  if (target.size() > kMostTarget)
    return fail(Reason::BadRequest, "the request target is longer than 16 KiB");
  const size_t question = target.find('?');
  Result<std::vector<std::string>> segments = split_path(target.substr(0, question));
  if (!segments) return fail(std::move(segments.error()));
  Route route;
  if (question != target.npos) {
    Result<Query> query = Query::parse(target.substr(question + 1));
    if (!query) return fail(std::move(query.error()));
    route.query = std::move(*query);
  }
  route.segments = std::move(*segments);
  if (route.segments.size() >= 2 && route.segments[0] == "clusters") {
    route.cluster = route.segments[1];
    route.every_cluster = route.cluster == "*";
    route.segments.erase(route.segments.begin(), route.segments.begin() + 2);
  }
  for (const std::string& segment : route.segments) (route.path += '/') += segment;
  if (route.path.empty()) route.path = "/";
  classify(route);
  return route;
}

std::string_view verb_of(std::string_view method, const Route& route) {
  const bool one = !route.name.empty();
  if (method == "GET") return route.query.flag("watch") ? "watch" : one ? "get" : "list";
  if (method == "POST") return "create";
  if (method == "PUT" && one) return "update";
  if (method == "PATCH" && one) return "patch";
  if (method == "DELETE") return one ? "delete" : "deletecollection";
  return {};
}

}  // namespace ingot::apiserver
