// What an ended container left: files that it wrote, and its standard output. Reads only, regular files only, and nothing
// outside of what the container itself could see. Any thread; may block on a local disk where nothing else is said.
#pragma once

#include <string>

#include <utility>

#include "host/artifacts.h"
#include "host/containerd_rpc.h"
#include "node/runtime.h"

namespace ingot::host {

// `layer`: the folder that holds what the container wrote over its image; "": it is gone.
node::Left left_behind(const node::LeftBy&, const std::string& layer);

// The volume that the path is on and the way from there; "" and the path itself where it is on none.
std::pair<std::string, std::string> place_of(const std::string& path, const node::LeftBy&);

// Asks containerd for that folder first, and has `artifacts` read beside the loop. Thread rule: the loop.
void ask_left(ContainerdRpc&, Artifacts&, const node::LeftBy&, node::Callback<node::Left>);

}  // namespace ingot::host
