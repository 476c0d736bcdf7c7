// The request of an http template, made by a worker that stands where the pod's containers do (pod_place.h). Any thread; blocks.
#pragma once

#include <span>

#include "host/pod_place.h"
#include "node/http_step.h"

namespace ingot::host {

// Error: no answer came (Timeout: not in time), or one that is larger than kMaxHttpBody.
Result<node::HttpAnswer> ask_apart(const node::HttpAsk&, const PodPlace&);

// The worker itself, `ingot worker http` with the network as file 3 and what to ask on its standard input; on its standard
// output {"statusCode", "headers": [[name, value]…]} in a line, and the body. The exit code is the process's; −1: not such
// a worker.
int http_worker(std::span<const char* const> arguments);

}  // namespace ingot::host
