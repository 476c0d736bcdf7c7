// Control groups that runc leaves behind: it removes a container's own, not the pod's and tenant's above it.
// Version 1 (one tree per controller), version 2 and both at once. Any thread.
#pragma once

#include <string>
#include <vector>

namespace ingot::host {

// Where `path` exists: one directory per hierarchy.
std::vector<std::string> cgroup_directories(const std::string& path);

// `path` as containers are given it: "/ingot-3f2a/t1/UID". Removes it with everything beneath in every hierarchy, as
// far as it is empty of processes; then its parents up to the first that is still in use.
void remove_cgroup(const std::string& path);

// Ends (SIGKILL) every process in `path` and beneath, waits until they are gone, at most two seconds, and removes it.
// False when something is left.
bool kill_cgroup(const std::string& path);

}  // namespace ingot::host
