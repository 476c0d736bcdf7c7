// Documents as bytes: numbers by seven bits, texts by their length. Pure; any thread. A Reader of bytes that are cut short
// or senseless reads zeros and empty texts, and says so.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ingot::registry {

class Writer {
 public:
  Writer& number(int64_t value) {
    uint64_t rest = (uint64_t(value) << 1) ^ uint64_t(value >> 63);
    for (; rest >= 0x80; rest >>= 7) bytes_ += char(rest | 0x80);
    bytes_ += char(rest);
    return *this;
  }
  Writer& real(double value) {
    char raw[8];
    std::memcpy(raw, &value, 8);
    bytes_.append(raw, 8);
    return *this;
  }
  Writer& text(std::string_view value) {
    number(int64_t(value.size()));
    bytes_ += value;
    return *this;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  int64_t number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return broken(), 0;
      const uint8_t byte = uint8_t(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return int64_t(value >> 1) ^ -int64_t(value & 1);
    }
    return broken(), 0;
  }
  double real() {
    double value = 0;
    if (rest_.size() < 8) return broken(), value;
    std::memcpy(&value, rest_.data(), 8);
    rest_.remove_prefix(8);
    return value;
  }
  std::string_view text() {
    const int64_t size = number();
    if (size < 0 || uint64_t(size) > rest_.size()) return broken(), std::string_view();
    const std::string_view value = rest_.substr(0, size_t(size));
    rest_.remove_prefix(size_t(size));
    return value;
  }
  // How many things follow: never more than there are bytes.
  size_t count() {
    const int64_t many = number();
    if (many < 0 || uint64_t(many) > rest_.size()) return broken(), 0;
    return size_t(many);
  }
  bool ok() const { return ok_; }

 private:
  void broken() {
    ok_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace ingot::registry
