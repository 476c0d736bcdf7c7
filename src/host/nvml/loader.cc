#include "host/nvml/loader.h"

#include <dlfcn.h>

#include <algorithm>
#include <memory>

#include "gpu/models.h"
#include "host/nvml/abi.h"

namespace ingot::host::nvml {
namespace {

using gpu::Board;
using gpu::Inventory;

struct Close {
  void operator()(void* handle) const { dlclose(handle); }
};
using Library = std::unique_ptr<void, Close>;

template <class F>
F* symbol(const Library& library, const char* name) {
  return reinterpret_cast<F*>(dlsym(library.get(), name));
}

// Every entry point we use. Those that may be absent in an old driver are checked before the call.
struct Api {
  Return (*init)();
  Return (*shutdown)();
  const char* (*error_string)(Return);
  Return (*driver_version)(char*, unsigned);
  Return (*cuda_version)(int*);
  Return (*count)(unsigned*);
  Return (*handle)(unsigned, Device*);
  Return (*uuid)(Device, char*, unsigned);
  Return (*name)(Device, char*, unsigned);
  Return (*minor)(Device, unsigned*);
  Return (*memory)(Device, Memory*);
  Return (*pci)(Device, PciInfo*);
  Return (*compute)(Device, int*, int*);
  Return (*mig)(Device, unsigned*, unsigned*);
  Return (*affinity)(Device, unsigned, unsigned long*, unsigned);
  Return (*link_state)(Device, unsigned, int*);
  Return (*link_remote)(Device, unsigned, PciInfo*);
  Return (*link_type)(Device, unsigned, int*);
  Return (*ecc)(Device, int, int, unsigned long long*);
  const char* (*simulated)();  // the stand-in's own
};

Api load(const Library& lib) {
  Api a{};
  a.init = symbol<Return()>(lib, "nvmlInit_v2");
  a.shutdown = symbol<Return()>(lib, "nvmlShutdown");
  a.error_string = symbol<const char*(Return)>(lib, "nvmlErrorString");
  a.driver_version = symbol<Return(char*, unsigned)>(lib, "nvmlSystemGetDriverVersion");
  a.cuda_version = symbol<Return(int*)>(lib, "nvmlSystemGetCudaDriverVersion");
  a.count = symbol<Return(unsigned*)>(lib, "nvmlDeviceGetCount_v2");
  a.handle = symbol<Return(unsigned, Device*)>(lib, "nvmlDeviceGetHandleByIndex_v2");
  a.uuid = symbol<Return(Device, char*, unsigned)>(lib, "nvmlDeviceGetUUID");
  a.name = symbol<Return(Device, char*, unsigned)>(lib, "nvmlDeviceGetName");
  a.minor = symbol<Return(Device, unsigned*)>(lib, "nvmlDeviceGetMinorNumber");
  a.memory = symbol<Return(Device, Memory*)>(lib, "nvmlDeviceGetMemoryInfo");
  a.pci = symbol<Return(Device, PciInfo*)>(lib, "nvmlDeviceGetPciInfo_v3");
  a.compute = symbol<Return(Device, int*, int*)>(lib, "nvmlDeviceGetCudaComputeCapability");
  a.mig = symbol<Return(Device, unsigned*, unsigned*)>(lib, "nvmlDeviceGetMigMode");
  a.affinity = symbol<Return(Device, unsigned, unsigned long*, unsigned)>(lib, "nvmlDeviceGetMemoryAffinity");
  a.link_state = symbol<Return(Device, unsigned, int*)>(lib, "nvmlDeviceGetNvLinkState");
  a.link_remote = symbol<Return(Device, unsigned, PciInfo*)>(lib, "nvmlDeviceGetNvLinkRemotePciInfo_v2");
  a.link_type = symbol<Return(Device, unsigned, int*)>(lib, "nvmlDeviceGetNvLinkRemoteDeviceType");
  a.ecc = symbol<Return(Device, int, int, unsigned long long*)>(lib, "nvmlDeviceGetTotalEccErrors");
  a.simulated = symbol<const char*()>(lib, "ingotNvmlSimulated");
  return a;
}

bool complete(const Api& a) {
  return a.init && a.shutdown && a.error_string && a.driver_version && a.count && a.handle && a.uuid &&
         a.name && a.minor && a.memory && a.pci && a.compute;
}

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

void fail(Board& board, const Api& a, const char* what, Return code) {
  if (!board.healthy) return;
  board.healthy = false;
  board.fault = std::string(what) + ": " + a.error_string(code);
}

Board read_board(const Api& a, Device device, int index) {
  Board board;
  board.index = index;
  const auto check = [&](const char* what, Return code) {
    if (code != kSuccess) fail(board, a, what, code);
    return code == kSuccess;
  };
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
  return board;
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

std::expected<Inventory, std::string> read_inventory(const std::string& name) {
  const Library library(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!library) return std::unexpected("cannot load " + name + ": " + dlerror());
  const Api a = load(library);
  if (!complete(a)) return std::unexpected(name + " is not an NVML library, or older than driver 450");
  if (const Return code = a.init(); code != kSuccess)
    return std::unexpected(name + ": " + (a.error_string(code) ? a.error_string(code) : "cannot initialise"));
  struct Shutdown {
    const Api& a;
    ~Shutdown() { a.shutdown(); }
  } shutdown{a};

  Inventory inventory;
  inventory.simulated = a.simulated != nullptr;
  char text[kVersionBuffer] = {};
  if (a.driver_version(text, sizeof text) == kSuccess) inventory.driver_version = text;
  int cuda = 0;
  if (a.cuda_version && a.cuda_version(&cuda) == kSuccess)
    inventory.cuda_version = std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
  unsigned count = 0;
  if (const Return code = a.count(&count); code != kSuccess)
    return std::unexpected(name + ": cannot count GPUs: " + a.error_string(code));
  std::vector<Links> links;
  for (unsigned i = 0; i < count; ++i) {
    Device device = nullptr;
    if (const Return code = a.handle(i, &device); code != kSuccess) {
      Board lost;
      lost.index = int(i);
      fail(lost, a, "handle", code);
      inventory.boards.push_back(std::move(lost));
      links.emplace_back();
      continue;
    }
    inventory.boards.push_back(read_board(a, device, int(i)));
    links.push_back(read_links(a, device));
  }
  connect(inventory.boards, links);
  return inventory;
}

}  // namespace ingot::host::nvml
