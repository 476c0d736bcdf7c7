#include "store/tracking_points.h"

#include <cstring>

namespace ingot::store {
namespace {
constexpr size_t kPoint = 24;
static_assert(sizeof(TrackedPoint) == kPoint);

void put_u32(std::string& out, uint32_t value) {
  char bytes[4];
  std::memcpy(bytes, &value, 4);
  out.append(bytes, 4);
}
uint32_t get_u32(std::string_view bytes) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data(), 4);
  return value;
}
}  // namespace

void append_points(std::string& out, std::string_view key, const std::vector<TrackedPoint>& points) {
  put_u32(out, uint32_t(key.size()));
  put_u32(out, uint32_t(points.size()));
  out.append(key);
  out.append(reinterpret_cast<const char*>(points.data()), points.size() * kPoint);
}

void each_points(std::string_view row, const std::function<void(std::string_view, std::string_view)>& visit) {
  while (row.size() >= 8) {
    const uint64_t key = get_u32(row), bytes = uint64_t(get_u32(row.substr(4))) * kPoint;
    row.remove_prefix(8);
    if (key + bytes > row.size()) return;
    visit(row.substr(0, key), row.substr(key, bytes));
    row.remove_prefix(key + bytes);
  }
}

std::string encode_points(const std::vector<TrackedPoint>& points) {
  return {reinterpret_cast<const char*>(points.data()), points.size() * kPoint};
}

void decode_points(std::string_view bytes, std::vector<TrackedPoint>& out) {
  const size_t count = bytes.size() / kPoint, before = out.size();
  if (count == 0) return;
  out.resize(before + count);
  std::memcpy(out.data() + before, bytes.data(), count * kPoint);
}

}  // namespace ingot::store
