// One request's way back from the loop to the I/O thread that owns its connection.
//
// Thread rule: the apiserver::Exchange part and peer_gone() on the loop; consumed() and failed() on the I/O thread.
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

struct Delivery {
  enum class Kind : uint8_t { Reply, Begin, Write, End, Cut, Adopt, Stop } kind;
  std::shared_ptr<HttpExchange> exchange;
  apiserver::Reply reply;
  apiserver::Piece piece;
  Fd socket;           // Adopt: a new connection
  bool quick = false;  // the answer to a request that only reads
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
};

struct StreamLimits {
  size_t one = 0;
  size_t total = 0;
  std::atomic<size_t> used = 0;
};

class HttpExchange final : public PacedExchange, public std::enable_shared_from_this<HttpExchange> {
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
  void peer_gone();

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
  // The loop's own.
  bool over_ = false;
  std::move_only_function<void()> on_close_;
  env::Task drained_;
};

}  // namespace ingot::host
