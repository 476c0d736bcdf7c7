#include <span>
#include <string_view>

#include "host/git_worker.h"
#include "host/gpu_worker.h"
#include "ingot/command_line.h"

int main(int argc, char** argv) {
  // Not a command for people: what this program starts to do what may hang (host/worker.h).
  if (argc > 2 && argv[1] == std::string_view("worker"))
    for (const auto worker : {ingot::host::gpu_worker, ingot::host::git_worker})
      if (const int code = worker(std::span(argv, size_t(argc)).subspan(2)); code >= 0) return code;
  return ingot::run_command_line(argc, argv);
}
