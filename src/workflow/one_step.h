// The Workflow of a single command with a directory of source, as who writes no YAML runs it. Pure; any thread.
#pragma once

#include <utility>
#include <vector>

#include "workflow/flow.h"

namespace ingot::workflow {

inline constexpr std::string_view kCommandAnnotation = "factory.ingot.dev/command";
inline constexpr std::string_view kWorkDirectory = "/work";
inline constexpr std::string_view kOutputs = "outputs";  // below it, and the artifact's name

struct OneStep {
  std::string name;    // "": made from the command
  std::string source;  // 64 hexadecimal digits: an archive in the tenant's own store
  std::string image;
  std::vector<std::string> command;
  int64_t gpus = 0;
  std::string cpu, memory, queue;                              // "": not asked for
  std::vector<std::pair<std::string, std::string>> env, data;  // data set, version: at /data/NAME
};

// An error names what cannot be.
Or<Json> one_step(const OneStep&);
// "train" of `python3 -u src/train.py`: what a run is called after.
std::string called(const std::vector<std::string>& command);
// The command as one would type it.
std::string typed(const std::vector<std::string>& command);

}  // namespace ingot::workflow
