// A selector's expression, compiled and asked of a device.
#include "cel/program.h"

using namespace ingot;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const cel::Value device = cel::device_value(
      "gpu.nvidia.com", *api::parse_json(R"({"attributes":{"model":{"string":"H100-80GB"},"index":{"int":1}},
                                             "capacity":{"memory":{"value":"80Gi"}}})"));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  int64_t steps = 100'000;
  if (const auto program = cel::Program::compile(text)) (void)program->matches(device, steps);
  return 0;
}
