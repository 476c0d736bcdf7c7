#include "host/io_thread.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "host/processors.h"
#include "host/short_slices.h"
#include "host/thread_name.h"

namespace ingot::host {
namespace {

constexpr size_t kScratch = 16 * 1024;  // a TLS record
constexpr size_t kSubmitAt = 16;        // requests that go to the loop before the batch is through
constexpr int kEvents = 64;
constexpr int kSlowEvents = 16;  // of them, of connections that last wrote; the rest is told of again
constexpr Duration kTick = std::chrono::seconds(1);

std::string peer_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  char text[INET6_ADDRSTRLEN] = "";
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
  if (storage.ss_family == AF_INET)
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(storage).sin_addr, text, sizeof text);
  else
    inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(storage).sin6_addr, text, sizeof text);
  return text;
}

std::string http_date(WallTime wall) {
  const time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(wall.time_since_epoch()).count();
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  return std::string(text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
}

}  // namespace

IoThread::IoThread(IoSettings settings)
    : settings_(std::move(settings)), epoll_(::epoll_create1(EPOLL_CLOEXEC)), scratch_(kScratch, '\0') {
  ASSERT(bool(epoll_));
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, mailbox_->wake_fd(), &event) == 0);
  thread_ = std::thread([this] { run(); });
}

void IoThread::stop(Duration grace) {
  grace_ns_ = grace.count();
  mailbox_->put({.kind = Delivery::Kind::Stop});
  if (thread_.joinable()) thread_.join();
}

IoThread::~IoThread() { stop(Duration::zero()); }

void IoThread::run() {
  name_thread("http");
  go_first();
  leave_that_processor();
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  read_clock();
  while (stop_at_ == Instant{} || (!sessions_.empty() && now_ < stop_at_)) poll();
  sessions_.clear();
  waiting_.clear();
}

void IoThread::read_clock() {
  now_ = settings_.clock.now();
  wall_ = settings_.clock.wall();
}

void IoThread::poll() {
  auto letters = mailbox_->take(true);
  const int wait_ms =
      letters.empty() ? int(std::clamp<int64_t>((next_tick_ - now_).count() / 1'000'000, 1, 1000)) : 0;
  std::array<epoll_event, kEvents> events;
  // Interrupted (by a debugger, or by being stopped and continued) it has seen nothing.
  const int count = std::max(0, ::epoll_wait(epoll_.get(), events.data(), kEvents, wait_ms));
  read_clock();
  read_mail(std::move(letters));
  // First those that are likely to read.
  const auto session_of = [](const epoll_event& event) { return static_cast<HttpSession*>(event.data.ptr); };
  const auto slow = std::partition(events.begin(), events.begin() + count, [&](const epoll_event& e) {
    return session_of(e) == nullptr || session_of(e)->quick();
  });
  const auto end = std::min(events.begin() + count, slow + kSlowEvents);
  for (auto event = events.begin(); event < end; ++event) {
    HttpSession* session = session_of(*event);
    if (session == nullptr) {
      mailbox_->acknowledge();
      read_mail(mailbox_->take(false));
    } else if (!session->closed()) {
      session->ready(event->events & EPOLLIN, event->events & EPOLLOUT,
                     event->events & (EPOLLERR | EPOLLHUP));
    }
  }
  flush();
  if (now_ >= next_tick_) tick();
  for (HttpSession* session : std::exchange(closed_, {}))
    if (sessions_.erase(session) > 0) --*settings_.connections;
}

void IoThread::read_mail(std::vector<Delivery> letters) {
  for (Delivery& letter : letters) {
    if (letter.kind == Delivery::Kind::Adopt) {
      adopt(std::move(letter.socket));
    } else if (letter.kind == Delivery::Kind::Stop) {
      stop_at_ = std::max(stop_at_, now_ + Duration(grace_ns_));
      for (auto& [session, owner] : sessions_) session->stop();
    } else if (const auto to = waiting_.find(letter.exchange.get()); to != waiting_.end()) {
      to->second->deliver(letter);
    }
  }
  for (HttpSession* session : std::exchange(streams_, {})) session->flush_stream();
}

void IoThread::adopt(Fd socket) {
  SslPtr ssl = settings_.new_ssl();
  if (!ssl || stop_at_ != Instant{}) {
    --*settings_.connections;
    return;
  }
  epoll_event event{.events = 0, .data = {.ptr = nullptr}};
  const int fd = socket.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    --*settings_.connections;
    return;
  }
  std::string remote = peer_address(fd);
  auto session = std::make_unique<HttpSession>(*this, std::move(socket), std::move(ssl), std::move(remote));
  HttpSession* key = session.get();
  sessions_.emplace(key, std::move(session));
}

void IoThread::interest(HttpSession& session, bool read, bool write) {
  epoll_event event{.events = (read ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u), .data = {.ptr = &session}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, session.fd(), &event);
}

// Events of this batch may still name it: it is destroyed at the end of the batch.
void IoThread::closed(HttpSession& session) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, session.fd(), nullptr);
  closed_.push_back(&session);
}

std::shared_ptr<HttpExchange> IoThread::dispatch(HttpSession& session, apiserver::Request request) {
  auto exchange =
      std::make_shared<HttpExchange>(mailbox_, settings_.loop, settings_.streams, session.quick());
  waiting_.emplace(exchange.get(), &session);
  submissions_.push_back({settings_.door.prepare(std::move(request)), exchange});
  if (session.quick() || submissions_.size() >= kSubmitAt) flush();
  return exchange;
}

void IoThread::flush() {
  if (submissions_.empty()) return;
  settings_.loop.post([&door = settings_.door, batch = std::exchange(submissions_, {})]() mutable {
    for (Submission& one : batch) door.submit(std::move(one.prepared), std::move(one.exchange));
  });
}

void IoThread::tick() {
  next_tick_ = now_ + kTick;
  date_ = http_date(wall_);
  for (auto& [session, owner] : sessions_) session->tick();
}

}  // namespace ingot::host
