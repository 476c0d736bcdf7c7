// The port to the factory's signing keys: ECDSA on P-256 with SHA-256, kept where no tenant reaches.
// Thread rule: any thread; nothing waits for long. Invariants: one key signs at a time; a key that signed once is listed for
// ever, so that what it signed can be checked; private keys never leave.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace ingot::env {

struct SigningKey {
  std::string id;   // hexadecimal SHA-256 of `pem`: the hint of bundles
  std::string pem;  // the public half
  WallTime since;   // when it began to sign
  bool current = false;
};

struct Signature {
  std::string key_id, der;
};

struct Signer {
  virtual ~Signer() = default;
  virtual Result<Signature> sign(std::string_view message) = 0;
  virtual std::vector<SigningKey> keys() const = 0;  // the current one first, then the newest
  // A new key signs from now on; the old one's private half is gone.
  virtual Result<SigningKey> rotate() = 0;
};

}  // namespace ingot::env
