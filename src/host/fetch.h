// What comes over the network for a pod, fetched by a worker that stands where the pod's containers do: in its network
// namespace, with its names and as nobody, so that what its network policy keeps from the pod is kept from this too.
#pragma once

#include <atomic>
#include <span>

#include "host/artifact_in.h"
#include "host/disk_file.h"

namespace ingot::host {

// All of it into `file`, at most so many bytes. NotFound: it is not there.
Result<void> fetch_apart(const node::ArtifactSource&, const PodPlace&, const Fd& file, int64_t most,
                         const std::atomic<bool>* stopped);

// The worker itself, `ingot worker fetch MOST` with the file as file 3, the network as file 4 and what to ask for on its standard input. The
// exit code is the process's; −1: not such a worker.
int fetch_worker(std::span<const char* const> arguments);

}  // namespace ingot::host
