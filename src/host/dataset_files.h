// The files of a data set on this machine: found in a directory, a tar archive or as one file, and written beneath a
// directory. Blocks; any thread, one writer or reader at a time. Nothing is followed: a link, a device or a name that leads elsewhere is
// refused, never read or written through.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/manifest.h"
#include "host/beneath.h"

namespace ingot::host {

struct SourceFile {
  std::string name;  // in the data set
  std::string path;  // what to open beneath the source; "" for an archive or a single file
  int64_t offset = 0, bytes = 0;
};

class DatasetSource {
 public:
  // `path`: a directory, an uncompressed tar archive (*.tar), or a file. Invalid, naming it, for what a data set cannot hold.
  static Result<DatasetSource> open(const std::string& path);

  const std::vector<SourceFile>& files() const { return files_; }  // in name order
  // The file's bytes, in pieces. Conflict when it is not as long as it was.
  Result<void> read(const SourceFile&, const std::function<Result<void>(std::string_view)>&) const;
  // The same for who asks for the pieces: a function that gives the next one.
  Result<std::function<Result<std::string_view>()>> reader(const SourceFile&) const;

 private:
  Result<void> walk(int directory, const std::string& prefix, int depth);
  Result<Fd> open_file(const SourceFile&) const;

  std::string path_;
  std::shared_ptr<Fd> root_;  // of a directory
  std::vector<SourceFile> files_;
};

// Writes files beneath a directory that is made, or was empty.
class DatasetTarget {
 public:
  static Result<DatasetTarget> open(const std::string& path);
  // A new file at `name` (checked); `fill` writes it and says when it is complete. What fails is removed again.
  Result<void> write(const std::string& name, const std::function<Result<void>(int fd)>& fill) const;

 private:
  std::shared_ptr<Fd> root_;
};

}  // namespace ingot::host
