// A small blocking HTTPS client for the command line: one connection, kept open, our authority only.
// Thread rule: one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "host/disk_file.h"
#include "host/tls.h"

namespace ingot::host {

// What a kubeconfig of ours says.
struct Endpoint {
  std::string address;  // "127.0.0.1"
  uint16_t port = 0;
  std::string base_path;  // "/clusters/root"
  TlsClientSpec tls;
};
Result<Endpoint> parse_kubeconfig(const std::string& yaml);

class HttpsClient {
 public:
  struct Response {
    int code = 0;
    std::string body;
  };

  static Result<std::unique_ptr<HttpsClient>> make(Endpoint, Duration timeout = std::chrono::seconds(30));

  // `path` as sent ("/clusters/root/api/v1/nodes"). Error: no answer. Connects again when the server closed.
  Result<Response> request(const std::string& method, const std::string& path, const std::string& body = "",
                           const std::string& content_type = "application/json");
  // A GET answered line by line (a watch): `line` returning false ends it. Error: no answer, or one that is not 200.
  Result<void> watch(const std::string& path, const std::function<bool(std::string_view)>& line);

 private:
  HttpsClient(Endpoint endpoint, SslContextPtr context, Duration timeout)
      : endpoint_(std::move(endpoint)), context_(std::move(context)), timeout_(timeout) {}
  Result<void> connect();
  Result<void> send(const std::string&);
  using Line = std::function<bool(std::string_view)>;
  Result<Response> receive(bool& keep, const Line* line);
  std::string head(const std::string& method, const std::string& path, const std::string& more) const;

  const Endpoint endpoint_;
  const SslContextPtr context_;
  const Duration timeout_;
  Fd socket_;
  SslPtr ssl_;
};

}  // namespace ingot::host
