#include "ingot/file_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "host/beneath.h"
#include "ingot/output.h"

namespace ingot {
namespace {

constexpr unsigned kMostThreads = 16;

Result<Digest> hash_file(const host::DatasetSource& source, const host::SourceFile& file,
                         TransferProgress& progress) {
  Sha256 hash;
  auto read = source.read(file, [&](std::string_view piece) -> Result<void> {
    hash.add(piece);
    progress.add(int64_t(piece.size()));
    return {};
  });
  if (!read) return fail(read.error());
  return hash.finish();
}

}  // namespace

Result<data::Manifest> hash_files(const host::DatasetSource& source) {
  // Large ones first: the last to end does not end with the largest.
  std::vector<const host::SourceFile*> order;
  int64_t total = 0;
  for (const host::SourceFile& file : source.files()) order.push_back(&file), total += file.bytes;
  std::ranges::sort(order, std::greater{}, &host::SourceFile::bytes);
  TransferProgress progress("hashing", total);
  std::vector<data::ManifestFile> entries;
  std::optional<Error> first;
  std::mutex mutex;  // guards both
  std::atomic<size_t> next = 0;
  std::atomic<bool> over = false;
  const auto work = [&] {
    for (size_t i; !over && (i = next++) < order.size();) {
      auto digest = hash_file(source, *order[i], progress);
      std::lock_guard lock(mutex);
      if (digest) {
        entries.push_back({order[i]->name, *digest, order[i]->bytes});
        continue;
      }
      over = true;
      if (!first) first = std::move(digest.error());
    }
  };
  const size_t count = std::min<size_t>(
      {std::max(1u, std::thread::hardware_concurrency()), kMostThreads, std::max<size_t>(order.size(), 1)});
  std::vector<std::thread> threads;
  for (size_t i = 1; i < count; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (first) return fail(std::move(*first));
  return data::make_manifest(std::move(entries));
}

Result<SentFiles> send_files(Client& client, const std::string& tenant, const host::DatasetSource& source) {
  auto manifest = hash_files(source);
  if (!manifest) return fail(manifest.error());
  return send_files(client, tenant, source, std::move(*manifest));
}

Result<SentFiles> send_files(Client& client, const std::string& tenant, const host::DatasetSource& source,
                             data::Manifest manifest) {
  std::map<std::string_view, const host::SourceFile*> by_name;
  for (const host::SourceFile& file : source.files()) by_name.emplace(file.name, &file);
  std::map<Digest, const host::SourceFile*> by_digest;
  for (const data::ManifestFile& file : manifest.files) by_digest.emplace(file.digest, by_name.at(file.name));
  BlobClient blobs(client, tenant);
  std::vector<Digest> digests;
  for (const auto& [digest, file] : by_digest) digests.push_back(digest);
  auto missing = blobs.missing(digests);
  if (!missing) return fail(missing.error());
  std::vector<BlobSend> sends;
  int64_t bytes = 0;
  for (const Digest& digest : *missing) {
    const auto found = by_digest.find(digest);
    if (found == by_digest.end())
      return fail(Reason::InternalError, "the factory misses what nobody asked about");
    const host::SourceFile* file = found->second;
    sends.push_back({digest, file->bytes, [&source, file] { return source.reader(*file); }});
    bytes += file->bytes;
  }
  // Large ones first: the last connection to end does not end with the largest.
  std::ranges::sort(sends, std::greater{}, &BlobSend::bytes);
  {
    TransferProgress progress("sending", bytes);
    if (auto sent = blobs.send(sends, progress); !sent) return fail(sent.error());
  }
  const std::string text = data::to_text(manifest);
  const Digest digest = Digest::of(text);
  if (auto put = blobs.put(digest, text); !put) return fail(put.error());
  const std::set<Digest> new_ones(missing->begin(), missing->end());
  const int64_t fresh = std::ranges::count_if(
      manifest.files, [&](const data::ManifestFile& file) { return new_ones.contains(file.digest); });
  return SentFiles{std::move(manifest), digest, fresh};
}

Result<void> fetch_files(Client& client, const std::string& tenant, const data::Manifest& manifest,
                         const std::string& path) {
  auto target = host::DatasetTarget::open(path);
  if (!target) return fail(target.error());
  BlobClient blobs(client, tenant);
  std::vector<BlobFetch> fetches;
  for (const data::ManifestFile& file : manifest.files)
    fetches.push_back({file.digest, [&target, &file](const auto& read) {
                         return target->write(file.name, [&](int fd) {
                           return read([fd, &file](std::string_view piece) -> Result<void> {
                             if (host::write_all(fd, piece)) return {};
                             return fail(Reason::InternalError,
                                         fmt::format("cannot write {}: {}", file.name, strerror(errno)));
                           });
                         });
                       }});
  TransferProgress progress("fetching", manifest.bytes());
  return blobs.fetch(fetches, progress);
}

Result<void> check_files(Client& client, const std::string& tenant, const data::Manifest& manifest) {
  BlobClient blobs(client, tenant);
  std::vector<BlobFetch> fetches;
  for (const data::ManifestFile& file : manifest.files)
    fetches.push_back({file.digest, [](const auto& read) {
                         return read([](std::string_view) -> Result<void> { return {}; });
                       }});
  TransferProgress progress("checking", manifest.bytes());
  return blobs.fetch(fetches, progress);
}

std::string files_text(int64_t files) {
  return fmt::format("{} file{}", count_text(files), files == 1 ? "" : "s");
}

}  // namespace ingot
