#include "host/webhook_worker.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <csignal>
#include <string_view>

#include "api/json.h"
#include "api/parse.h"
#include "base/encoding.h"
#include "env/git.h"
#include "host/beneath.h"
#include "host/git_connect.h"
#include "host/pod_place.h"
#include "host/worker.h"
#include "host/worker_line.h"

namespace ingot::host {
namespace {

namespace http = boost::beast::http;
using api::Json;
using api::JsonObject;
using api::string_at;

constexpr int kConnections = 3;
constexpr rlim_t kMemory = rlim_t(1) << 30, kCpuSeconds = 10;
constexpr uint32_t kLongestHead = 16 * 1024;
constexpr int kMostInterim = 4;
constexpr time_t kPatienceSeconds = 60;  // whoever started this ends it before

std::unexpected<Error> unreachable(std::string why) {
  return fail(env::git_error(env::kGitUnreachable, std::move(why)));
}

std::string request_of(const Json& order, std::string_view body) {
  std::string text = fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: ingot\r\nAccept: */*\r\nConnection: "
      "close\r\nContent-Length: {}\r\n",
      string_at(order, {"target"}), string_at(order, {"authority"}), body.size());
  for (const Json& header : api::array_at(order, {"headers"}))
    if (header.is_array() && header.get_array().size() == 2)
      text += fmt::format("{}: {}\r\n", string_at(header.get_array()[0], {}),
                          string_at(header.get_array()[1], {}));
  return text.append("\r\n").append(body);
}

struct Response {
  int status = 0;
  std::string body;
};

// One answer from what has come and what comes; the rest stays in `input`.
Result<Response> read_one(WorkerLine& line, std::string& input) {
  http::response_parser<http::string_body> parser;
  parser.header_limit(kLongestHead);
  parser.body_limit(kMostWebhookAnswer);
  parser.eager(true);
  boost::beast::error_code ec;
  char block[8 * 1024];
  for (bool more = false; !parser.is_done(); more = true) {
    if (more || input.empty()) {
      const ssize_t n = line.read(block, sizeof block);
      if (n <= 0) {
        if (parser.got_some()) parser.put_eof(ec);
        break;
      }
      input.append(block, size_t(n));
    }
    while (!input.empty() && !parser.is_done()) {
      const size_t taken = parser.put(boost::asio::const_buffer(input.data(), input.size()), ec);
      input.erase(0, taken);
      if (ec || taken == 0) break;
    }
    if (ec && ec != http::error::need_more) break;
    ec = {};
  }
  // What is too long, or was cut off, has said enough once its status is known.
  if (!parser.is_header_done()) return unreachable("it gave no answer of HTTP");
  return Response{int(parser.get().result_int()),
                  std::move(parser.get().body()).substr(0, kMostWebhookAnswer)};
}

Result<Response> post(const Json& order, SSL_CTX* trust) {
  const std::string host(string_at(order, {"host"}));
  auto socket = ask_connection(kConnections, host, std::string(string_at(order, {"port"})));
  if (!socket) return fail(socket.error());
  const timeval patience{kPatienceSeconds, 0};
  for (const int way : {SO_RCVTIMEO, SO_SNDTIMEO})
    ::setsockopt(socket->get(), SOL_SOCKET, way, &patience, sizeof patience);
  auto line = WorkerLine::open(std::move(*socket), trust, host);
  if (!line) return unreachable(line.error());
  const std::string body = parse_base64(string_at(order, {"body"})).value_or("");
  // Who hangs up early may have answered already.
  (void)line->write(request_of(order, body));
  std::string input;
  for (int n = 0; n < kMostInterim; ++n) {
    auto response = read_one(*line, input);
    if (!response || response->status / 100 != 1) return response;
  }
  return unreachable("it says to go on and never answers");
}

}  // namespace

int webhook_worker(std::span<const char* const> arguments) {
  if (arguments.size() != 1 || arguments[0] != std::string_view("webhook")) return -1;
  const auto order = api::parse_json(worker_input());
  if (!order) return worker_failed("cannot read what to send");
  const SslContextPtr trust = read_trust(std::string(string_at(*order, {"ca"})));
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit memory{kMemory, kMemory}, cpu{kCpuSeconds, kCpuSeconds};
  setrlimit(RLIMIT_AS, &memory);
  setrlimit(RLIMIT_CPU, &cpu);
  if (auto confined = confine_worker(); !confined) return worker_failed(confined.error().message);
  const auto response = post(*order, api::bool_at(*order, {"encrypted"}) ? trust.get() : nullptr);
  JsonObject said;
  if (response) {
    said = {{"status", response->status}, {"body", api::as_utf8(response->body)}};
  } else {
    const Error& error = response.error();
    said = {{"error", error.message}, {"cause", error.causes.empty() ? "" : error.causes.front().type}};
  }
  return write_all(1, api::to_text(said)) ? 0 : 1;
}

}  // namespace ingot::host
