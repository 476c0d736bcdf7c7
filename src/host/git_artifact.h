// A commit's files for an input artifact: fetched by a Git worker (git_worker.h) that keeps nothing, over connections that a
// second worker makes where the pod's containers stand (pod_place.h). Any thread; blocks.
#pragma once

#include <atomic>
#include <span>

#include "host/disk_file.h"
#include "host/pod_place.h"
#include "node/artifact.h"

namespace ingot::host {

// A tar.gz of them into `file`, at most so many bytes. `directory`: where what is fetched may lie meanwhile; nothing stays.
Result<void> git_apart(const node::ArtifactSource&, const PodPlace&, int directory, const Fd& file,
                       int64_t most, const std::atomic<bool>* stopped);

// `ingot worker connect`, with the network as file 3 and as file 4 where connections are asked for (git_connect.h). The
// exit code is the process's; −1: not such a worker.
int connect_worker(std::span<const char* const> arguments);

}  // namespace ingot::host
