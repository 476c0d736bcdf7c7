// Bytes between a worker and a server whose address was judged (git_connect.h): as they are, or in TLS that is verified.
// Worker process; its one thread.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "host/disk_file.h"
#include "host/openssl.h"

namespace ingot::host {

// What a worker trusts: the machine's authorities and those of `more` (PEM). Read before it is confined: then it has no files.
SslContextPtr read_trust(const std::string& more = "");

class WorkerLine {
 public:
  // `trust` nullptr: no TLS. The error says why the host is not who it should be.
  static std::expected<WorkerLine, std::string> open(Fd socket, SSL_CTX* trust, const std::string& host);
  bool write(std::string_view bytes);
  // How many; 0 at the end, below when it broke.
  ssize_t read(char* bytes, size_t size);

 private:
  WorkerLine(Fd socket, SslPtr ssl) : socket_(std::move(socket)), ssl_(std::move(ssl)) {}
  Fd socket_;
  SslPtr ssl_;  // nullptr: no TLS
};

}  // namespace ingot::host
