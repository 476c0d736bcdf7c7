// Tar archives: a writer for the few files of our own images, and a reader that trusts nothing. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot::host {

// One regular file per call; names up to 100 bytes, owner root, no times: the same input gives the same bytes.
void tar_append(std::string& archive, std::string_view name, std::string_view bytes, uint32_t mode);
void tar_finish(std::string& archive);

struct TarEntry {
  std::string name;         // as written, "./" in front and a trailing "/" removed
  char type = '0';          // '0' file, '2' symbolic link, '5' directory; hard links and devices are refused
  std::string link_target;  // of a symbolic link
  uint64_t offset = 0;      // of the contents in the archive
  uint64_t size = 0;
};

// Calls `entry` for each file, link and directory of the tar file at `path`, in order; an error from it ends the walk.
// Understands ustar, GNU long names and pax paths and sizes. Invalid: what is no tar archive, breaks off, holds more
// than `most` entries, or names a path outside itself.
Result<void> tar_walk(const std::string& path, size_t most,
                      const std::function<Result<void>(const TarEntry&)>& entry);

}  // namespace ingot::host
