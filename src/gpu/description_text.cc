// From a description back to its text.
#include <algorithm>

#include "gpu/description.h"

namespace ingot::gpu {
namespace {

bool wanted(const std::vector<std::string>& only, const std::string& uuid) {
  return only.empty() || std::ranges::find(only, uuid) != only.end();
}

bool wanted(const std::vector<std::string>& only, const SimulatedBoard& board) {
  return wanted(only, board.uuid) ||
         std::ranges::any_of(board.instances, [&](const auto& i) { return wanted(only, i.uuid); });
}

std::string board_line(const SimulatedBoard& board) {
  return "board " + std::string(board.model->name) + " uuid=" + board.uuid + " pci=" + board.pci_bus_id +
         " numa=" + std::to_string(board.numa_node) + " minor=" + std::to_string(board.minor) +
         (board.mig_enabled ? " mig=on" : "") + "\n";
}

// What is on the board at position `at`, and what is wrong with it.
std::string contents(const SimulatedBoard& board, const std::string& at,
                     const std::vector<std::string>& only) {
  std::string text;
  const bool whole = wanted(only, board.uuid);
  for (const SimulatedInstance& i : board.instances)
    if (whole || wanted(only, i.uuid))
      text += "instance " + at + " " + i.profile + " start=" + std::to_string(i.start) +
              " id=" + std::to_string(i.id) + (i.uuid.empty() ? "" : " uuid=" + i.uuid) + "\n";
  if (only.empty())
    for (const SimulatedMemory& m : board.memory)
      text += "memory " + at + " start_mib=" + std::to_string(m.start_mib) + " mib=" + std::to_string(m.mib) +
              " byte=" + std::to_string(m.byte) + "\n";
  const std::pair<bool, const char*> faults[] = {{board.lost, "lost"},
                                                 {board.hangs, "hang"},
                                                 {board.mode_fails, "mode"},
                                                 {board.create_fails, "create"},
                                                 {board.clear_fails, "clear"}};
  for (const auto& [there, name] : faults)
    if (there) text += "fault " + at + " " + name + "\n";
  if (board.ecc_errors) text += "fault " + at + " ecc=" + std::to_string(board.ecc_errors) + "\n";
  if (board.xid) text += "fault " + at + " xid=" + std::to_string(board.xid) + "\n";
  if (board.use >= 0) text += "use " + at + " " + std::to_string(board.use) + "\n";
  if (board.held || !only.empty()) text += "held " + at + "\n";
  return text;
}

}  // namespace

std::string to_text(const Description& description, const SimulatedNode& node,
                    const std::vector<std::string>& only) {
  std::string text =
      "driver " + description.driver + "\ncuda " + description.cuda + "\nnode " + node.name + "\n";
  std::vector<int> position(node.boards.size(), -1);
  int next = 0;
  for (size_t i = 0; i < node.boards.size(); ++i) {
    if (!wanted(only, node.boards[i])) continue;
    position[i] = next++;
    text += board_line(node.boards[i]);
  }
  for (size_t i = 0; i < node.boards.size(); ++i) {
    if (position[i] < 0) continue;
    const std::string at = std::to_string(position[i]);
    if (!node.nvswitch)
      for (int peer : node.boards[i].links)
        if (position[size_t(peer)] > position[i])
          text += "link " + at + " " + std::to_string(position[size_t(peer)]) + "\n";
    text += contents(node.boards[i], at, only);
  }
  if (node.nvswitch && next > 1) text += "link all\n";
  return text;
}

}  // namespace ingot::gpu
