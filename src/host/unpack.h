// An archive that a stranger made, tar (plain or gzip) or zip, unpacked beneath a directory. Formats are libarchive's to read,
// loaded when it is needed; what may become of an entry is decided here: nothing is written but beneath the directory, through
// no link, and neither devices, links that lead out nor more than the limits are taken. Meant for a worker (unpack_worker.h).
#pragma once

#include <cstdint>

#include "base/error.h"

namespace ingot::host {

struct UnpackLimits {
  int64_t bytes = int64_t(1) << 40;  // unpacked; holes count
  int64_t entries = 1'000'000;
  int64_t ratio = 200;          // unpacked bytes for each packed one, beyond …
  int64_t small = 256ll << 20;  // … so many, which are nobody's harm
};

// Loads the library; an error says how to come by it. Before a worker is confined.
Result<void> load_unpacker();

// Whether `archive` (a file, read from its beginning) is one at all; false: nothing was written. Invalid, naming the entry, for
// what is not taken; what was written before stays.
Result<bool> unpack(int archive, int directory, const UnpackLimits&);

}  // namespace ingot::host
