// Every node's boards, looked at all the time: one `ingot worker gpu-sample LIBRARY` child a node, asked for a look every few
// seconds. A child that gives no answer in time, or dies, is killed and started again, ever later while it goes on; the
// others and everything else do not notice. A child that the kernel cannot end (it hangs in the driver) is left behind;
// with too many of those no more are started until one is gone.
//
// Thread rule: construct and destroy anywhere but on the loop's thread; one thread of its own does the rest and posts
// what it hears to the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "env/env.h"
#include "gpu/sample.h"
#include "host/worker.h"

namespace ingot::host {

struct SampledNode {
  std::string name, library;
  // Simulated boards: what they are and what happens to them now (gpu/description.h). Null: real ones. On the
  // sampler's thread.
  std::function<std::string()> describe;
  // Some board may be cut into MIG instances. Only an administrator may list and measure those, so the child stays root,
  // with no capability but the one by which a driver knows an administrator; else it is nobody.
  bool instances = false;
  std::string state;  // simulated: the file in which the stand-in keeps them; "": none
};

struct GpuSamplerOptions {
  Duration every = std::chrono::seconds(5);
  Duration deadline = std::chrono::seconds(10);  // of one look
  Duration first_pause = std::chrono::seconds(1),
           longest_pause = std::chrono::minutes(1);  // before a new child
};

class GpuSampler {
 public:
  // On the loop: what a node's boards say, or why nothing was heard (once for every child that failed).
  using Heard = std::function<void(const std::string& node, Result<std::vector<gpu::Sample>>)>;

  GpuSampler(env::Loop&, env::Log&, std::vector<SampledNode>, Heard, GpuSamplerOptions = {});
  ~GpuSampler();  // ends the children; what was posted and not heard yet is dropped

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The worker itself. Keeps what its node needs. Reads "look\n" and "describe BYTES\n…" from standard input; a look is answered by a line of JSON.
int sample_worker(const std::string& library, Keep);

}  // namespace ingot::host
