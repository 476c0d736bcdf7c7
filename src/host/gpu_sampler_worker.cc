#include <dlfcn.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "host/gpu_sampler.h"
#include "host/nvml/sampler.h"
#include "host/samples.h"
#include "host/worker.h"

namespace ingot::host {

int sample_worker(const std::string& library, Keep keep) {
  // Found while still root: the program may lie where nobody cannot look. The driver is called confined.
  dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!confine_worker(keep)) return 1;
  const auto sampler = nvml::Sampler::open(library);
  if (!sampler) return 1;
  constexpr std::string_view kDescribe = "describe ";
  for (std::string line; std::getline(std::cin, line);) {
    if (line.starts_with(kDescribe)) {
      std::string text(std::stoul(line.substr(kDescribe.size())), '\0');
      if (!std::cin.read(text.data(), std::streamsize(text.size()))) return 1;
      (*sampler)->describe(text);
    } else if (line == "look") {
      std::puts(samples_to_json((*sampler)->look()).c_str());
      std::fflush(stdout);
    } else {
      return 1;
    }
  }
  return 0;
}

}  // namespace ingot::host
