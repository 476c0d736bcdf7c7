// node::Files on disk: DATA/nodes/NODE/pods/UID/{volumes,logs}. Everything inside a volume is a stranger's: it is
// reached through directory handles, and no link in it is ever followed.
// Thread rule: the loop's thread. Removal renames at once and deletes on a thread of its own.
#pragma once

#include <memory>
#include <string>

#include "host/machine_names.h"
#include "node/runtime.h"

namespace ingot::host {

// Makes the node's directory; deletes what an earlier run had begun to remove.
Result<std::unique_ptr<node::Files>> make_pod_files(const MachinePaths&, const std::string& node_name);

// Removes `name` beneath the directory `parent` with everything in it, links themselves and never what they lead to;
// any depth. False when something is left.
bool remove_tree(int parent, const std::string& name);

// Unmounts everything mounted at or beneath `directory`, last first.
void unmount_beneath(const std::string& directory);

}  // namespace ingot::host
