#include "host/gpu_worker.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <expected>
#include <vector>

#include "host/gpu_sampler.h"
#include "host/inventory.h"
#include "host/nvml/clear.h"
#include "host/nvml/loader.h"
#include "host/nvml/slices.h"
#include "host/worker.h"

namespace ingot::host {
namespace {

using Answer = std::expected<std::string, std::string>;
using Words = std::span<const std::string>;

template <class T, class F>
Answer told(const std::expected<T, std::string>& result, F text) {
  if (!result) return std::unexpected(result.error());
  if constexpr (std::is_void_v<T>)
    return text();
  else
    return text(*result);
}
std::string nothing() { return {}; }

int number(const std::string& text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Answer list(Words w) { return told(nvml::read_inventory(w[0]), inventory_to_json); }
Answer make(Words w) { return told(nvml::make_instance(w[0], w[1], w[2], number(w[3])), mig_device_to_json); }
Answer destroy(Words w) { return told(nvml::destroy_instance(w[0], w[1], number(w[2])), nothing); }
Answer whole(Words w) { return told(nvml::make_whole(w[0], w[1]), nothing); }
Answer clear(Words w) {
  return told(nvml::clear_memory(w[0], w[1]), [](const nvml::Cleared& cleared) {
    return fmt::format("{} of {} MiB zeroed", cleared.mib, cleared.of_mib);
  });
}

struct Act {
  std::string_view name;
  size_t words;
  Keep keep;
  Answer (*run)(Words);
};
constexpr Act kActs[] = {{"nvml", 1, Keep::Nothing, list},    {"gpu-list", 1, Keep::Root, list},
                         {"gpu-make", 4, Keep::Root, make},   {"gpu-destroy", 3, Keep::Root, destroy},
                         {"gpu-whole", 2, Keep::Root, whole}, {"gpu-clear", 2, Keep::Root, clear}};

// Closed before the process ends: a thread that hangs in the driver would keep them open, and the reader waiting.
int finish(std::FILE* stream, const std::string& text, int code) {
  std::fprintf(stream, "%s\n", text.c_str());
  std::fflush(stream);
  ::close(STDOUT_FILENO);
  ::close(STDERR_FILENO);
  ::_exit(code);
}

}  // namespace

int gpu_worker(std::span<const char* const> arguments) {
  for (const auto& [name, keep] :
       {std::pair{"gpu-sample", Keep::Nothing}, std::pair{"gpu-sample-instances", Keep::Root}})
    if (arguments.size() == 2 && arguments[0] == std::string_view(name))
      return sample_worker(arguments[1], keep);
  for (const Act& act : kActs) {
    if (arguments.size() != act.words + 1 || arguments[0] != act.name) continue;
    const std::vector<std::string> words(arguments.begin() + 1, arguments.end());
    // Found while still root: the program may lie where nobody cannot look. The driver is called confined.
    dlopen(words[0].c_str(), RTLD_NOW | RTLD_LOCAL);
    if (const Result<void> confined = confine_worker(act.keep); !confined)
      return finish(stderr, "error: " + confined.error().message, 1);
    const Answer answer = act.run(words);
    return answer ? finish(stdout, *answer, 0) : finish(stderr, "error: " + answer.error(), 1);
  }
  return -1;
}

}  // namespace ingot::host
