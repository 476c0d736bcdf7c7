#include "node/http_step.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/parse.h"
#include "base/encoding.h"

namespace ingot::node {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kMostUrl = 8'192, kMostHeaders = 100, kMostHeader = 64 * 1024;
constexpr int64_t kUsualSeconds = 30, kMostSeconds = 3'600;

std::unexpected<Error> wrong(std::string what) { return fail(Reason::Invalid, "http." + std::move(what)); }

bool one_line(std::string_view t) {
  return std::ranges::none_of(t, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}
// RFC 9110, token.
bool is_token(std::string_view t) {
  return !t.empty() && t.size() <= 256 && std::ranges::all_of(t, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

Result<std::string> header_value(const Json& header, const PodConfig* config) {
  const Json* ref = api::find(header, {"valueFrom", "secretKeyRef"});
  if (!ref) return std::string(string_at(header, {"value"}));
  if (!config) return std::string();
  auto value = secret_value(*ref, config);
  if (!value) return fail(value.error().reason, "http.headers: " + value.error().message);
  while (value->ends_with('\n') || value->ends_with('\r'))
    value->pop_back();  // as files of secrets often end
  return value;
}

Result<std::string> body_of(const Json& http) {
  const std::string_view bytes = string_at(http, {"bodyFrom", "bytes"});
  if (bytes.empty()) return std::string(string_at(http, {"body"}));
  auto body = parse_base64(bytes);
  if (!body) return wrong("bodyFrom.bytes: is no base64");
  return *std::move(body);
}

// "content-type" → "Content-Type", as Go's net/http names them.
std::string canonical(std::string_view name) {
  std::string out;
  bool first = true;
  for (const char c : name) {
    const bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z';
    out += first && lower ? char(c - 32) : !first && upper ? char(c + 32) : c;
    first = c == '-';
  }
  return out;
}

}  // namespace

Result<HttpRequest> http_request(const Json& http, const PodConfig* config) {
  HttpRequest out;
  out.method = string_at(http, {"method"});
  if (out.method.empty()) out.method = "GET";
  if (!is_token(out.method)) return wrong("method: is none");
  out.url = string_at(http, {"url"});
  if ((!out.url.starts_with("http://") && !out.url.starts_with("https://")) || !one_line(out.url) ||
      out.url.size() > kMostUrl)
    return wrong("url must begin with http:// or https://");
  const JsonArray& headers = api::array_at(http, {"headers"});
  if (headers.size() > kMostHeaders) return wrong("headers: too many");
  size_t bytes = 0;
  for (const Json& h : headers) {
    const std::string_view name = string_at(h, {"name"});
    auto value = header_value(h, config);
    if (!value) return fail(value.error());
    if (!is_token(name) || !one_line(*value))
      return wrong(fmt::format("headers: \"{}\" is no header", name.substr(0, 100)));
    if ((bytes += name.size() + value->size()) > kMostHeader) return wrong("headers: too long");
    out.headers.emplace_back(name, *std::move(value));
  }
  auto body = body_of(http);
  if (!body) return fail(body.error());
  out.body = *std::move(body);
  if (out.body.size() > kMaxHttpBody) return wrong("body: is too long");
  const int64_t seconds = api::int_at(http, {"timeoutSeconds"}).value_or(kUsualSeconds);
  out.timeout = std::chrono::seconds(seconds <= 0 ? kUsualSeconds : std::min(seconds, kMostSeconds));
  out.insecure = api::bool_at(http, {"insecureSkipVerify"});
  return out;
}

Json answer_json(const HttpAnswer& answer) {
  const auto text = [](std::string t) { return Json(boost::json::string(api::as_utf8(std::move(t)))); };
  JsonObject headers;
  for (const auto& [name, value] : answer.headers) {
    Json& values = headers[api::as_utf8(canonical(name))];
    if (!values.is_array()) values = JsonArray{};
    values.get_array().push_back(text(value));
  }
  return JsonObject{
      {"statusCode", answer.status}, {"headers", std::move(headers)}, {"body", text(answer.body)}};
}

}  // namespace ingot::node
