// Archives written as a stream: tar, compressed with gzip, and zip. What is equal gives equal bytes: no times, no owners, and
// names in the order in which they come. Any thread, one writer at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot::host {

using Sink = std::function<Result<void>(std::string_view)>;

struct ArchiveEntry {
  enum class Type : uint8_t { File, Directory, Link };
  std::string name;  // relative, without a trailing "/"
  Type type = Type::File;
  uint32_t mode = 0644;
  int64_t size = 0;    // of a file
  std::string target;  // of a link
};
// The next bytes of a file into the buffer, how many; 0: it ends.
using Pull = std::function<Result<size_t>(char* to, size_t most)>;

class ArchiveWriter {
 public:
  virtual ~ArchiveWriter() = default;
  // A file that gives fewer bytes than it said is an error; more are left out.
  virtual Result<void> add(const ArchiveEntry&, const Pull&) = 0;
  virtual Result<void> finish() = 0;
};

// `level`: gzip's, −1 for its own choice, 0 to 9.
std::unique_ptr<ArchiveWriter> tar_writer(Sink, int level);
std::unique_ptr<ArchiveWriter> zip_writer(Sink);

}  // namespace ingot::host
