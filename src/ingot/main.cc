#include <span>
#include <string_view>

#include <mimalloc.h>

#include "host/workers.h"
#include "ingot/command_line.h"

constexpr long kKeepMemory_ms = 5'000;

int main(int argc, char** argv) {
  // Not a command for people: what this program starts to do what may hang, or reads what strangers wrote (host/worker.h).
  if (argc > 2 && argv[1] == std::string_view("worker"))
    if (const int code = ingot::host::run_as_worker(std::span(argv, size_t(argc)).subspan(2)); code >= 0)
      return code;
  // What a burst of requests took is taken again by the next: given back at once, every page of it would be new each time.
  mi_option_set(mi_option_decommit_delay, kKeepMemory_ms);
  mi_option_set(mi_option_segment_decommit_delay, kKeepMemory_ms);
  return ingot::run_command_line(argc, argv);
}
