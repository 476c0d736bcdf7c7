// The node's GPUs as its agent changes them: MIG instances, memory, and what it must remember of them. Implemented by
// worker processes over NVML (host/), absent on hollow nodes and in the simulation, where nothing is cut or cleared.
// Thread rule: the loop. Callbacks never run inline. Every operation is idempotent: making what is there returns it,
// destroying what is gone succeeds. One that hangs ends with Reason::Timeout and stops no other. The caller has at most
// one a board in flight.
#pragma once

#include <string>

#include "gpu/inventory.h"
#include "node/runtime.h"

namespace ingot::node {

struct DeviceControl {
  virtual ~DeviceControl() = default;
  virtual void read(Callback<gpu::Inventory>) = 0;  // with MIG instances
  // Exactly there; turns the board's MIG mode on first where it is off. Nothing may run on the board then.
  virtual void make_instance(const std::string& board, const std::string& profile, int start,
                             Callback<gpu::MigDevice>) = 0;
  virtual void destroy_instance(const std::string& board, int start, Callback<void>) = 0;
  virtual void make_whole(const std::string& board, Callback<void>) = 0;  // MIG mode off; no instance is left
  // Zeros the memory of a board or an instance (its UUID). Returns how, for the record: "81559 of 81559 MiB zeroed".
  virtual void clear(const std::string& device, Callback<std::string>) = 0;
  // One text, kept for this node whole or not at all; "" before the first.
  virtual void load(Callback<std::string>) = 0;
  virtual void store(std::string, Callback<void>) = 0;
};

}  // namespace ingot::node
