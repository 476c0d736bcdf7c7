#include "host/http_ask.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>

#include "api/parse.h"
#include "base/encoding.h"
#include "host/beneath.h"
#include "host/disk_file.h"
#include "host/libcurl.h"
#include "host/worker.h"

namespace ingot::host {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr int kNetwork = 3;
constexpr long kMostRedirects = 10;
constexpr size_t kMostHeaders = 32 * 1024;
constexpr rlim_t kMemory = rlim_t(1) << 30;

Json text(std::string_view t) { return Json(boost::json::string_view(t.data(), t.size())); }

std::string order_of(const node::HttpRequest& r, const PodPlace& place) {
  JsonObject out = names_of(place);
  out["method"] = text(r.method);
  out["url"] = text(r.url);
  out["body"] = text(base64(r.body));
  out["timeoutMs"] = std::chrono::duration_cast<std::chrono::milliseconds>(r.timeout).count();
  out["insecure"] = r.insecure;
  JsonArray headers;
  for (const auto& [name, value] : r.headers)  // "Name;" sends one without a value
    headers.push_back(text(value.empty() ? name + ";" : name + ": " + value));
  out["headers"] = std::move(headers);
  return api::to_text(out);
}

struct Got {
  std::string body;
  JsonArray headers;
  size_t header_bytes = 0;
  bool full = false;
};

size_t take_body(char* bytes, size_t size, size_t count, void* to) {
  Got& got = *static_cast<Got*>(to);
  got.full |= got.body.size() + size * count > node::kMaxHttpBody;
  if (got.full) return 0;
  got.body.append(bytes, size * count);
  return size * count;
}

// One line of the header: of each answer on the way, the last counts.
size_t take_header(char* bytes, size_t size, size_t count, void* to) {
  Got& got = *static_cast<Got*>(to);
  std::string_view line(bytes, size * count);
  if (line.starts_with("HTTP/")) {
    got.headers.clear();
    got.header_bytes = 0;
  }
  const size_t colon = line.find(':');
  if (colon == line.npos) return size * count;
  got.full |= (got.header_bytes += line.size()) > kMostHeaders;
  if (got.full) return 0;
  const std::string_view name = line.substr(0, colon);
  line.remove_prefix(colon + 1);
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  got.headers.push_back(
      JsonArray{text(api::as_utf8(std::string(name))), text(api::as_utf8(std::string(line)))});
  return size * count;
}

// "": an answer came.
std::string make_request(const Libcurl& lib, const Json& order, Got& got, long& status) {
  const std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> curl(lib.curl_easy_init(),
                                                                   lib.curl_easy_cleanup);
  if (!curl) return "no memory";
  const auto set = [&](CURLoption option, auto value) { lib.curl_easy_setopt(curl.get(), option, value); };
  const std::string url(string_at(order, {"url"})), method(string_at(order, {"method"})),
      body = parse_base64(string_at(order, {"body"})).value_or("");
  const long timeout = long(api::int_at(order, {"timeoutMs"}).value_or(30'000));
  curl_slist* list = nullptr;
  bool typed = false;
  for (const Json& h : api::array_at(order, {"headers"})) {
    const std::string line(string_at(h, {}));
    typed |= ::strncasecmp(line.c_str(), "content-type", 12) == 0;
    list = lib.curl_slist_append(list, line.c_str());
  }
  for (const char* no : {"Expect:", typed ? nullptr : "Content-Type:"})  // which libcurl would add
    if (no) list = lib.curl_slist_append(list, no);
  const std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)> headers(list, lib.curl_slist_free_all);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, kMostRedirects);
  set(CURLOPT_TIMEOUT_MS, timeout);
  set(CURLOPT_CONNECTTIMEOUT_MS, timeout);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "ingot");
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_WRITEFUNCTION, &take_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&got));
  set(CURLOPT_HEADERFUNCTION, &take_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&got));
  if (api::bool_at(order, {"insecure"})) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (method == "HEAD") set(CURLOPT_NOBODY, 1L);
  if (!body.empty() || method == "POST") {
    set(CURLOPT_POSTFIELDSIZE, long(body.size()));
    set(CURLOPT_POSTFIELDS, body.data());
  }
  // As the method itself, a redirect may change it (to GET); given by name, it would stay.
  if (method != "HEAD" && method != "GET" && method != "POST") set(CURLOPT_CUSTOMREQUEST, method.c_str());
  if (method == "GET" && !body.empty()) set(CURLOPT_CUSTOMREQUEST, "GET");
  const CURLcode code = lib.curl_easy_perform(curl.get());
  lib.curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (got.full) return fmt::format("the answer of {} is larger than {} KiB", url, node::kMaxHttpBody / 1024);
  if (code == CURLE_OK) return "";
  return fmt::format("{} {}: {}", method, url, lib.curl_easy_strerror(code));
}

Result<node::HttpAnswer> read_answer(const std::string& told) {
  const size_t end = told.find('\n');
  const auto head = api::parse_json(std::string_view(told).substr(0, end));
  if (end == told.npos || !head) return fail(Reason::InternalError, "the worker's answer cannot be read");
  node::HttpAnswer out{.status = int(api::int_at(*head, {"statusCode"}).value_or(0)),
                       .body = told.substr(end + 1)};
  for (const Json& h : api::array_at(*head, {"headers"}))
    if (h.is_array() && h.get_array().size() == 2)
      out.headers.emplace_back(string_at(h.get_array()[0], {}), string_at(h.get_array()[1], {}));
  return out;
}

}  // namespace

Result<node::HttpAnswer> ask_apart(const node::HttpAsk& ask, const PodPlace& place) {
  const Fd network(::open(place.network.c_str(), O_RDONLY | O_CLOEXEC));
  if (!network) return fail(Reason::InternalError, "the pod has no network to ask through");
  const auto answer = run_worker({.arguments = {"http"},
                                  .deadline = ask.request.timeout + std::chrono::seconds(10),
                                  .most_output = node::kMaxHttpBody + 8 * kMostHeaders,
                                  .cancelled = ask.stop.get(),
                                  .input = order_of(ask.request, place),
                                  .files = {network.get()}});
  if (!answer) return fail(answer.error());
  return read_answer(*answer);
}

int http_worker(std::span<const char* const> arguments) {
  if (arguments.size() != 1 || arguments[0] != std::string_view("http")) return -1;
  const auto lib = Libcurl::load();
  if (!lib) return worker_failed(lib.error().message);
  const auto order = api::parse_json(worker_input());
  if (!order) return worker_failed("cannot read what to ask");
  if (auto entered = enter_pod(kNetwork, *order); !entered) return worker_failed(entered.error().message);
  ::close(kNetwork);
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit memory{kMemory, kMemory};
  setrlimit(RLIMIT_AS, &memory);
  if (auto confined = confine_worker(Keep::Network); !confined)
    return worker_failed(confined.error().message);
  Got got;
  long status = 0;
  if (const std::string wrong = make_request(**lib, *order, got, status); !wrong.empty())
    return worker_failed(wrong);
  const std::string head =
      api::to_text(JsonObject{{"statusCode", status}, {"headers", std::move(got.headers)}}) + "\n";
  return write_all(1, head) && write_all(1, got.body) ? 0 : 1;
}

}  // namespace ingot::host
