#include <string_view>

#include "host/inventory.h"
#include "ingot/command_line.h"

int main(int argc, char** argv) {
  // Not a command for people: what this program starts to do what may hang (host/worker.h).
  if (argc == 4 && argv[1] == std::string_view("worker") && argv[2] == std::string_view("nvml"))
    return ingot::host::nvml_worker(argv[3]);
  return ingot::run_command_line(argc, argv);
}
