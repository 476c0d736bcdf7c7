// Puts files into a store of blobs as a node does with a step's results: store_put ROOT FILE…. Prints {seconds, bytes}.
#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>

#include "host/blob_files.h"
#include "host/disk_file.h"

using namespace ingot;

int main(int argc, char** argv) {
  if (argc < 3) return fmt::print(stderr, "usage: store_put ROOT FILE…\n"), 2;
  auto blobs = host::open_blob_files(argv[1]);
  if (!blobs) return fmt::print(stderr, "{}\n", blobs.error().message), 1;
  const ClusterId cluster("bench");
  const auto started = std::chrono::steady_clock::now();
  int64_t bytes = 0;
  for (int i = 2; i < argc; ++i) {
    const host::Fd file(::open(argv[i], O_RDONLY | O_CLOEXEC));
    auto put = host::put_file(**blobs, cluster, file.get());
    if (!put) return fmt::print(stderr, "{}: {}\n", argv[i], put.error().message), 1;
    bytes += put->bytes;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  fmt::print(R"({{"seconds": {:.3f}, "bytes": {}}})"
             "\n",
             took.count(), bytes);
}
