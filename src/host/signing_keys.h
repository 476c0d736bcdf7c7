// The factory's signing keys as files: DATA/pki/signing/NNNN.key (0600) and NNNN.pub, counted up; the last one signs. A key that
// signs no more has its .pub left, so that what it signed can be checked.
// Thread rule: any. Invariants: a key is listed before it signs anything; a crash in rotate() leaves the old key or the new one.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "env/env.h"
#include "env/signer.h"
#include "host/openssl.h"

namespace ingot::host {

class SigningKeys final : public env::Signer {
 public:
  // Makes the first key where there is none. Errors name the file and what to do.
  static Result<std::unique_ptr<SigningKeys>> open(std::string directory, const env::Clock&);

  Result<env::Signature> sign(std::string_view message) override;
  std::vector<env::SigningKey> keys() const override;
  Result<env::SigningKey> rotate() override;

 private:
  SigningKeys(std::string directory, const env::Clock& clock)
      : directory_(std::move(directory)), clock_(clock) {}
  Result<void> load();
  Result<void> make(int number);
  std::string file(int number, std::string_view ending) const;

  const std::string directory_;
  const env::Clock& clock_;
  mutable std::mutex mutex_;
  PkeyPtr key_;                        // guarded, as the rest
  std::vector<env::SigningKey> keys_;  // oldest first
  int last_ = 0;
};

}  // namespace ingot::host
