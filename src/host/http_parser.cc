#include "host/http_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <utility>

#include "git/hook.h"

namespace ingot::host {
namespace http = boost::beast::http;
using boost::beast::error_code;
using View = boost::beast::string_view;

namespace {
constexpr size_t kMostHookHeaders = 16;
std::string text(View view) { return std::string(view.data(), view.size()); }
bool starts_with_impersonate(View name) {
  constexpr std::string_view kPrefix = "impersonate-";
  return name.size() >= kPrefix.size() && std::equal(kPrefix.begin(), kPrefix.end(), name.begin(),
                                                     [](char a, char b) { return a == (b | 0x20); });
}
}  // namespace

struct HttpParser::Impl final : http::basic_parser<true> {
  apiserver::Request request;
  std::optional<Error> error;
  bool started = false, expects_continue = false, body_started = false;
  bool has_authorization = false, http_1_0 = false, streamed = false;
  const Streams* streams = nullptr;

  void on_request_impl(http::verb, View method, View target, int version, error_code&) override {
    http_1_0 = version < 11;
    request.method = text(method);
    request.target = text(target);
    streamed = *streams && (*streams)(request.method, request.target);
    if (streamed) body_limit(boost::none);
  }
  void on_response_impl(int, View, int, error_code&) override {}
  void on_field_impl(http::field field, View name, View value, error_code& ec) override {
    switch (field) {
      case http::field::authorization:
        if (std::exchange(has_authorization, true)) refuse("more than one Authorization header", ec);
        request.authorization = text(value);
        break;
      case http::field::accept:
        // Several Accept headers mean one list.
        if (!request.accept.empty()) request.accept += ',';
        request.accept += text(value);
        break;
      case http::field::content_type:
        request.content_type = text(value);
        break;
      case http::field::content_length: {
        int64_t bytes = 0;
        if (std::from_chars(value.data(), value.data() + value.size(), bytes).ec == std::errc() && bytes >= 0)
          request.body_bytes = bytes;
        break;
      }
      case http::field::content_range:
        request.content_range = text(value);
        break;
      case http::field::range:
        request.range = text(value);
        break;
      case http::field::user_agent:
        request.user_agent = text(value);
        break;
      case http::field::expect:
        expects_continue = boost::beast::iequals(value, "100-continue");
        break;
      case http::field::content_encoding:
        if (!boost::beast::iequals(value, "identity")) refuse("a Content-Encoding is not supported", ec);
        break;
      default:
        note_hook(name, value);
        // Ignoring these would act as the caller where the caller asked to act as somebody else.
        if (starts_with_impersonate(name)) refuse("impersonation is not supported", ec);
    }
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const& size, error_code&) override {
    if (size) request.body.reserve(std::min<uint64_t>(*size, 64 * 1024));
  }
  std::size_t on_body_impl(View body, error_code&) override { return take_body(body); }
  void on_chunk_header_impl(std::uint64_t, View, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View body, error_code&) override { return take_body(body); }
  void on_finish_impl(error_code&) override {}

  void note_hook(View name, View value) {
    if (name.empty() || (name[0] | 0x20) != 'x' || request.hook_headers.size() >= kMostHookHeaders) return;
    std::string lower = text(name);
    for (char& c : lower) c = char(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    if (git::is_hook_header(lower)) request.hook_headers.emplace_back(std::move(lower), text(value));
  }
  std::size_t take_body(View body) {
    body_started = true;
    request.body.append(body.data(), body.size());
    return body.size();
  }
  void refuse(std::string message, error_code& ec) {
    error = Error{.reason = Reason::BadRequest, .message = std::move(message)};
    ec = http::error::bad_value;
  }
};

HttpParser::HttpParser(uint32_t header_limit, uint64_t body_limit, Streams streams)
    : header_limit_(header_limit), body_limit_(body_limit), streams_(std::move(streams)) {
  reset();
}
HttpParser::~HttpParser() = default;

void HttpParser::reset() {
  impl_ = std::make_unique<Impl>();
  impl_->streams = &streams_;
  impl_->eager(true);
  impl_->header_limit(header_limit_);
  impl_->body_limit(body_limit_);
}

size_t HttpParser::feed(std::string_view bytes) {
  if (bytes.empty() || impl_->error || impl_->is_done()) return 0;
  impl_->started = true;
  size_t used = 0;
  // put() stops at the end of the header and of each piece of a body, so it is called until it needs more.
  while (used < bytes.size() && !impl_->is_done()) {
    error_code ec;
    const size_t n = impl_->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
    used += n;
    if (ec == http::error::need_more || (!ec && n == 0)) break;
    if (!ec) continue;
    if (impl_->error) break;
    if (ec == http::error::body_limit)
      impl_->error = Error{.reason = Reason::RequestEntityTooLarge,
                           .message = fmt::format("Request entity too large: limit is {}", body_limit_)};
    else if (ec == http::error::header_limit)
      impl_->error = Error{.reason = Reason::BadRequest,
                           .message = fmt::format("request header too large: limit is {}", header_limit_)};
    else
      impl_->error =
          Error{.reason = Reason::BadRequest, .message = "not an HTTP/1.1 request: " + ec.message()};
    break;
  }
  return used;
}

bool HttpParser::done() const { return !impl_->error && impl_->is_done(); }
bool HttpParser::started() const { return impl_->started; }
bool HttpParser::wants_continue() const {
  return impl_->expects_continue && impl_->is_header_done() && !impl_->is_done() && !impl_->body_started;
}
bool HttpParser::reading_body() const { return impl_->is_header_done() && !impl_->is_done(); }
const Error* HttpParser::error() const { return impl_->error ? &*impl_->error : nullptr; }
bool HttpParser::keep_alive() const {
  return !impl_->error && impl_->is_header_done() && impl_->keep_alive();
}
bool HttpParser::http_1_0() const { return impl_->http_1_0; }

bool HttpParser::streamed() const { return !impl_->error && impl_->streamed && impl_->is_header_done(); }
apiserver::Request HttpParser::take_head() {
  apiserver::Request head = std::move(impl_->request);
  impl_->request = {.body = std::exchange(head.body, {})};
  return head;
}
std::string HttpParser::take_piece() { return std::exchange(impl_->request.body, {}); }

apiserver::Request HttpParser::take() {
  apiserver::Request request = std::move(impl_->request);
  reset();
  return request;
}

}  // namespace ingot::host
