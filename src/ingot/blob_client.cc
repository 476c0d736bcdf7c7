#include "ingot/blob_client.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "host/beneath.h"
#include "ingot/output.h"

namespace ingot {
namespace {

constexpr size_t kAskedAtOnce = 10'000;
constexpr size_t kConnections = 16;  // most of the time of a small blob is waiting for a disk
constexpr Duration kPatience = std::chrono::minutes(10);
constexpr int kTries = 10;
constexpr auto kPause = std::chrono::milliseconds(300);  // after the first one
constexpr auto kShownEvery = std::chrono::milliseconds(100);
constexpr auto kToldEvery = std::chrono::seconds(10);  // where nobody looks at a terminal: whole lines

}  // namespace

struct TransferProgress::State {
  std::string what;
  int64_t total = 0, done = 0;  // guarded
  bool terminal = false, shown = false;
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
  std::mutex mutex;
};

TransferProgress::TransferProgress(std::string_view what, int64_t total) : state_(std::make_unique<State>()) {
  state_->what = what;
  state_->total = total;
  state_->terminal = ::isatty(STDERR_FILENO) != 0;
}
TransferProgress::~TransferProgress() {
  if (state_->shown) fmt::print(stderr, "\r\x1b[K");
}
void TransferProgress::add(int64_t bytes) {
  std::lock_guard lock(state_->mutex);
  state_->done += bytes;
  const auto now = std::chrono::steady_clock::now();
  if (now - state_->last < (state_->terminal ? kShownEvery : kToldEvery)) return;
  state_->last = now;
  state_->shown = state_->terminal;
  fmt::print(stderr, "{}{}  {} of {}{}", state_->terminal ? "\r\x1b[K" : "", state_->what,
             size_text(state_->done), size_text(state_->total), state_->terminal ? "" : "\n");
  std::fflush(stderr);
}

// Numbers 0 … count - 1, each once, over a few connections; the first error ends it.
Result<void> BlobClient::each(size_t count, const One& one) {
  std::atomic<size_t> next = 0;
  std::atomic<bool> over = false;
  std::mutex mutex;
  std::optional<Error> first;
  const auto work = [&] {
    auto connection = client_.connection(kPatience);
    Result<void> done = connection ? Result<void>{} : fail(connection.error());
    for (size_t i; done && !over && (i = next++) < count;) done = one(**connection, i);
    if (done) return;
    over = true;
    std::lock_guard lock(mutex);
    if (!first) first = std::move(done.error());
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min(count, kConnections); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return first ? Result<void>(fail(std::move(*first))) : Result<void>{};
}

Result<std::vector<Digest>> BlobClient::missing(const std::vector<Digest>& digests) {
  std::vector<Digest> missing;
  for (size_t at = 0; at < digests.size(); at += kAskedAtOnce) {
    api::JsonArray list;
    for (size_t i = at; i < std::min(at + kAskedAtOnce, digests.size()); ++i)
      list.emplace_back(digests[i].text());
    const api::Json question = api::JsonObject{{"digests", std::move(list)}};
    auto answer = client_.call("POST", base_ + "/missing", &question);
    if (!answer) return fail(answer.error());
    for (const api::Json& one : api::array_at(*answer, {"missing"})) {
      auto digest = Digest::parse(one.is_string() ? std::string_view(one.get_string()) : "");
      if (!digest) return fail(digest.error());
      missing.push_back(*digest);
    }
  }
  return missing;
}

Result<void> BlobClient::send(const std::vector<BlobSend>& blobs, TransferProgress& progress) {
  return each(blobs.size(), [&](host::HttpsClient& https, size_t i) -> Result<void> {
    auto next = blobs[i].open();
    if (!next) return fail(next.error());
    const auto counted = [&]() -> Result<std::string_view> {
      auto piece = (*next)();
      if (piece) progress.add(int64_t(piece->size()));
      return piece;
    };
    auto answer = https.send("PUT", base_ + "/" + blobs[i].digest.text(), blobs[i].bytes, counted);
    if (!answer) return fail(answer.error());
    return answer->code == 201 ? Result<void>{} : fail(refusal(*answer));
  });
}

Result<void> BlobClient::fetch(const std::vector<BlobFetch>& blobs, TransferProgress& progress) {
  return each(blobs.size(), [&](host::HttpsClient& https, size_t i) -> Result<void> {
    return blobs[i].write([&](const host::HttpsClient::Take& take) -> Result<void> {
      Sha256 hash;
      auto answer = https.fetch(base_ + "/" + blobs[i].digest.text(), [&](std::string_view piece) {
        hash.add(piece);
        progress.add(int64_t(piece.size()));
        return take(piece);
      });
      if (!answer) return fail(answer.error());
      if (answer->code != 200) return fail(refusal(*answer));
      if (const Digest found = hash.finish(); found != blobs[i].digest)
        return fail(Reason::InternalError, fmt::format("the factory gave other bytes than {}: they are {}",
                                                       blobs[i].digest.text(), found.text()));
      return {};
    });
  });
}

Result<void> BlobClient::upload(const Digest& digest, int64_t bytes, const From& open,
                                TransferProgress& progress) {
  auto connection = client_.connection(kPatience);
  if (!connection) return fail(connection.error());
  host::HttpsClient& https = **connection;
  auto begun = https.request("POST", base_ + "/uploads");
  if (!begun) return fail(begun.error());
  if (begun->code != 202) return fail(refusal(*begun));
  const std::string place = begun->header("Location");
  int64_t at = 0;
  for (int tries = 1; at < bytes; ++tries) {
    auto next = open(at);
    if (!next) return fail(next.error());
    const auto counted = [&]() -> Result<std::string_view> {
      auto piece = (*next)();
      if (piece) progress.add(int64_t(piece->size()));
      return piece;
    };
    auto sent = https.send("PATCH", place, bytes - at, counted);
    if (sent && sent->code / 100 == 4) return fail(refusal(*sent));
    if (sent && sent->code == 202) break;
    if (tries == kTries) return fail(sent ? refusal(*sent) : sent.error());
    std::this_thread::sleep_for(kPause * tries);
    const auto here = https.request("GET", place);
    if (here && here->code == 404) return fail(refusal(*here));
    const std::string offset = here ? here->header("Upload-Offset") : "";
    std::from_chars(offset.data(), offset.data() + offset.size(), at);
  }
  auto closed = https.request("PUT", place + "?digest=" + query_value(digest.text()));
  if (!closed) return fail(closed.error());
  return closed->code == 201 ? Result<void>{} : fail(refusal(*closed));
}

Result<void> BlobClient::get_file(const Digest& digest, int fd, TransferProgress& progress) {
  const auto write = [&](const auto& read) {
    return read([&](std::string_view piece) -> Result<void> {
      if (host::write_all(fd, piece)) return {};
      return fail(Reason::InternalError,
                  fmt::format("cannot keep what is fetched: {}", std::strerror(errno)));
    });
  };
  return fetch({{digest, write}}, progress);
}

Result<void> BlobClient::put(const Digest& digest, std::string_view bytes) {
  TransferProgress quiet("", 0);
  const auto open = [&]() -> Result<host::HttpsClient::Next> { return [bytes] { return bytes; }; };
  return send({{digest, int64_t(bytes.size()), open}}, quiet);
}

Result<std::string> BlobClient::get(const Digest& digest) {
  TransferProgress quiet("", 0);
  std::string bytes;
  const auto write = [&](const auto& read) {
    return read([&](std::string_view piece) -> Result<void> { return bytes += piece, Result<void>{}; });
  };
  if (auto fetched = fetch({{digest, write}}, quiet); !fetched) return fail(fetched.error());
  return bytes;
}

}  // namespace ingot
