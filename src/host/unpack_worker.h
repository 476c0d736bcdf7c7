// Unpacking by a worker process: as nobody, without sockets or keys, with writing beneath one directory alone.
#pragma once

#include <atomic>
#include <span>

#include "base/error.h"
#include "host/disk_file.h"
#include "host/unpack.h"

namespace ingot::host {

// As unpack(), in a worker. `directory` is made nobody's to write in; what is in it then belongs to nobody. Blocks.
Result<bool> unpack_apart(const Fd& archive, const Fd& directory, const UnpackLimits&,
                          const std::atomic<bool>* stopped);

// The worker itself, `ingot worker unpack BYTES ENTRIES` with the archive as file 3 and the directory as file 4; prints
// "plain" or "unpacked". The exit code is the process's; −1: not such a worker.
int unpack_worker(std::span<const char* const> arguments);

}  // namespace ingot::host
