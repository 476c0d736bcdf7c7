// One request's way back from the loop to the I/O thread that owns its connection.
//
// Thread rule: the apiserver::Exchange part and peer_gone() on the loop; give(), consumed() and failed() on the I/O thread;
// body_taken() anywhere.
// Invariants: what is said to the Exchange arrives in order; at most `limit` bytes of a stream (and `total_limit` of
// all streams of a server) wait for a slow peer, beyond it the stream is cut.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "apiserver/request.h"
#include "env/env.h"
#include "host/disk_file.h"

namespace ingot::host {

class HttpExchange;

// Takes a request's body as it comes. Called on the I/O thread: keep it short and wait for nothing.
struct BodySink {
  virtual ~BodySink() = default;
  virtual void take(std::string_view piece) = 0;
  virtual void whole() = 0;   // that was all
  virtual void broken() = 0;  // the rest will not come, or is not wanted any more
};

struct Delivery {
  enum class Kind : uint8_t { Reply, Begin, Write, End, Cut, ReadBody, MoreBody, Adopt, Stop } kind;
  std::shared_ptr<HttpExchange> exchange;
  apiserver::Reply reply;
  apiserver::Piece piece;
  std::shared_ptr<BodySink> sink;  // ReadBody
  Fd socket;                       // Adopt: a new connection
  bool quick = false;              // the answer to a request that only reads
};

// What an I/O thread is told by others. Wakes it only when it sleeps. Quick letters overtake the others: a commit
// answers a hundred writes at once, and who reads does not wait for those.
class Mailbox {
 public:
  Mailbox();
  void put(Delivery);
  // The quick ones and some of the others; `sleep` says that the owner will sleep if that is nothing.
  std::vector<Delivery> take(bool sleep);
  int wake_fd() const { return wake_.get(); }
  void acknowledge();  // the owner was woken through wake_fd()

 private:
  std::mutex mutex_;
  std::deque<Delivery> letters_, quick_;  // guarded
  bool sleeping_ = false;                 // guarded
  Fd wake_;
};

// An Exchange whose peer's pace can be followed: logs read their file no faster than it is taken.
struct PacedExchange : apiserver::Exchange {
  // Posts `ready` once little of what was written still waits for the peer. Not called after the stream is over.
  virtual void when_drained(env::Task ready) = 0;
  // Ends a stream that cannot be finished, so that the peer does not take it for the whole.
  virtual void cut() = 0;
};

// An Exchange of a request whose body is still to come (HttpParser::Streams).
struct StreamedExchange : PacedExchange {
  static constexpr size_t kMost = 1u << 20;  // of a body, given and not yet done with; then it is not read on
  static constexpr size_t kLittle = kMost / 4;
  // The loop, once: the body is wanted. `sink` hears its end or that it breaks off, whatever the Exchange is told.
  virtual void read_body(std::shared_ptr<BodySink>) = 0;
  // Any thread: so much of it is done with.
  virtual void body_taken(size_t bytes) = 0;
};

struct StreamLimits {
  size_t one = 0;
  size_t total = 0;
  std::atomic<size_t> used = 0;
};

class HttpExchange final : public StreamedExchange, public std::enable_shared_from_this<HttpExchange> {
 public:
  // `quick`: of a request that only reads.
  HttpExchange(std::shared_ptr<Mailbox> mailbox, env::Loop& loop, std::shared_ptr<StreamLimits> limits,
               bool quick)
      : mailbox_(std::move(mailbox)), loop_(loop), limits_(std::move(limits)), quick_(quick) {}
  ~HttpExchange() override;

  void reply(apiserver::Reply) override;
  void begin(apiserver::Reply head) override;
  bool write(apiserver::Piece) override;
  void end() override;
  void on_close(std::move_only_function<void()>) override;
  void when_drained(env::Task) override;
  void cut() override;
  void read_body(std::shared_ptr<BodySink>) override;
  void body_taken(size_t bytes) override;
  void peer_gone();

  // I/O thread: hands a piece of the body on; false: enough waits, MoreBody comes.
  bool give(BodySink&, std::string_view piece);
  // I/O thread: `bytes` of pieces have left; the peer is gone or was given up.
  void consumed(size_t bytes);
  void failed();

 private:
  void tell(Delivery::Kind, apiserver::Reply = {}, apiserver::Piece = nullptr);

  const std::shared_ptr<Mailbox> mailbox_;
  env::Loop& loop_;
  const std::shared_ptr<StreamLimits> limits_;
  const bool quick_;
  std::atomic<size_t> waiting_ = 0;  // bytes written, not yet left
  std::atomic<bool> wants_drain_ = false;
  std::atomic<size_t> body_waiting_ = 0;  // given to the sink, not yet done with
  std::atomic<bool> body_paused_ = false;
  // The loop's own.
  bool over_ = false;
  std::move_only_function<void()> on_close_;
  env::Task drained_;
};

}  // namespace ingot::host
