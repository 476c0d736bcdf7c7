// Where NVIDIA's driver lies on a machine: what a container needs that gets one of its GPUs. Found as the loader would
// find it, in its cache, and put where the loader of a Debian or Ubuntu image looks. A CDI spec by `nvidia-ctk` is not
// used: its library names come to be by hooks that run on the host as root, and we run none (node/cdi.h).
// Any thread; reads files.
#pragma once

#include <map>
#include <string>

#include "node/cdi.h"

namespace ingot::host {

// `root`: below it the machine's files are looked for; what is found is named without it.
node::cdi::Libraries driver_files(const std::string& root = "");

// What ld.so.cache says (glibc: dl-cache.h, format 1.1): a library's name → its path, of this machine's own architecture.
// Of what cannot be read, nothing.
std::map<std::string, std::string> loader_cache(const std::string& bytes);

}  // namespace ingot::host
