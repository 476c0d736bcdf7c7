#include "host/tracked_blobs.h"

#include <fmt/format.h>

#include <filesystem>
#include <future>

#include "api/json.h"
#include "base/digest.h"

namespace ingot::host {
namespace {

class TrackedBlobs final : public controllers::BlobRoots {
 public:
  TrackedBlobs(env::Loop& loop, std::string directory, AskTracking ask)
      : loop_(loop), directory_(std::move(directory)), ask_(std::move(ask)) {}
  void named(const store::Turn&, const ClusterId&, const controllers::VisitDigest&) const override {}
  Result<void> follow(env::Blobs&, const ClusterId& cluster, const std::vector<Digest>&,
                      const controllers::VisitDigest& visit) const override {
    const std::string path = fmt::format("{}/{}{}", directory_, cluster.value, kTrackingSuffix);
    std::error_code error;
    const bool there = std::filesystem::exists(path, error);
    // Not to be seen is not to be empty: what its rows name would be removed.
    if (error) return fail(Reason::InternalError, fmt::format("{}: {}", path, error.message()));
    if (!there) return {};
    const auto promise = std::make_shared<std::promise<Result<std::string>>>();
    auto answer = promise->get_future();
    loop_.post([ask = ask_, cluster, promise = std::move(promise)]() mutable {
      ask(cluster, "artifacts/digests", "",
          [promise = std::move(promise)](Result<std::string> told) { promise->set_value(std::move(told)); });
    });
    try {
      const Result<std::string> told = answer.get();
      if (!told) return fail(told.error());
      const auto value = api::parse_json(*told);
      if (!value) return fail(value.error());
      for (const api::Json& one : api::array_at(*value, {"digests"}))
        if (const auto digest = Digest::parse(one.is_string() ? std::string_view(one.get_string()) : ""))
          visit(*digest);
      return {};
    } catch (const std::future_error&) {
      return fail(Reason::ServiceUnavailable, "the factory stops");  // nobody answers any more
    }
  }

 private:
  env::Loop& loop_;
  const std::string directory_;
  const AskTracking ask_;
};

}  // namespace

std::unique_ptr<controllers::BlobRoots> tracked_blobs(env::Loop& loop, std::string directory,
                                                      AskTracking ask) {
  return std::make_unique<TrackedBlobs>(loop, std::move(directory), std::move(ask));
}

}  // namespace ingot::host
