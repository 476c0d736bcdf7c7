// A cluster's blobs as the command line sees them: what is missing, and many files at once over a few connections.
// Main thread; the transfers have threads of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "ingot/client.h"

namespace ingot {

// "…  12.0 of 80.5 MiB" on a terminal, every now and then; nothing in a pipe. Any thread.
class TransferProgress {
 public:
  TransferProgress(std::string_view what, int64_t total);
  ~TransferProgress();  // wipes its line from a terminal
  void add(int64_t bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct BlobSend {
  Digest digest;
  int64_t bytes = 0;
  std::function<Result<host::HttpsClient::Next>()> open;
};
struct BlobFetch {
  Digest digest;
  // Gets the pieces through `read`, which checks the digest at their end.
  std::function<Result<void>(const std::function<Result<void>(const host::HttpsClient::Take&)>& read)> write;
};

class BlobClient {
 public:
  BlobClient(Client& client, const std::string& tenant)
      : client_(client), base_("/clusters/" + tenant + "/blobs") {}

  // Of `digests` (in order, each once), which are not there; in order.
  Result<std::vector<Digest>> missing(const std::vector<Digest>& digests);
  Result<void> send(const std::vector<BlobSend>&, TransferProgress&);
  Result<void> fetch(const std::vector<BlobFetch>&, TransferProgress&);
  // One large blob: goes on where it was when the connection breaks. `open`: the bytes from an offset on.
  using From = std::function<Result<host::HttpsClient::Next>(int64_t offset)>;
  Result<void> upload(const Digest&, int64_t bytes, const From& open, TransferProgress&);
  // One blob into a file, checked.
  Result<void> get_file(const Digest&, int fd, TransferProgress&);
  Result<void> put(const Digest&, std::string_view bytes);
  Result<std::string> get(const Digest&);

 private:
  using One = std::function<Result<void>(host::HttpsClient&, size_t)>;
  Result<void> each(size_t count, const One&);

  Client& client_;
  const std::string base_;
};

}  // namespace ingot
