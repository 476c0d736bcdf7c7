// What-ifs: one change each to what a trace is played on. Pure but for the reader it is given; any thread.
//
//   nodes+2  nodes+F.csv  nodes=F.csv  gpus=128  policy=fifo  known-runtimes
//   queue:NAME.limit=8  queue:NAME.guarantee=4  queue:NAME.weight=2  quotas=F.yaml (Queue objects)
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "replay/replay.h"

namespace ingot::replay {

struct Scenario {
  std::string title;  // of its column
  std::vector<TraceNode> nodes;
  ReplayOptions options;
};

using ReadFile = std::function<std::expected<std::string, std::string>(const std::string& path)>;

// Today, changed. Errors say what is wrong with the change.
std::expected<Scenario, std::string> changed(Scenario today, const std::string& change, const ReadFile&);

// The GPU limits, guarantees and weights of the Queue objects of a YAML file, one a document.
std::expected<std::vector<scheduler::Queue>, std::string> queues_from(const std::string& file,
                                                                      std::string_view yaml);

}  // namespace ingot::replay
