// HTTPS for the API server: TLS, HTTP/1.1, keep-alive, pipelining, streams; bounded in every direction.
//
// Each I/O thread owns its connections (io_thread.h); listeners hand new ones out in turn. OpenSSL works on the
// sockets itself and epoll is level-triggered: a request costs one wait, one read and one write, no copy between.
// Thread rule: any one thread at a time. Stop it before the loop and the Door it was given.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "host/io_thread.h"

namespace ingot::host {

struct HttpServerOptions {
  int threads = 1;
  HttpLimits limits;
};

class HttpServer {
 public:
  HttpServer(env::Clock&, env::Loop&, env::Log&, Door&, SslContextPtr, HttpServerOptions = {});
  ~HttpServer();  // stop(0)

  // Takes connections from now on; until then they wait in the kernel.
  void start();
  // Listens on `address` (a literal IPv4 or IPv6 address) and port (0: any free one); the port. The error is one
  // clear line: "127.0.0.1:6443 is in use by another program: stop it or choose another --listen".
  Result<uint16_t> listen(const std::string& address, uint16_t port);
  // For connections from now on.
  void use(SslContextPtr);
  void stop(Duration grace);

 private:
  void accept_all();
  void accept_from(int listener);

  env::Log& log_;
  const HttpLimits limits_;
  std::shared_ptr<std::atomic<size_t>> connections_ = std::make_shared<std::atomic<size_t>>(0);
  std::mutex mutex_;
  SslContextPtr context_;      // guarded
  std::vector<Fd> listeners_;  // guarded
  Fd epoll_, wake_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  size_t next_ = 0;
  std::thread acceptor_;
};

}  // namespace ingot::host
