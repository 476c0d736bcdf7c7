#include "host/nvml/loader.h"

#include <algorithm>
#include <future>
#include <thread>

#include "gpu/models.h"
#include "host/nvml/session.h"
#include "host/nvml/slices.h"

namespace ingot::host::nvml {
namespace {

using gpu::Board;
using gpu::Inventory;

// What a board's links lead to: peers' bus ids, and whether one leads to a switch.
struct Links {
  std::vector<std::string> peers;
  bool nvswitch = false;
};
Links read_links(const Api& a, Device device) {
  Links links;
  if (!a.link_state || !a.link_remote) return links;
  for (unsigned link = 0; link < kMaxNvLinks; ++link) {
    int active = 0, type = kLinkToGpu;
    PciInfo remote{};
    if (a.link_state(device, link, &active) != kSuccess || !active) continue;
    if (a.link_type && a.link_type(device, link, &type) == kSuccess && type == kLinkToSwitch)
      links.nvswitch = true;
    else if (a.link_remote(device, link, &remote) == kSuccess)
      links.peers.emplace_back(remote.bus_id);
  }
  return links;
}

void fail(Board& board, const std::string& why) {
  if (!board.healthy) return;
  board.healthy = false;
  board.fault = why;
}

struct Answer {
  Board board;
  Links links;
};

Answer read_board(const Session& session, unsigned index) {
  const Api& a = session.api();
  Answer answer;
  Board& board = answer.board;
  board.index = int(index);
  Device device = nullptr;
  const auto check = [&](const char* what, Return code) {
    if (code != kSuccess) fail(board, what + (": " + session.error(code)));
    return code == kSuccess;
  };
  if (!check("handle", a.handle(index, &device))) return answer;
  char text[kUuidBuffer] = {};
  if (check("uuid", a.uuid(device, text, sizeof text))) board.uuid = text;
  if (check("name", a.name(device, text, sizeof text))) board.product = text;
  unsigned minor = 0;
  if (check("minor number", a.minor(device, &minor))) board.minor = int(minor);
  Memory memory{};
  if (check("memory", a.memory(device, &memory))) board.memory_mib = int64_t(memory.total >> 20);
  PciInfo pci{};
  if (check("PCI address", a.pci(device, &pci))) board.pci_bus_id = pci.bus_id;
  check("compute capability", a.compute(device, &board.compute_major, &board.compute_minor));
  unsigned current = 0, pending = 0;
  if (a.mig && a.mig(device, &current, &pending) == kSuccess) {
    board.mig_capable = true;
    board.mig_enabled = current != 0;
  }
  unsigned long nodes = 0;
  if (a.affinity && a.affinity(device, 1, &nodes, 0) == kSuccess && nodes)
    board.numa_node = __builtin_ctzl(nodes);
  unsigned long long errors = 0;
  if (a.ecc && a.ecc(device, 1 /*uncorrected*/, 0 /*volatile*/, &errors) == kSuccess && errors &&
      board.healthy) {
    board.healthy = false;
    board.fault = "uncorrected ECC errors: " + std::to_string(errors);
  }
  if (const gpu::Model* model = gpu::model_of_product(board.product, board.memory_mib))
    board.model = model->name;
  if (board.model.empty()) board.model = board.product;
  if (board.mig_enabled) board.mig_devices = list_instances(session, device, board.model);
  answer.links = read_links(a, device);
  return answer;
}

// Each board by a thread of its own: one that hangs keeps none of the others from answering. A thread that hangs is
// left behind with its share of the session.
std::vector<Answer> read_boards(std::shared_ptr<const Session> session, unsigned count,
                                std::chrono::milliseconds patience) {
  std::vector<std::future<Answer>> asked;
  for (unsigned i = 0; i < count; ++i) {
    std::promise<Answer> promise;
    asked.push_back(promise.get_future());
    std::thread([session, i, promise = std::move(promise)]() mutable {
      Answer answer = read_board(*session, i);
      session.reset();  // who has the last answer may be the last to have the library
      promise.set_value(std::move(answer));
    }).detach();
  }
  const auto end = std::chrono::steady_clock::now() + patience;
  std::vector<Answer> answers;
  for (auto& one : asked) {
    if (one.wait_until(end) == std::future_status::ready) {
      answers.push_back(one.get());
      continue;
    }
    Answer silent;
    silent.board.index = int(answers.size());
    fail(silent.board, "NVML gave no answer in time");
    answers.push_back(std::move(silent));
  }
  return answers;
}

void connect(std::vector<Board>& boards, const std::vector<Links>& links) {
  for (size_t i = 0; i < boards.size(); ++i)
    for (size_t j = 0; j < boards.size(); ++j) {
      if (i == j) continue;
      const auto& peers = links[i].peers;
      const bool direct = std::find(peers.begin(), peers.end(), boards[j].pci_bus_id) != peers.end();
      if (direct || (links[i].nvswitch && links[j].nvswitch)) boards[i].nvlink_peers.push_back(int(j));
    }
}

}  // namespace

std::expected<Inventory, std::string> read_inventory(const std::string& name,
                                                     std::chrono::milliseconds patience) {
  auto opened = Session::open(name);
  if (!opened) return std::unexpected(opened.error());
  const Api& a = (*opened)->api();
  Inventory inventory;
  inventory.simulated = a.simulated != nullptr;
  char text[kVersionBuffer] = {};
  if (a.driver_version(text, sizeof text) == kSuccess) inventory.driver_version = text;
  int cuda = 0;
  if (a.cuda_version && a.cuda_version(&cuda) == kSuccess)
    inventory.cuda_version = std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
  unsigned count = 0;
  if (const Return code = a.count(&count); code != kSuccess)
    return std::unexpected(name + ": cannot count GPUs: " + (*opened)->error(code));
  std::vector<Links> links;
  for (Answer& answer : read_boards(std::move(*opened), count, patience)) {
    inventory.boards.push_back(std::move(answer.board));
    links.push_back(std::move(answer.links));
  }
  connect(inventory.boards, links);
  return inventory;
}

}  // namespace ingot::host::nvml
