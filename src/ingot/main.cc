#include <span>
#include <string_view>

#include "host/workers.h"
#include "ingot/command_line.h"

int main(int argc, char** argv) {
  // Not a command for people: what this program starts to do what may hang, or reads what strangers wrote (host/worker.h).
  if (argc > 2 && argv[1] == std::string_view("worker"))
    if (const int code = ingot::host::run_as_worker(std::span(argv, size_t(argc)).subspan(2)); code >= 0)
      return code;
  return ingot::run_command_line(argc, argv);
}
