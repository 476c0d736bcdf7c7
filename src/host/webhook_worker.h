// One post to a webhook, made by a process that has nothing but the connection it asked for. Any thread.
#pragma once

#include <cstddef>
#include <span>

namespace ingot::host {

inline constexpr size_t kMostWebhookAnswer = 16 * 1024;  // of the answer's body; the rest is not read

// `ingot worker webhook` with what to send on its standard input, and as file 3 whom to ask for a connection (git_connect.h).
// On its standard output {"status", "body"}, or {"error", "cause"}. The exit code is the process's; −1: not such a worker.
int webhook_worker(std::span<const char* const> arguments);

}  // namespace ingot::host
