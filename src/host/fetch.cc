#include "host/fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "api/json.h"
#include "host/beneath.h"
#include "host/libcurl.h"
#include "host/pod_place.h"
#include "host/worker.h"

namespace ingot::host {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr int kFile = 3, kNetwork = 4;  // files of the worker
// Where it looks for names: the pod's files in place of the machine's, and nobody of the machine is asked.
constexpr Duration kLongest = std::chrono::hours(2);
constexpr long kConnectSeconds = 15, kSilentSeconds = 60, kMostRedirects = 10;
constexpr int kTries = 3;
constexpr rlim_t kMemory = rlim_t(4) << 30;

Json text(std::string_view t) { return Json(boost::json::string_view(t.data(), t.size())); }

// As a part of a URL's path: "/" stays.
std::string encoded(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").contains(c);
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", uint8_t(c));
  }
  return out;
}

// What the worker is told; nobody else sees it.
std::string order_of(const node::ArtifactSource& s, const PodPlace& place) {
  JsonObject out = names_of(place);
  out["user"] = text(s.user);
  out["password"] = text(s.password);
  JsonArray headers;
  for (const auto& [name, value] : s.headers) headers.push_back(text(name + ": " + value));
  if (s.from == node::ArtifactSource::From::S3) {
    out["url"] = text(fmt::format("{}://{}/{}/{}", s.insecure ? "http" : "https", s.endpoint,
                                  encoded(s.bucket), encoded(s.text)));
    if (!s.user.empty()) {
      out["sign"] = text("aws:amz:" + s.region + ":s3");
      headers.push_back(text("x-amz-content-sha256: " + Digest::of("").hex()));  // which S3 asks for
    }
    if (!s.token.empty()) headers.push_back(text("x-amz-security-token: " + s.token));
  } else {
    out["url"] = text(s.text);
  }
  out["headers"] = std::move(headers);
  return api::to_text(out);
}

struct Target {
  int64_t room;
  int64_t written = 0;
  bool full = false;
};

size_t take(char* bytes, size_t size, size_t count, void* to) {
  Target& target = *static_cast<Target*>(to);
  const size_t n = size * count;
  target.full = target.written + int64_t(n) > target.room;
  if (target.full || !write_all(kFile, {bytes, n})) return 0;
  target.written += int64_t(n);
  return n;
}

struct Fetched {
  CURLcode code = CURLE_OK;
  long status = 0;
  bool full = false;
};

Fetched once(const Libcurl& lib, const Json& order, int64_t room) {
  const std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> curl(lib.curl_easy_init(),
                                                                   lib.curl_easy_cleanup);
  Fetched out{.code = CURLE_OUT_OF_MEMORY};
  if (!curl) return out;
  Target target{.room = room};
  const auto set = [&](CURLoption option, auto value) { lib.curl_easy_setopt(curl.get(), option, value); };
  const std::string url(api::string_at(order, {"url"})), user(api::string_at(order, {"user"})),
      password(api::string_at(order, {"password"})), sign(api::string_at(order, {"sign"}));
  curl_slist* list = nullptr;
  for (const Json& h : api::array_at(order, {"headers"}))
    list = lib.curl_slist_append(list, std::string(api::string_at(h, {})).c_str());
  const std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)> headers(list, lib.curl_slist_free_all);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_FOLLOWLOCATION, sign.empty() ? 1L : 0L);
  set(CURLOPT_MAXREDIRS, kMostRedirects);
  set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "ingot");
  set(CURLOPT_WRITEFUNCTION, &take);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&target));
  if (headers) set(CURLOPT_HTTPHEADER, headers.get());
  if (!user.empty()) {
    set(CURLOPT_USERNAME, user.c_str());
    set(CURLOPT_PASSWORD, password.c_str());
  }
  if (!sign.empty()) set(CURLOPT_AWS_SIGV4, sign.c_str());
  out.code = lib.curl_easy_perform(curl.get());
  lib.curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &out.status);
  out.full = target.full;
  return out;
}

bool may_pass(const Fetched& f) {
  constexpr CURLcode kPassing[] = {CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING,
                                   CURLE_RECV_ERROR,      CURLE_SEND_ERROR,         CURLE_PARTIAL_FILE};
  if (f.code != CURLE_OK) return std::ranges::find(kPassing, f.code) != std::end(kPassing);
  return f.status == 429 || f.status >= 500;
}

std::string first_line_of_file() {
  char body[256] = {};
  const ssize_t n = ::pread(kFile, body, sizeof body - 1, 0);
  std::string line(body, size_t(std::max<ssize_t>(n, 0)));
  line = line.substr(0, line.find_first_of("\r\n"));
  std::erase_if(line, [](char c) { return uint8_t(c) < 32 || uint8_t(c) > 126; });
  return line;
}

// "": it is there.
std::string fetch(const Libcurl& lib, const Json& order, int64_t room, bool& missing) {
  Fetched got;
  for (int n = 0; n < kTries; ++n) {
    if (n > 0) std::this_thread::sleep_for(std::chrono::seconds(1 << (n - 1)));
    if (::ftruncate(kFile, 0) != 0 || ::lseek(kFile, 0, SEEK_SET) != 0) return "cannot write it";
    got = once(lib, order, room);
    if (!may_pass(got)) break;
  }
  const std::string url(api::string_at(order, {"url"}));
  if (got.full) return fmt::format("{} is larger than the {} bytes that there is room for", url, room);
  if (got.code != CURLE_OK) return fmt::format("{}: {}", url, lib.curl_easy_strerror(got.code));
  missing = got.status == 404 || got.status == 410;
  if (got.status / 100 == 2) return "";
  const std::string body = first_line_of_file();
  return fmt::format("{} answers with status {}{}{}", url, got.status, body.empty() ? "" : ": ", body);
}

}  // namespace

Result<void> fetch_apart(const node::ArtifactSource& source, const PodPlace& place, const Fd& file,
                         int64_t most, const std::atomic<bool>* stopped) {
  const Fd network(::open(place.network.c_str(), O_RDONLY | O_CLOEXEC));
  if (!network) return fail(Reason::InternalError, "the pod has no network to fetch it through");
  const WorkerJob job{.arguments = {"fetch", std::to_string(most)},
                      .deadline = kLongest,
                      .most_output = 4096,
                      .cancelled = stopped,
                      .input = order_of(source, place),
                      .files = {file.get(), network.get()}};
  const auto answer = run_worker(job);
  if (!answer) return fail(answer.error());
  if (answer->starts_with("missing "))
    return fail(Reason::NotFound, answer->substr(8, answer->find('\n') - 8));
  return {};
}

int fetch_worker(std::span<const char* const> arguments) {
  if (arguments.size() != 2 || arguments[0] != std::string_view("fetch")) return -1;
  int64_t room = 0;
  const std::string_view most = arguments[1];
  std::from_chars(most.data(), most.data() + most.size(), room);
  const auto lib = Libcurl::load();
  if (!lib) return worker_failed(lib.error().message);
  const auto order = api::parse_json(worker_input());
  if (!order) return worker_failed("cannot read what to fetch");
  if (auto entered = enter_pod(kNetwork, *order); !entered) return worker_failed(entered.error().message);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit size{rlim_t(room), rlim_t(room)}, memory{kMemory, kMemory};
  setrlimit(RLIMIT_FSIZE, &size);
  setrlimit(RLIMIT_AS, &memory);
  ::close(kNetwork);
  if (auto confined = confine_worker(Keep::Network); !confined)
    return worker_failed(confined.error().message);
  bool missing = false;
  const std::string wrong = fetch(**lib, *order, room, missing);
  if (missing) {
    std::printf("missing %s\n", wrong.c_str());
    return 0;
  }
  if (!wrong.empty()) return worker_failed(wrong);
  std::puts("fetched");
  return 0;
}

}  // namespace ingot::host
