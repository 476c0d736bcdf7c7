// SHA-256 as a name for bytes: "sha256:" and 64 lower-case hexadecimal digits, as OCI writes it. A Digest that exists is
// well formed, so its text may become part of a path. Plain values; any thread, a Sha256 one at a time.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot {

class Digest {
 public:
  static constexpr std::string_view kPrefix = "sha256:";

  // Invalid, naming what is wrong: another algorithm, length or case.
  static Result<Digest> parse(std::string_view text);
  static Result<Digest> parse_hex(std::string_view hex);  // without the prefix
  static Digest of(std::string_view bytes);

  std::string hex() const;   // 64 digits
  std::string text() const;  // with the prefix
  auto operator<=>(const Digest&) const = default;

 private:
  friend class Sha256;
  Digest() = default;
  std::array<uint8_t, 32> bytes_{};
};

// The digest of bytes that come one after another.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void add(std::string_view bytes);
  Digest finish();  // once; begins anew

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ingot
