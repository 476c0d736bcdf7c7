// What a run left, an archive that strangers made, put into a directory of somebody's: never beside it, through no link, and
// nothing that is there is lost but a file that has a new content. Blocks; any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/disk_file.h"

namespace ingot::host {

struct Brought {
  int64_t bytes = 0;
  size_t files = 0, replaced = 0;     // of the files, those that were there with another content
  std::vector<std::string> left_out;  // links that lead out of the directory
};

// Unpacks an archive into an empty directory; false: it is none.
using Unpacker = std::function<Result<bool>(const Fd& archive, const Fd& directory)>;

// `archive` holds one directory, whose content goes into `directory`, which is made where it is not there. Conflict, naming it,
// where a directory would have to take the place of something else or something else of a directory; Invalid for an archive
// that is none or holds what it must not. Everything is unpacked before anything is put there.
Result<Brought> bring_back(const Fd& archive, const std::string& directory, const Unpacker&);

}  // namespace ingot::host
