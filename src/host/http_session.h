// One client connection: TLS handshake, requests one after another, replies and streams back.
//
// A state machine over a non-blocking socket that OpenSSL reads and writes itself, driven by the I/O thread's epoll:
// Handshake → Reading → Waiting (the API server has the request, and of a streamed one the body is read if it wants
// it) → Replying | Streaming → Reading …, and at the end
// Lingering (everything said; what the peer still sends is thrown away so that it can read the answer) → Closed.
// Thread rule: its I/O thread. Invariant: at most one request of a connection is with the API server.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "apiserver/request.h"
#include "env/env.h"
#include "host/http_exchange.h"
#include "host/http_parser.h"
#include "host/tls.h"

namespace ingot::host {

struct HttpLimits {
  uint32_t header_bytes = 64 * 1024;
  uint64_t body_bytes = 3u << 20;
  size_t connections = 20'000;
  size_t stream_bytes = 32u << 20;  // of one watch or log, waiting for a slow peer
  size_t all_streams_bytes = 256u << 20;
  Duration handshake = std::chrono::seconds(10);
  Duration header = std::chrono::seconds(10);
  Duration request = std::chrono::seconds(60);  // until the whole body is here
  Duration answer = std::chrono::seconds(65);   // from the API server
  Duration idle = std::chrono::seconds(120);
  Duration stalled =
      std::chrono::seconds(30);  // a peer that takes nothing, or sends nothing of a streamed body
  Duration stored = std::chrono::seconds(600);  // until a streamed body is stored
};

class HttpSession;

// What a session needs of its I/O thread.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const HttpLimits& limits() const = 0;
  virtual Instant now() const = 0;  // of this batch of events
  virtual WallTime wall() const = 0;
  virtual const std::string& date() const = 0;  // for the Date header
  virtual std::string& scratch() = 0;           // a read buffer shared by all sessions of the thread
  virtual bool streams(std::string_view method, std::string_view target) const = 0;
  virtual void interest(HttpSession&, bool read, bool write) = 0;
  virtual void closed(HttpSession&) = 0;
  // Calls HttpSession::flush_stream once what else is in the thread's mail is read: pieces of one stream that come
  // together leave together.
  virtual void flush_later(HttpSession&) = 0;
  // Hands the request on; answers come through HttpSession::deliver until forget().
  virtual std::shared_ptr<HttpExchange> dispatch(HttpSession&, apiserver::Request) = 0;
  virtual void forget(const HttpExchange&) = 0;
};

class HttpSession {
 public:
  HttpSession(SessionHost&, Fd socket, SslPtr, std::string remote);
  ~HttpSession();

  void ready(bool readable, bool writable, bool broken);
  void deliver(Delivery&);
  void flush_stream();
  void tick();                           // once a second: deadlines
  void stop();                           // as soon as what is being answered is answered
  bool quick() const { return quick_; }  // its last request only read, so the next may too
  bool closed() const { return phase_ == Phase::Closed; }
  int fd() const { return socket_.get(); }

 private:
  enum class Phase : uint8_t { Handshake, Reading, Waiting, Replying, Streaming, Lingering, Closed };

  void shake_hands();
  void read_request();
  void parse(std::string_view fresh);
  void dispatch();
  void start_body(std::shared_ptr<BodySink>);
  void more_body();
  void read_body();
  void pass_body();
  void refuse(const Error&);
  void start_reply(apiserver::Reply, bool streamed);
  void write();
  bool flush();
  void refill();
  void finish_reply();
  void drop_exchange(bool failed);
  void probe_peer();
  void linger();
  void close();
  void want(bool read, bool write);
  void within(Duration);
  void rest();
  void plain_http_refusal();

  SessionHost& host_;
  Fd socket_;
  SslPtr ssl_;
  const std::string remote_;
  std::optional<VerifiedPeer> peer_;
  HttpParser parser_;
  std::string input_;  // read, not yet taken by the parser
  std::shared_ptr<HttpExchange> exchange_;
  std::deque<apiserver::Piece> pieces_;
  size_t piece_at_ = 0;  // bytes of pieces_.front() already in output_
  std::string output_;
  size_t output_at_ = 0;
  size_t lingered_ = 0;
  Instant deadline_{};
  Phase phase_ = Phase::Handshake;
  bool reading_ = false, writing_ = false;  // epoll interest
  bool head_only_ = false, http_1_0_ = false, chunked_ = false, ended_ = false;
  bool flush_due_ = false, quick_ = false;
  bool used_ = false;  // since the last tick
  bool close_after_ = false, stopping_ = false, continued_ = false, in_body_ = false;
  // Of a request whose body is streamed, and its body is being read, or was.
  bool streamed_ = false, taking_ = false, body_whole_ = false;
  std::shared_ptr<BodySink> sink_;
};

}  // namespace ingot::host
