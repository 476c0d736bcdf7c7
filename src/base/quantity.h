// Kubernetes resource quantities (apimachinery: pkg/api/resource/quantity.go): "500m", "2", "1.5Gi", "1e3".
// Held in thousandths, saturating; the original text stays in the object. Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingot {

struct Quantity {
  int64_t milli = 0;

  // Empty optional: not a quantity. Rounds up to the next thousandth, as upstream does.
  static std::optional<Quantity> parse(std::string_view);
  // Whole units, rounded up: bytes of memory, GPUs, pods.
  int64_t units() const { return milli >= 0 ? (milli / 1000) + (milli % 1000 ? 1 : 0) : milli / 1000; }
  auto operator<=>(const Quantity&) const = default;
};

// Canonical text: milli for fractions ("500m"), binary suffix for bytes where it divides ("1Gi").
std::string format_milli(int64_t milli);
std::string format_bytes(int64_t bytes);

}  // namespace ingot
