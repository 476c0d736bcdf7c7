// `ingot worker git`: asks a remote, reads commits and packs their trees, with libgit2. It sees one repository and no
// more of the machine: a root directory of its own, a user of its own, no sockets; a connection is asked of who started
// it (git_connect.h), which is where it may go.
//
// Handles: 3 the repository's directory, 4 where connections are asked for, 5 (of a file remote) the remote. A GitJob on
// standard input; on standard output GitSeen as JSON, or of a pack the bytes of a tar.gz.
#pragma once

#include <span>
#include <string>

namespace ingot::host {

inline constexpr int kGitDirectory = 3, kGitConnections = 4, kGitRemote = 5;
// `arguments`: after "worker". The exit code is the process's; -1: not this worker. An error is the last line on standard
// error.
int git_worker(std::span<const char* const> arguments);

}  // namespace ingot::host
