// MIG through NVML: an instance is a GPU instance at an exact place with one compute instance that takes all of it.
// Every call can be repeated: what is there already is found, what is gone already is success.
// Blocking, and may hang with a sick driver: call it in a worker process with a deadline. All but list_instances need
// root, as the driver demands.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "gpu/inventory.h"
#include "host/nvml/session.h"

namespace ingot::host::nvml {

// By start. What the caller may not see is left out; who may see only the MIG devices learns no starts.
std::vector<gpu::MigDevice> list_instances(const Session&, Device, const std::string& model);

// `board`: its UUID. Turns MIG mode on first where it is off; the driver refuses while anything uses the board.
std::expected<gpu::MigDevice, std::string> make_instance(const std::string& library, const std::string& board,
                                                         const std::string& profile, int start);
// Whatever its profile.
std::expected<void, std::string> destroy_instance(const std::string& library, const std::string& board,
                                                  int start);
// MIG mode off; refused while instances exist. Success on a board that has no MIG.
std::expected<void, std::string> make_whole(const std::string& library, const std::string& board);

}  // namespace ingot::host::nvml
