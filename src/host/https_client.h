// A small blocking HTTPS client for the command line: one connection, kept open, our authority only.
// Thread rule: one thread at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "host/disk_file.h"
#include "host/tls.h"

namespace ingot::host {

// What the current context of a kubeconfig says.
struct Endpoint {
  std::string address;  // "127.0.0.1"
  uint16_t port = 0;
  std::string base_path;  // "/clusters/root"
  TlsClientSpec tls;
  std::string token;  // in place of a certificate
};
// Of what a kubeconfig can hold the forms that a factory writes: data in it, no files beside it, nothing to execute.
Result<Endpoint> parse_kubeconfig(const std::string& yaml);

class HttpsClient {
 public:
  struct Response {
    int code = 0;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string header(std::string_view name) const;  // in any case; "" when absent
  };
  using Take = std::function<Result<void>(std::string_view)>;
  using Next = std::function<Result<std::string_view>()>;

  static Result<std::unique_ptr<HttpsClient>> make(Endpoint, Duration timeout = std::chrono::seconds(30));

  // `path` as sent ("/clusters/root/api/v1/nodes"). Error: no answer. Connects again when the server closed.
  Result<Response> request(const std::string& method, const std::string& path, const std::string& body = "",
                           const std::string& content_type = "application/json");
  // A request whose body is `size` bytes, which `next` gives piece by piece. A large one is sent once the server wants
  // it. Error: no answer, or that of `next`; the connection is then closed.
  Result<Response> send(const std::string& method, const std::string& path, int64_t size, const Next& next);
  // A GET whose body goes to `take` as it comes, if it is 200. Error: no answer, or that of `take`.
  Result<Response> fetch(const std::string& path, const Take& take);
  // A GET answered line by line (a watch): `line` returning false ends it. Error: no answer, or one that is not 200.
  Result<void> watch(const std::string& path, const std::function<bool(std::string_view)>& line);

 private:
  HttpsClient(Endpoint endpoint, SslContextPtr context, Duration timeout)
      : endpoint_(std::move(endpoint)), context_(std::move(context)), timeout_(timeout) {}
  Result<void> connect();
  Result<void> stand();
  Result<void> write(std::string_view);
  Result<Response> send_on(const std::string& head, int64_t size, const Next& next, bool& keep);
  using Line = std::function<bool(std::string_view)>;
  // What has come of a 200's body is taken from the text; false ends it there.
  using Drain = std::function<bool(std::string&)>;
  Result<Response> receive(bool& keep, const Drain& drain = nullptr);
  std::string head(const std::string& method, const std::string& path, const std::string& more) const;

  const Endpoint endpoint_;
  const SslContextPtr context_;
  const Duration timeout_;
  Fd socket_;
  SslPtr ssl_;
  std::chrono::steady_clock::time_point used_{};
};

}  // namespace ingot::host
