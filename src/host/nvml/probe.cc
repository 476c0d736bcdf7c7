// nvml-probe [LIBRARY]: prints what an NVML library reports, a line a board and a line a MIG instance. Exit code 1: no library or no driver.
#include <cstdio>

#include "host/nvml/loader.h"

int main(int argc, char** argv) {
  const auto read = ingot::host::nvml::read_inventory(argc > 1 ? argv[1] : "libnvidia-ml.so.1");
  if (!read) {
    std::fprintf(stderr, "error: %s\n", read.error().c_str());
    return 1;
  }
  std::printf("driver %s cuda %s simulated %s\n", read->driver_version.c_str(), read->cuda_version.c_str(),
              read->simulated ? "yes" : "no");
  for (const auto& b : read->boards) {
    std::printf(
        "%d %s model=%s product=\"%s\" memory_mib=%lld pci=%s minor=%d numa=%d cc=%d.%d mig=%s nvlink=",
        b.index, b.uuid.c_str(), b.model.c_str(), b.product.c_str(), static_cast<long long>(b.memory_mib),
        b.pci_bus_id.c_str(), b.minor, b.numa_node, b.compute_major, b.compute_minor,
        !b.mig_capable  ? "no"
        : b.mig_enabled ? "on"
                        : "off");
    for (const int peer : b.nvlink_peers) std::printf("%d,", peer);
    std::printf(" health=%s\n", b.healthy ? "ok" : b.fault.c_str());
    for (const auto& m : b.mig_devices)
      std::printf("  %s profile=%s start=%d gi=%d ci=%d memory_mib=%lld\n", m.uuid.c_str(), m.profile.c_str(),
                  m.start, m.gpu_instance, m.compute_instance, static_cast<long long>(m.memory_mib));
  }
  return 0;
}
