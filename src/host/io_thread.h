// One thread that owns connections: epoll over them, their deadlines, and the way of their requests to the loop.
// Thread rule: construct and destroy from one thread; mailbox() from any; the rest is its own.
// Invariant: a batch of ready connections becomes one post to the loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "env/env.h"
#include "host/http_session.h"

namespace ingot::host {

// Who answers.
struct Door {
  virtual ~Door() = default;
  virtual std::shared_ptr<void> prepare(apiserver::Request) const = 0;            // an I/O thread
  virtual void submit(std::shared_ptr<void>, std::shared_ptr<HttpExchange>) = 0;  // the loop
  // Whose bodies are taken as they come (StreamedExchange). An I/O thread.
  virtual bool streams(std::string_view /*method*/, std::string_view /*target*/) const { return false; }
};

struct IoSettings {
  env::Clock& clock;
  env::Loop& loop;
  env::Log& log;
  Door& door;
  HttpLimits limits;
  std::shared_ptr<StreamLimits> streams;
  std::shared_ptr<std::atomic<size_t>> connections;  // of all threads
  std::function<SslPtr()> new_ssl;                   // any thread
};

class IoThread final : public SessionHost {
 public:
  explicit IoThread(IoSettings);
  // Ends idle connections and streams, gives what is being answered `grace`, then closes the rest.
  void stop(Duration grace);
  ~IoThread() override;

  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

  const HttpLimits& limits() const override { return settings_.limits; }
  Instant now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  const std::string& date() const override { return date_; }
  std::string& scratch() override { return scratch_; }
  bool streams(std::string_view method, std::string_view target) const override {
    return settings_.door.streams(method, target);
  }
  void interest(HttpSession&, bool read, bool write) override;
  void closed(HttpSession&) override;
  void flush_later(HttpSession& session) override { streams_.push_back(&session); }
  std::shared_ptr<HttpExchange> dispatch(HttpSession&, apiserver::Request) override;
  void forget(const HttpExchange& exchange) override { waiting_.erase(&exchange); }

 private:
  struct Submission {
    std::shared_ptr<void> prepared;
    std::shared_ptr<HttpExchange> exchange;
  };
  void run();
  void read_clock();
  void poll();
  void read_mail(std::vector<Delivery>);
  void adopt(Fd socket);
  void tick();
  void flush();

  IoSettings settings_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  Fd epoll_;
  std::unordered_map<HttpSession*, std::unique_ptr<HttpSession>> sessions_;
  std::unordered_map<const HttpExchange*, HttpSession*> waiting_;  // whose answer goes where
  std::vector<HttpSession*> closed_;
  std::vector<HttpSession*> streams_;  // that have something to say
  std::vector<Submission> submissions_;
  std::string scratch_;
  std::string date_;
  Instant now_{}, next_tick_{}, stop_at_{};
  WallTime wall_{};
  std::atomic<int64_t> grace_ns_ = 0;
  std::thread thread_;
};

}  // namespace ingot::host
