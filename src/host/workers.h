// Every worker that `ingot worker NAME …` may be.
#pragma once

#include <span>

namespace ingot::host {

// `arguments`: after "worker". The exit code is the process's; −1: there is no such worker.
int run_as_worker(std::span<const char* const> arguments);

}  // namespace ingot::host
