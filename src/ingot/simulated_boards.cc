#include "ingot/simulated_boards.h"

#include <sys/stat.h>

#include <algorithm>

#include "host/disk_file.h"

namespace ingot {
namespace {
constexpr size_t kMostText = 64 * 1024;
}

SimulatedBoards::SimulatedBoards(env::Log& log, std::string file, std::string seed, gpu::Description first,
                                 std::string node)
    : log_(log),
      file_(std::move(file)),
      seed_(std::move(seed)),
      node_(std::move(node)),
      description_(std::move(first)) {}

void SimulatedBoards::hold(std::set<std::string> uuids) {
  const std::lock_guard lock(mutex_);
  held_ = std::move(uuids);
}

// What cannot be read leaves things as they are; it is told once for every change.
void SimulatedBoards::read_again() {
  struct stat now{};
  if (file_.empty() || ::stat(file_.c_str(), &now) != 0) return;
  if (now.st_mtim.tv_sec == read_.tv_sec && now.st_mtim.tv_nsec == read_.tv_nsec) return;
  read_ = now.st_mtim;
  const auto text = host::read_file(file_, kMostText);
  auto parsed = text ? gpu::parse_description(*text, seed_) : std::unexpected(text.error().message);
  if (parsed)
    description_ = std::move(*parsed);
  else
    log_.warn("gpu.description_unreadable", {{"file", file_}, {"why", parsed.error()}});
}

std::string SimulatedBoards::describe() {
  const std::lock_guard lock(mutex_);
  read_again();
  const auto node = std::ranges::find(description_.nodes, node_, &gpu::SimulatedNode::name);
  if (node == description_.nodes.end()) return "";
  for (gpu::SimulatedBoard& board : node->boards) board.held = held_.contains(board.uuid);
  return gpu::to_text(description_, *node);
}

}  // namespace ingot
