#include "host/blob_ledger.h"

#include <fmt/format.h>

#include "base/quantity.h"
#include "host/blob_files.h"

namespace ingot::host {

Result<void> BlobAccount::take(int64_t bytes, bool dry) {
  std::lock_guard lock(mutex_);
  if (limit_ && bytes > *limit_ - bytes_) {
    const std::string why = fmt::format("limit of {} reached: {} is used and {} more does not fit",
                                        format_bytes(*limit_), format_bytes(bytes_), format_bytes(bytes));
    Error error{
        .reason = Reason::Forbidden,
        .message = fmt::format("exceeded the tenant's spec.storage.limit: {}\n  delete versions of data "
                               "sets that nobody needs, or ask the operator for a higher limit",
                               why)};
    error.causes.push_back({"FieldValueForbidden", "spec.storage.limit", why});
    return fail(std::move(error));
  }
  if (!dry) bytes_ += bytes;
  return {};
}

void BlobAccount::give_back(int64_t bytes) {
  std::lock_guard lock(mutex_);
  bytes_ -= bytes;
}

Result<void> BlobAccount::open_upload() {
  std::lock_guard lock(mutex_);
  if (uploads_ >= kMostUploads)
    return fail(
        {.reason = Reason::TooManyRequests,
         .message = fmt::format("{} uploads are under way or were left: finish or abort some; those left "
                                "alone go after a day",
                                uploads_),
         .retry_after_s = 60});
  ++uploads_;
  return {};
}

void BlobAccount::close_upload() {
  std::lock_guard lock(mutex_);
  --uploads_;
}

env::BlobUsage BlobAccount::usage() const {
  std::lock_guard lock(mutex_);
  return {.bytes = bytes_, .limit = limit_};
}

std::shared_ptr<BlobAccount> BlobLedger::find(const ClusterId& cluster) {
  std::lock_guard lock(mutex_);
  auto& account = accounts_[cluster];
  if (!account) account = std::make_shared<BlobAccount>();
  return account;
}

std::shared_ptr<BlobAccount> BlobLedger::of(const ClusterId& cluster) {
  auto account = find(cluster);
  std::call_once(account->counted_, [&] {
    const Held held = count_(cluster);
    std::lock_guard lock(account->mutex_);
    account->bytes_ = held.bytes;
    account->uploads_ = held.uploads;
  });
  return account;
}

void BlobLedger::limit(const ClusterId& cluster, std::optional<int64_t> bytes) {
  if (!bytes) {  // most have neither limit nor blobs, and no account
    std::lock_guard lock(mutex_);
    if (!accounts_.contains(cluster)) return;
  }
  const auto account = find(cluster);
  std::lock_guard lock(account->mutex_);
  account->limit_ = bytes;
}

void BlobLedger::forget(const ClusterId& cluster) {
  std::lock_guard lock(mutex_);
  accounts_.erase(cluster);
}

}  // namespace ingot::host
