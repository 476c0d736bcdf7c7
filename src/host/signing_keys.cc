#include "host/signing_keys.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "host/certificate.h"
#include "host/disk_file.h"
#include "host/ecdsa.h"

namespace ingot::host {
namespace {

constexpr int kMostKeys = 9'999;

// The files' times are when keys were made.
WallTime made_at(const std::string& path) {
  struct stat of{};
  if (::stat(path.c_str(), &of) != 0) return {};
  return WallTime(
      std::chrono::microseconds(int64_t(of.st_mtim.tv_sec) * 1'000'000 + of.st_mtim.tv_nsec / 1000));
}

}  // namespace

std::string SigningKeys::file(int number, std::string_view ending) const {
  return fmt::format("{}/{:04}.{}", directory_, number, ending);
}

Result<std::unique_ptr<SigningKeys>> SigningKeys::open(std::string directory, const env::Clock& clock) {
  if (auto made = make_directory(directory, 0700); !made) return fail(made.error());
  std::unique_ptr<SigningKeys> keys(new SigningKeys(std::move(directory), clock));
  if (auto loaded = keys->load(); !loaded) return fail(loaded.error());
  return keys;
}

Result<void> SigningKeys::load() {
  std::error_code error;
  std::vector<int> numbers;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    const std::string name = entry.path().filename().string();
    int number = 0;
    const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (wrong == std::errc() && std::string_view(end) == ".pub" && number > 0 && number <= kMostKeys)
      numbers.push_back(number);
  }
  if (error)
    return fail(Reason::InternalError, fmt::format("cannot read {}: {}", directory_, error.message()));
  std::ranges::sort(numbers);
  for (const int number : numbers) {
    auto pem = read_file(file(number, "pub"));
    if (!pem) return fail(pem.error());
    auto key = parse_public_key(*pem);
    if (!key)
      return fail(Reason::InternalError, fmt::format("{}: {}", file(number, "pub"), key.error().message));
    keys_.push_back({key_hint(key->get()), public_pem(key->get()), made_at(file(number, "pub")), false});
    last_ = number;
  }
  if (keys_.empty()) return make(1);
  auto pem = read_file(file(last_, "key"));
  if (!pem)
    return fail(pem.error().reason,
                fmt::format("{}\n  restore it from a backup, or remove {} to have a new key",
                            pem.error().message, file(last_, "pub")));
  auto key = parse_key(*pem);
  if (!key)
    return fail(Reason::InternalError, fmt::format("{}: {}", file(last_, "key"), key.error().message));
  if (key_hint(key->get()) != keys_.back().id)
    return fail(Reason::InternalError, fmt::format("{} does not belong to {}: restore both from a backup",
                                                   file(last_, "pub"), file(last_, "key")));
  keys_.back().current = true;
  key_ = std::move(*key);
  // What a crash in rotate() left.
  for (const int number : numbers)
    if (number != last_) ::unlink(file(number, "key").c_str());
  return {};
}

// The private half first: a public one without it would be the last, and could not sign.
Result<void> SigningKeys::make(int number) {
  if (number > kMostKeys) return fail(Reason::Forbidden, "there are too many signing keys");
  PkeyPtr key = make_p256_key();
  const std::string pem = public_pem(key.get());
  if (auto written = write_file(file(number, "key"), to_pem(key.get()), 0600); !written) return written;
  if (auto written = write_file(file(number, "pub"), pem, 0644); !written) return written;
  if (!keys_.empty()) keys_.back().current = false;
  keys_.push_back({key_hint(key.get()), pem, clock_.wall(), true});
  key_ = std::move(key);
  last_ = number;
  return {};
}

Result<env::Signature> SigningKeys::sign(std::string_view message) {
  std::lock_guard lock(mutex_);
  auto der = sign_ecdsa(key_.get(), message);
  if (!der) return fail(der.error());
  return env::Signature{keys_.back().id, std::move(*der)};
}

std::vector<env::SigningKey> SigningKeys::keys() const {
  std::lock_guard lock(mutex_);
  return {keys_.rbegin(), keys_.rend()};
}

Result<env::SigningKey> SigningKeys::rotate() {
  std::lock_guard lock(mutex_);
  const int before = last_;
  if (auto made = make(before + 1); !made) return fail(made.error());
  ::unlink(file(before, "key").c_str());
  return keys_.back();
}

}  // namespace ingot::host
