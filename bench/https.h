// What load generators share: TLS connections that never block, and HTTP/1.1 answers taken off them.
// One thread. Whatever goes wrong ends the program with a line on stderr.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

[[noreturn]] inline void die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
  std::exit(1);
}

inline SSL_CTX* client_context(const std::string& ca, const std::string& cert, const std::string& key) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (SSL_CTX_load_verify_locations(context, ca.c_str(), nullptr) != 1) die("cannot read " + ca);
  if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1) die("cannot read " + cert);
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) die("cannot read " + key);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

// One connection, registered with `epoll` under `tag`.
class Wire {
 public:
  Wire(SSL_CTX* context, const std::string& host, int port, int epoll, void* tag) : epoll_(epoll), tag_(tag) {
    const int fd = fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(uint16_t(port));
    if (inet_pton(AF_INET, host.c_str(), &to.sin_addr) != 1) die("not an IPv4 address: " + host);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      die("cannot connect to " + host + ": " + std::strerror(errno));
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd);
    if (SSL_connect(ssl_) != 1) die("TLS handshake failed");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    watch(EPOLL_CTL_ADD);
  }
  Wire(const Wire&) = delete;

  // The answer comes with a later pump().
  void send(std::string request) {
    out_ = std::move(request);
    written_ = 0;
    write();
  }

  // Writes what can be written; what can be read is appended to `in`.
  void pump() {
    write();
    char buffer[16384];
    do {
      const int n = SSL_read(ssl_, buffer, sizeof buffer);
      if (n <= 0) {
        const int error = SSL_get_error(ssl_, n);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
        die("the server closed a connection");
      }
      in.append(buffer, size_t(n));
    } while (SSL_has_pending(ssl_));  // what it does not hold, epoll tells of
  }

  std::string in;

 private:
  void write() {
    while (written_ < out_.size()) {
      const int n = SSL_write(ssl_, out_.data() + written_, int(out_.size() - written_));
      if (n > 0)
        written_ += size_t(n);
      else if (SSL_get_error(ssl_, n) == SSL_ERROR_WANT_WRITE)
        break;
      else
        die("the server closed a connection while it was written to");
    }
    if (std::exchange(blocked_, written_ < out_.size()) != blocked_) watch(EPOLL_CTL_MOD);
  }
  void watch(int how) {
    epoll_event event{};
    event.events = EPOLLIN | (blocked_ ? EPOLLOUT : 0u);
    event.data.ptr = tag_;
    epoll_ctl(epoll_, how, fd_, &event);
  }

  int epoll_, fd_ = -1;
  void* tag_;
  SSL* ssl_ = nullptr;
  std::string out_;
  size_t written_ = 0;
  bool blocked_ = false;
};

inline std::string get(const std::string& host, const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}
inline std::string post(const std::string& host, const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: " + host +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

// Takes a whole answer off `in`, if there is one; returns its code.
inline std::optional<int> take_answer(std::string& in) {
  const size_t head = in.find("\r\n\r\n");
  if (head == in.npos) return std::nullopt;
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const size_t length = in.find(kLength);
  if (length > head) die("an answer without Content-Length");
  const size_t whole = head + 4 + std::stoul(in.substr(length + kLength.size(), 20));
  if (in.size() < whole) return std::nullopt;
  const int code = std::stoi(in.substr(9, 3));
  in.erase(0, whole);
  return code;
}

// The lines of a streamed (chunked) answer.
class Lines {
 public:
  // Takes whatever is complete off `in` and gives `line` each whole line.
  template <class F>
  void take(std::string& in, F&& line) {
    size_t at = 0;
    if (!begun_) {
      const size_t head = in.find("\r\n\r\n");
      if (head == in.npos) return;
      if (in.compare(9, 3, "200") != 0) die("a stream was answered with " + in.substr(0, head));
      begun_ = true;
      at = head + 4;
    }
    for (;;) {
      const size_t end = in.find("\r\n", at);
      if (end == in.npos) break;
      const size_t size = std::stoul(in.substr(at, end - at), nullptr, 16);
      if (size == 0) die("the server ended a stream");
      if (in.size() < end + 2 + size + 2) break;
      const std::string_view chunk(in.data() + end + 2, size);
      at = end + 2 + size + 2;
      if (text_.empty()) {  // most chunks are whole lines
        text_.append(lines(chunk, line));
      } else {
        text_.append(chunk);
        text_.erase(0, text_.size() - lines(text_, line).size());
      }
    }
    in.erase(0, at);
  }
  bool begun() const { return begun_; }

 private:
  // Gives each whole line, returns the rest.
  template <class F>
  static std::string_view lines(std::string_view text, F&& line) {
    for (size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1))
      line(text.substr(0, end));
    return text;
  }
  bool begun_ = false;
  std::string text_;
};

// Sorts, and answers quantiles.
class Quantiles {
 public:
  explicit Quantiles(std::vector<float> values) : values_(std::move(values)) { std::ranges::sort(values_); }
  double at(double q) const {
    return values_.empty()
               ? 0.0
               : double(values_[std::min(values_.size() - 1, size_t(q * double(values_.size())))]);
  }

 private:
  std::vector<float> values_;
};

}  // namespace bench
