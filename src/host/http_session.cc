#include "host/http_session.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "host/status.h"

namespace ingot::host {
namespace {

constexpr size_t kSlice = 64 * 1024;          // most bytes in output_ at a time
constexpr size_t kMostPipelined = 64 * 1024;  // read while a stream goes out
constexpr size_t kMostLingered = 16u << 20;
constexpr int kBodyReads = 16;  // TLS records of a body before other connections have their turn
constexpr Duration kLinger = std::chrono::seconds(2);

const char* reason_phrase(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Request Entity Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Status";
  }
}

// Values come from our own code, but a name or warning within may have come from a client.
void append_header(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (const char c : value) out += (static_cast<unsigned char>(c) < ' ' || c == 0x7f) ? ' ' : c;
  out += "\r\n";
}

}  // namespace

HttpSession::HttpSession(SessionHost& host, Fd socket, SslPtr ssl, std::string remote)
    : host_(host),
      socket_(std::move(socket)),
      ssl_(std::move(ssl)),
      remote_(std::move(remote)),
      parser_(host.limits().header_bytes, host.limits().body_bytes,
              [&host](std::string_view method, std::string_view target) {
                return host.streams(method, target);
              }) {
  SSL_set_fd(ssl_.get(), socket_.get());
  SSL_set_accept_state(ssl_.get());
  within(host_.limits().handshake);
  want(true, false);
}

HttpSession::~HttpSession() { close(); }

void HttpSession::ready(bool readable, bool writable, bool broken) {
  if (broken) return close();
  if (writable && (phase_ == Phase::Replying || phase_ == Phase::Streaming)) write();
  if (writable && phase_ == Phase::Waiting) flush();  // the rest of a "100 Continue"
  switch (phase_) {
    case Phase::Handshake:
      return shake_hands();
    case Phase::Reading:
      if (readable) read_request();
      return;
    case Phase::Waiting:
      if (readable && taking_) return read_body();
      [[fallthrough]];
    case Phase::Replying:
      if (readable) want(false, writing_);  // a pipelined request waits its turn in the kernel
      return;
    case Phase::Streaming:
      if (readable) probe_peer();
      return;
    case Phase::Lingering:
      if (readable) linger();
      return;
    case Phase::Closed:
      return;
  }
}

void HttpSession::shake_hands() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    peer_ = verified_peer(ssl_.get());
    phase_ = Phase::Reading;
    within(host_.limits().header);
    want(true, false);
    return read_request();
  }
  switch (SSL_get_error(ssl_.get(), done)) {
    case SSL_ERROR_WANT_READ:
      return want(true, false);
    case SSL_ERROR_WANT_WRITE:
      return want(true, true);
    default:
      if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) plain_http_refusal();
      return close();
  }
}

void HttpSession::plain_http_refusal() {
  constexpr std::string_view kText =
      "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThis is an HTTPS server: use https://\n";
  (void)!::send(socket_.get(), kText.data(), kText.size(), MSG_NOSIGNAL);
  ::shutdown(socket_.get(), SHUT_WR);
}

void HttpSession::read_request() {
  std::string& scratch = host_.scratch();
  while (phase_ == Phase::Reading) {
    ERR_clear_error();
    used_ = true;
    const int n = SSL_read(ssl_.get(), scratch.data(), int(scratch.size()));
    if (n <= 0) {
      if (SSL_get_error(ssl_.get(), n) != SSL_ERROR_WANT_READ) close();
      return;
    }
    parse({scratch.data(), size_t(n)});
    // What OpenSSL does not hold, epoll reports: no read(2) only to hear EAGAIN.
    if (!SSL_has_pending(ssl_.get())) return;
  }
}

void HttpSession::parse(std::string_view fresh) {
  const bool was_started = parser_.started();
  if (!input_.empty()) {
    input_ += fresh;
    fresh = input_;
  }
  const size_t used = parser_.feed(fresh);
  // `fresh` may point into input_: cut what is left out before it is replaced.
  std::string rest(fresh.substr(used));
  input_ = std::move(rest);
  if (parser_.error()) return refuse(*parser_.error());
  if (parser_.done() || parser_.streamed()) return dispatch();
  if (!was_started && parser_.started()) within(host_.limits().header);
  if (parser_.wants_continue() && !std::exchange(continued_, true)) {
    output_ += "HTTP/1.1 100 Continue\r\n\r\n";
    flush();
  }
  if (parser_.reading_body() && !std::exchange(in_body_, true)) within(host_.limits().request);
}

void HttpSession::dispatch() {
  close_after_ = !parser_.keep_alive() || stopping_;
  http_1_0_ = parser_.http_1_0();
  continued_ = in_body_ = false;
  streamed_ = parser_.streamed();
  taking_ = body_whole_ = false;
  apiserver::Request request = streamed_ ? parser_.take_head() : parser_.take();
  head_only_ = request.method == "HEAD";
  quick_ = head_only_ || request.method == "GET";
  request.remote = remote_;
  if (peer_ && peer_->not_after > host_.wall()) request.certificate = peer_->certificate;
  phase_ = Phase::Waiting;
  within(host_.limits().answer);
  exchange_ = host_.dispatch(*this, std::move(request));
}

// The body is wanted: what has come of it, and then what comes.
void HttpSession::start_body(std::shared_ptr<BodySink> sink) {
  if (phase_ != Phase::Waiting || sink_) return sink->broken();
  if (!streamed_) return sink->whole();
  sink_ = std::move(sink);
  if (parser_.wants_continue()) {
    output_ += "HTTP/1.1 100 Continue\r\n\r\n";
    flush();
  }
  more_body();
}

void HttpSession::more_body() {
  if (phase_ != Phase::Waiting || !sink_ || body_whole_) return;
  taking_ = true;
  want(true, writing_);
  pass_body();
  read_body();  // what OpenSSL holds, epoll does not report
}

void HttpSession::read_body() {
  std::string& scratch = host_.scratch();
  for (int i = 0; taking_ && (i < kBodyReads || SSL_has_pending(ssl_.get())); ++i) {
    ERR_clear_error();
    used_ = true;
    const int n = SSL_read(ssl_.get(), scratch.data(), int(scratch.size()));
    if (n <= 0) {
      if (SSL_get_error(ssl_.get(), n) != SSL_ERROR_WANT_READ) close();
      return;
    }
    std::string_view fresh(scratch.data(), size_t(n));
    if (!input_.empty()) fresh = input_ += fresh;
    std::string rest(fresh.substr(parser_.feed(fresh)));
    input_ = std::move(rest);
    if (const Error* wrong = parser_.error()) {
      const Error error = *wrong;
      drop_exchange(true);
      return refuse(error);
    }
    pass_body();
  }
}

void HttpSession::pass_body() {
  const std::string piece = parser_.take_piece();
  const bool room = piece.empty() || exchange_->give(*sink_, piece);
  body_whole_ = parser_.done();
  if (body_whole_) sink_->whole();
  if (room && !body_whole_) return within(host_.limits().stalled);
  taking_ = false;
  want(false, writing_);
  within(host_.limits().stored);
}

// An answer of our own; the rest of what the peer sends cannot be told apart and is not read as a request.
void HttpSession::refuse(const Error& error) {
  apiserver::Reply reply = status_reply(error);
  close_after_ = true;
  start_reply(std::move(reply), false);
}

void HttpSession::deliver(Delivery& letter) {
  if (letter.exchange != exchange_ || phase_ == Phase::Closed) return;
  switch (letter.kind) {
    case Delivery::Kind::Reply:
      return start_reply(std::move(letter.reply), false);
    case Delivery::Kind::Begin:
      return start_reply(std::move(letter.reply), true);
    case Delivery::Kind::Write:
      if (letter.piece->empty()) return;
      if (head_only_) return exchange_->consumed(letter.piece->size());
      pieces_.push_back(std::move(letter.piece));
      break;
    case Delivery::Kind::End:
      ended_ = true;
      break;
    case Delivery::Kind::Cut:
      return close();
    case Delivery::Kind::ReadBody:
      return start_body(std::move(letter.sink));
    case Delivery::Kind::MoreBody:
      return more_body();
    case Delivery::Kind::Adopt:
    case Delivery::Kind::Stop:
      return;
  }
  if (!std::exchange(flush_due_, true)) host_.flush_later(*this);
}

void HttpSession::flush_stream() {
  flush_due_ = false;
  if (phase_ == Phase::Streaming && !writing_) write();
}

void HttpSession::start_reply(apiserver::Reply reply, bool streamed) {
  phase_ = streamed ? Phase::Streaming : Phase::Replying;
  ended_ = !streamed;
  chunked_ = streamed && !http_1_0_ && !reply.length;
  if (streamed && http_1_0_ && !reply.length) close_after_ = true;
  // What is left of a body that nobody wants cannot be told from the next request.
  if (streamed_ && !parser_.done()) close_after_ = true;
  if (std::exchange(taking_, false)) want(false, writing_);
  size_t size = 0;
  for (const apiserver::Piece& piece : reply.body) size += piece->size();

  fmt::format_to(std::back_inserter(output_), "HTTP/1.1 {} {}\r\n", reply.code, reason_phrase(reply.code));
  append_header(output_, "Content-Type", reply.content_type);
  append_header(output_, "Date", host_.date());
  for (const auto& [name, value] : reply.headers) append_header(output_, name, value);
  if (chunked_) append_header(output_, "Transfer-Encoding", "chunked");
  if (reply.length)
    append_header(output_, "Content-Length", std::to_string(*reply.length));
  else if (!streamed && reply.code != 204)
    append_header(output_, "Content-Length", std::to_string(size));
  if (close_after_) append_header(output_, "Connection", "close");
  output_ += "\r\n";
  if (head_only_ || reply.code == 304 || reply.code == 204) {
    chunked_ = chunked_ && !head_only_;
  } else {
    for (apiserver::Piece& piece : reply.body)
      if (!piece->empty()) pieces_.push_back(std::move(piece));
  }
  within(host_.limits().stalled);
  if (streamed) want(true, writing_);
  refill();  // head and body in one record
  write();
}

void HttpSession::write() {
  if (!flush()) return;
  if (phase_ == Phase::Closed) return;
  if (phase_ == Phase::Streaming && !ended_) {
    deadline_ = {};
    return;
  }
  finish_reply();
}

// True: everything there is has left (or the connection is closed).
bool HttpSession::flush() {
  while (true) {
    if (output_at_ == output_.size()) {
      output_.clear();
      output_at_ = 0;
      refill();
      if (output_.empty()) break;
    }
    ERR_clear_error();
    used_ = true;
    const int n = SSL_write(ssl_.get(), output_.data() + output_at_, int(output_.size() - output_at_));
    if (n > 0) {
      output_at_ += size_t(n);
      within(host_.limits().stalled);
      continue;
    }
    if (SSL_get_error(ssl_.get(), n) != SSL_ERROR_WANT_WRITE) {
      close();
      return true;
    }
    want(reading_, true);
    return false;
  }
  if (output_.capacity() > 2 * kSlice) output_.shrink_to_fit();
  if (writing_) want(reading_, false);
  return true;
}

// Takes the next slice of pieces into output_, as one chunk of a stream.
void HttpSession::refill() {
  if (phase_ != Phase::Replying && phase_ != Phase::Streaming) return;
  size_t size = 0;
  for (size_t i = 0, skip = piece_at_; i < pieces_.size() && size < kSlice; ++i, skip = 0)
    size += std::min(pieces_[i]->size() - skip, kSlice - size);
  if (size > 0) {
    if (chunked_) fmt::format_to(std::back_inserter(output_), "{:x}\r\n", size);
    for (size_t left = size; left > 0;) {
      const std::string& piece = *pieces_.front();
      const size_t n = std::min(left, piece.size() - piece_at_);
      output_.append(piece, piece_at_, n);
      piece_at_ += n;
      left -= n;
      if (piece_at_ < piece.size()) continue;
      pieces_.pop_front();
      piece_at_ = 0;
    }
    if (chunked_) output_ += "\r\n";
    if (phase_ == Phase::Streaming && exchange_) exchange_->consumed(size);
  }
  if (pieces_.empty() && ended_ && std::exchange(chunked_, false)) output_ += "0\r\n\r\n";
}

void HttpSession::drop_exchange(bool failed) {
  if (auto sink = std::exchange(sink_, nullptr); sink && !body_whole_) sink->broken();
  if (!exchange_) return;
  if (failed) exchange_->failed();
  host_.forget(*exchange_);
  exchange_ = nullptr;
}

void HttpSession::finish_reply() {
  drop_exchange(false);
  ended_ = false;
  if (close_after_ || stopping_) {
    SSL_shutdown(ssl_.get());
    ::shutdown(socket_.get(), SHUT_WR);
    phase_ = Phase::Lingering;
    within(kLinger);
    want(true, false);
    return;
  }
  phase_ = Phase::Reading;
  if (std::exchange(streamed_, false)) (void)parser_.take();
  within(host_.limits().idle);
  want(true, false);
  if (!input_.empty()) parse({});
  if (phase_ == Phase::Reading && SSL_has_pending(ssl_.get())) read_request();
}

// While a stream goes out, the peer can only leave or ask something for later.
void HttpSession::probe_peer() {
  if (input_.size() >= kMostPipelined) return want(false, writing_);
  std::string& scratch = host_.scratch();
  ERR_clear_error();
  const int n = SSL_read(ssl_.get(), scratch.data(), int(scratch.size()));
  if (n > 0)
    input_.append(scratch, 0, size_t(n));
  else if (SSL_get_error(ssl_.get(), n) != SSL_ERROR_WANT_READ)
    close();
}

void HttpSession::linger() {
  std::string& scratch = host_.scratch();
  const ssize_t n = ::recv(socket_.get(), scratch.data(), scratch.size(), 0);
  if (n <= 0 || (lingered_ += size_t(n)) > kMostLingered) close();
}

// A connection that says nothing for a while gives back OpenSSL's two record buffers, most of what it holds. Giving
// them back after each record (SSL_MODE_RELEASE_BUFFERS) would cost a busy one two large allocations a request.
void HttpSession::rest() {
  if (std::exchange(used_, false) || phase_ == Phase::Handshake || SSL_has_pending(ssl_.get())) return;
  SSL_free_buffers(ssl_.get());
}

void HttpSession::tick() {
  rest();
  if (phase_ == Phase::Closed || deadline_ == Instant{} || host_.now() < deadline_) return;
  if (phase_ != Phase::Waiting) return close();
  drop_exchange(true);
  refuse({.reason = Reason::Timeout,
          .message = "the request was not answered in time; it may still take effect"});
}

void HttpSession::stop() {
  stopping_ = true;
  if (phase_ == Phase::Handshake || phase_ == Phase::Reading || phase_ == Phase::Lingering) close();
  if (phase_ != Phase::Streaming) return;
  drop_exchange(true);
  ended_ = true;
  close_after_ = true;
  if (!writing_) write();
}

void HttpSession::close() {
  if (std::exchange(phase_, Phase::Closed) == Phase::Closed) return;
  drop_exchange(true);
  pieces_.clear();
  host_.closed(*this);
  ::shutdown(socket_.get(), SHUT_RDWR);
}

void HttpSession::want(bool read, bool write) {
  if (reading_ == read && writing_ == write) return;
  reading_ = read;
  writing_ = write;
  host_.interest(*this, read, write);
}

void HttpSession::within(Duration duration) { deadline_ = host_.now() + duration; }

}  // namespace ingot::host
