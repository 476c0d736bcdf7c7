// What of the node's GPUs a pod was given, ready to be used. Plain values; any thread.
#pragma once

#include <optional>
#include <string>

#include "gpu/inventory.h"

namespace ingot::node {

struct Grant {
  Grant() = default;
  Grant(std::string whole) : board(std::move(whole)) {}
  Grant(const char* whole) : board(whole) {}
  std::string board;  // its UUID
  std::optional<gpu::MigDevice> mig;
  int32_t milli = 1000;    // less: a time share of the board or instance
  int64_t memory_mib = 0;  // of a share or an instance

  const std::string& device() const { return mig ? mig->uuid : board; }
  bool share() const { return milli < 1000; }
};

}  // namespace ingot::node
