#include "host/cri_probe.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "host/disk_file.h"
#include "host/openssl.h"
#include "host/thread_name.h"

namespace ingot::host {
namespace {

using node::Runtime;
using std::chrono::steady_clock;
using Done = std::function<void(Result<int>)>;

constexpr size_t kLongestHeader = 16 << 10;

std::string request_of(const Runtime::NetProbe& what) {
  std::vector<std::pair<std::string, std::string>> headers = {
      {"Host", what.ip + ":" + std::to_string(what.port)},
      {"User-Agent", "kube-probe/1.36"},
      {"Accept", "*/*"},
      {"Connection", "close"}};
  for (const auto& [name, value] : what.headers) {
    std::erase_if(headers,
                  [&](const auto& had) { return ::strcasecmp(had.first.c_str(), name.c_str()) == 0; });
    headers.emplace_back(name, value);
  }
  std::string text = "GET " + (what.path.empty() ? "/" : what.path) + " HTTP/1.1\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  return text + "\r\n";
}

// 0: no answer of HTTP.
int status_of(std::string_view head) {
  if (head.size() < 12 || !head.starts_with("HTTP/1.") || head[8] != ' ') return 0;
  int status = 0;
  for (const char c : head.substr(9, 3)) {
    if (c < '0' || c > '9') return 0;
    status = 10 * status + (c - '0');
  }
  return status;
}

// One probe on its way. Its socket never blocks; go_on() is called when it may be read or written, as wants() says.
class Attempt {
 public:
  Attempt(Runtime::NetProbe what, Done done, SSL_CTX* tls)
      : what_(std::move(what)),
        done_(std::move(done)),
        tls_(what_.scheme == "https" ? tls : nullptr),
        deadline_(steady_clock::now() + what_.timeout) {}

  void start(const sockaddr_in& to) {
    socket_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_) return broke();
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
        errno != EINPROGRESS)
      broke();
  }
  bool over() const { return !done_; }
  int socket() const { return socket_.get(); }
  short wants() const { return wants_; }
  steady_clock::time_point deadline() const { return deadline_; }

  void go_on() {
    if (!over() && step_ == Step::Connect) connected();
    if (!over() && step_ == Step::Greet) greet();
    if (!over() && step_ == Step::Send) send();
    if (!over() && step_ == Step::Receive) receive();
  }
  void too_late() { fail_with(Reason::Timeout, "timed out"); }

 private:
  enum class Step : uint8_t { Connect, Greet, Send, Receive };

  void connected() {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return errno = error, broke();
    if (what_.scheme == "tcp") return finish(200);
    rest_ = request_of(what_);
    step_ = tls_ ? Step::Greet : Step::Send;
    if (!tls_) return;
    ssl_.reset(SSL_new(tls_));
    if (!ssl_ || SSL_set_fd(ssl_.get(), socket_.get()) != 1)
      fail_with(Reason::ServiceUnavailable, openssl_error());
  }
  void greet() {
    ERR_clear_error();
    if (moved(SSL_connect(ssl_.get())) > 0) step_ = Step::Send;
  }
  void send() {
    while (!rest_.empty()) {
      const ssize_t n = moved(ssl_ ? ssize_t(SSL_write(ssl_.get(), rest_.data(), int(rest_.size())))
                                   : ::send(socket_.get(), rest_.data(), rest_.size(), MSG_NOSIGNAL),
                              POLLOUT);
      if (n <= 0) return;
      rest_.erase(0, size_t(n));
    }
    step_ = Step::Receive;
  }
  void receive() {
    char block[4096];
    while (head_.find("\r\n\r\n") == head_.npos) {
      if (head_.size() >= kLongestHeader)
        return fail_with(Reason::ServiceUnavailable, "its header is longer than 16 KiB");
      const ssize_t n = moved(ssl_ ? ssize_t(SSL_read(ssl_.get(), block, sizeof block))
                                   : ::recv(socket_.get(), block, sizeof block, 0),
                              POLLIN);
      if (n <= 0) return;
      head_.append(block, size_t(n));
    }
    const int status = status_of(head_);
    if (status == 0) return fail_with(Reason::ServiceUnavailable, "it gave no answer of HTTP");
    finish(status);
  }

  // What a call that moves bytes gave: > 0 as it is, else the probe waits for its socket, or it is over.
  ssize_t moved(ssize_t n, short plain = 0) {
    if (n > 0) return n;
    if (ssl_) {
      const int why = SSL_get_error(ssl_.get(), int(n));
      if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        wants_ = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
      else
        fail_with(Reason::ServiceUnavailable,
                  why == SSL_ERROR_SSL ? openssl_error() : "the connection ended before an answer");
      return 0;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      wants_ = plain;
    else if (n < 0)
      broke();
    else
      fail_with(Reason::ServiceUnavailable, "the connection ended before an answer");
    return 0;
  }

  void broke() { fail_with(Reason::ServiceUnavailable, std::strerror(errno)); }
  void fail_with(Reason reason, std::string why) {
    std::exchange(done_, nullptr)(fail(reason, std::move(why)));
  }
  void finish(int status) { std::exchange(done_, nullptr)(status); }

  const Runtime::NetProbe what_;
  Done done_;  // nullptr: it was told
  SSL_CTX* const tls_;
  const steady_clock::time_point deadline_;
  Fd socket_;
  SslPtr ssl_;
  Step step_ = Step::Connect;
  short wants_ = POLLOUT;
  std::string rest_, head_;  // of what is sent; what has come
};

}  // namespace

struct Prober::Impl {
  struct Coming {
    Runtime::NetProbe what;
    Done done;
    sockaddr_in to;
  };

  explicit Impl(env::Loop& l) : loop(l), tls(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    // A probe asks whether a server answers; whose certificate it shows is not the question, as in Kubernetes.
    SSL_CTX_set_verify(tls.get(), SSL_VERIFY_NONE, nullptr);
    thread = std::thread([this] { run(); });
  }
  ~Impl() {
    {
      std::lock_guard lock(mutex);
      stopping = true;
    }
    wake_up();
    thread.join();
  }

  void add(Coming one) {
    {
      std::lock_guard lock(mutex);
      coming.push_back(std::move(one));
    }
    wake_up();
  }
  void wake_up() {
    const uint64_t one = 1;
    (void)!::write(wake.get(), &one, sizeof one);
  }

  void run() {
    name_thread("probes");
    sigset_t pipe;  // OpenSSL writes without MSG_NOSIGNAL
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (begin()) turn();
  }

  // False: it is to stop.
  bool begin() {
    std::vector<Coming> fresh;
    {
      std::lock_guard lock(mutex);
      if (stopping) return false;
      fresh.swap(coming);
    }
    for (Coming& one : fresh)
      going.emplace_back(std::move(one.what), std::move(one.done), tls.get()).start(one.to);
    going.remove_if([](const Attempt& one) { return one.over(); });
    return true;
  }

  void turn() {
    std::vector<pollfd> watched = {{.fd = wake.get(), .events = POLLIN}};
    auto first = steady_clock::time_point::max();
    for (const Attempt& one : going) {
      watched.push_back({.fd = one.socket(), .events = one.wants()});
      first = std::min(first, one.deadline());
    }
    int wait_ms = -1;
    if (!going.empty())
      wait_ms = int(std::clamp<int64_t>(
          std::chrono::ceil<std::chrono::milliseconds>(first - steady_clock::now()).count(), 0, 60'000));
    ::poll(watched.data(), watched.size(), wait_ms);
    uint64_t woken = 0;
    (void)!::read(wake.get(), &woken, sizeof woken);
    size_t at = 1;
    for (Attempt& one : going) {
      if (watched[at++].revents) one.go_on();
      if (!one.over() && steady_clock::now() >= one.deadline()) one.too_late();
    }
    going.remove_if([](const Attempt& one) { return one.over(); });
  }

  env::Loop& loop;
  std::shared_ptr<char> alive = std::make_shared<char>();
  const SslContextPtr tls;
  const Fd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::list<Attempt> going;  // the thread's
  std::mutex mutex;
  std::vector<Coming> coming;  // guarded; no more than a node's containers have probes
  bool stopping = false;       // guarded
  std::thread thread;
};

Prober::Prober(env::Loop& loop) : impl_(std::make_unique<Impl>(loop)) {}
Prober::~Prober() = default;

void Prober::probe(const Runtime::NetProbe& what, node::Callback<int> callback) {
  auto shared = std::make_shared<node::Callback<int>>(std::move(callback));
  Done done = [&loop = impl_->loop, weak = std::weak_ptr(impl_->alive), shared](Result<int> result) {
    loop.post([weak, shared, result = std::move(result)]() mutable {
      if (!weak.expired()) (*shared)(std::move(result));
    });
  };
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(uint16_t(what.port)), .sin_addr = {}};
  if (::inet_pton(AF_INET, what.ip.c_str(), &to.sin_addr) != 1 || what.port < 1 || what.port > 65535)
    return done(
        fail(Reason::Invalid, "not an address and port: " + what.ip + ":" + std::to_string(what.port)));
  impl_->add({what, std::move(done), to});
}

}  // namespace ingot::host
