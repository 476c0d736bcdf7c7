// The few rtnetlink requests the pod network needs. Any thread; each call opens its own socket and waits for the
// kernel's answer.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace ingot::host {

// Makes a dummy interface with this IPv4 address and brings it up; a bridge without ports where the kernel has no dummy
// driver. One that exists with that name is kept.
Result<void> make_dummy_interface(const std::string& name, uint32_t address_host_order, int prefix);
// Removes an interface; one that does not exist is fine.
Result<void> remove_interface(const std::string& name);

}  // namespace ingot::host
