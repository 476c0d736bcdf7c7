#include "host/http_server.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "host/thread_name.h"

namespace ingot::host {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsAtOnce = 64;

using AddressPtr = std::unique_ptr<addrinfo, Deleter<freeaddrinfo>>;

AddressPtr literal_address(const std::string& address, uint16_t port) {
  const addrinfo hints{.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return nullptr;
  return AddressPtr(found);
}

std::string endpoint(const std::string& address, uint16_t port) {
  return address.find(':') == address.npos ? fmt::format("{}:{}", address, port)
                                           : fmt::format("[{}]:{}", address, port);
}

uint16_t bound_port(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ASSERT(::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) == 0);
  return ntohs(storage.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(storage).sin_port
                                            : reinterpret_cast<sockaddr_in6&>(storage).sin6_port);
}

void set(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

// Finds peers that went away without a word while nothing is sent to them.
void prepare_client(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace

HttpServer::HttpServer(env::Clock& clock, env::Loop& loop, env::Log& log, Door& door, SslContextPtr context,
                       HttpServerOptions options)
    : log_(log),
      limits_(options.limits),
      context_(std::move(context)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  auto streams = std::make_shared<StreamLimits>();
  streams->one = limits_.stream_bytes;
  streams->total = limits_.all_streams_bytes;
  for (int i = 0; i < options.threads; ++i) {
    threads_.push_back(std::make_unique<IoThread>(IoSettings{.clock = clock,
                                                             .loop = loop,
                                                             .log = log,
                                                             .door = door,
                                                             .limits = limits_,
                                                             .streams = streams,
                                                             .connections = connections_,
                                                             .new_ssl = [this] {
                                                               std::lock_guard lock(mutex_);
                                                               return SslPtr(SSL_new(context_.get()));
                                                             }}));
  }
  epoll_event event{.events = EPOLLIN, .data = {.fd = wake_.get()}};
  ASSERT(epoll_ && wake_ && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0);
}

void HttpServer::start() {
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpServer::~HttpServer() { stop(Duration::zero()); }

Result<uint16_t> HttpServer::listen(const std::string& address, uint16_t port) {
  AddressPtr where = literal_address(address, port);
  if (!where) return fail(Reason::Invalid, fmt::format("\"{}\" is not an IP address", address));
  Fd fd(::socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail(Reason::InternalError, fmt::format("cannot open a socket: {}", strerror(errno)));
  set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (where->ai_family == AF_INET6) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.get(), where->ai_addr, where->ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    const std::string place = endpoint(address, port);
    if (errno == EADDRINUSE)
      return fail(Reason::Conflict,
                  fmt::format("{} is in use by another program: stop it, or choose another --listen", place));
    return fail(Reason::InternalError, fmt::format("cannot listen on {}: {}", place, strerror(errno)));
  }
  const uint16_t bound = bound_port(fd.get());
  std::lock_guard lock(mutex_);
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd.get()}};
  ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) == 0);
  listeners_.push_back(std::move(fd));
  return bound;
}

void HttpServer::use(SslContextPtr context) {
  std::lock_guard lock(mutex_);
  context_ = std::move(context);
}

void HttpServer::stop(Duration grace) {
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
  if (acceptor_.joinable()) acceptor_.join();
  {
    std::lock_guard lock(mutex_);
    listeners_.clear();
  }
  for (auto& thread : threads_) thread->stop(grace);
  threads_.clear();
}

void HttpServer::accept_all() {
  name_thread("accept");
  while (true) {
    epoll_event events[8];
    const int count = ::epoll_wait(epoll_.get(), events, 8, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == wake_.get()) return;
      accept_from(events[i].data.fd);
    }
  }
}

void HttpServer::accept_from(int listener) {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    Fd client(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
      if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
      // Nothing to take it with: the rest of this pause the kernel's backlog holds the others.
      log_.warn("http.accept_failed", {{"error", strerror(errno)}});
      ::usleep(50'000);
      return;
    }
    if (++*connections_ > limits_.connections) {
      --*connections_;
      continue;  // closed at once: the client sees a refusal, not silence
    }
    prepare_client(client.get());
    threads_[next_++ % threads_.size()]->mailbox()->put(
        {.kind = Delivery::Kind::Adopt, .socket = std::move(client)});
  }
}

}  // namespace ingot::host
