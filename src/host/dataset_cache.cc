#include "host/dataset_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "data/manifest.h"
#include "host/blob_files.h"
#include "host/blob_tree.h"
#include "host/dataset_files.h"
#include "host/pod_files.h"

namespace ingot::host {
namespace {

namespace fs = std::filesystem;

constexpr int kThreads = 4, kOfOne = 2;
constexpr std::string_view kFresh = ".fresh-", kTrash = ".trash-";

std::unexpected<Error> failed(std::string_view what) {
  return fail(Reason::InternalError, fmt::format("cannot {}: {}", what, std::strerror(errno)));
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(directory, none)) names.push_back(entry.path().filename());
  return names;
}

void remove_in(const std::string& directory, const std::string& name) {
  const Fd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent) remove_tree(parent.get(), name);
}

// Nobody may change what is there, not even by accident.
Result<void> close_down(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(directory, error))
    if (entry.is_directory() && ::chmod(entry.path().c_str(), 0555) != 0) return failed("close a data set");
  if (error || ::chmod(directory.c_str(), 0555) != 0) return failed("close a data set");
  const Fd opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::syncfs(opened.get()) != 0) return failed("sync a data set");
  return {};
}

}  // namespace

DatasetCache::DatasetCache(const env::Clock& clock, env::Loop& loop, env::Log& log, env::Blobs& blobs,
                           std::string data, DatasetCacheOptions options)
    : clock_(clock),
      loop_(loop),
      log_(log),
      blobs_(blobs),
      data_(std::move(data)),
      root_(data_ + "/datasets"),
      options_(options),
      crew_(kThreads, kOfOne, "datasets") {
  // What a crash left half done was not synced.
  for (const std::string& cluster : names_in(root_))
    for (const std::string part : {"/versions", "/files"})
      for (const std::string& name : names_in(root_ + "/" + cluster + part))
        if (name.starts_with('.')) remove_in(root_ + "/" + cluster + part, name);
  sweep();
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) next_round();
  });
}

void DatasetCache::stop() {
  loop_.cancel(timer_);
  alive_ = nullptr;
}

void DatasetCache::next_round() {
  timer_ = loop_.at(clock_.now() + options_.every, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    crew_.post("", nullptr, [this] { sweep(); });
    next_round();
  });
}

void DatasetCache::prepare(node::DatasetsWanted wanted, node::Callback<std::vector<std::string>> done) {
  const std::string cluster = wanted.cluster;
  const node::Stop stop = wanted.stop;
  aside<std::vector<std::string>>(crew_, loop_, cluster, stop, std::move(done),
                                  [this, wanted = std::move(wanted)]() -> Result<std::vector<std::string>> {
                                    std::vector<std::string> paths;
                                    for (const Digest& digest : wanted.manifests) {
                                      auto path = version(wanted, digest);
                                      if (!path) return fail(path.error());
                                      paths.push_back(*std::move(path));
                                    }
                                    return paths;
                                  });
}

Result<std::string> DatasetCache::version(const node::DatasetsWanted& wanted, const Digest& digest) {
  if (!is_blob_cluster(wanted.cluster)) return fail(Reason::Invalid, "no cluster's id");
  const std::string versions = root_ + "/" + wanted.cluster + "/versions",
                    path = versions + "/" + digest.hex();
  std::unique_lock lock(mutex_);
  for (const std::string& directory : {versions, root_ + "/" + wanted.cluster + "/files", wanted.marks})
    if (auto made = make_directory(directory, 0700); !made) return fail(made.error());
  if (auto marked = write_file(fmt::format("{}/{}.{}", wanted.marks, wanted.cluster, digest.hex()), "", 0600);
      !marked)
    return fail(marked.error());
  made_.wait(lock, [&] { return !making_.contains(path) || (wanted.stop && *wanted.stop); });
  if (wanted.stop && *wanted.stop) return fail(Reason::Timeout, "nobody waits for it any more");
  if (exists(path)) {
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    return path;
  }
  const std::string fresh = fmt::format("{}{}", kFresh, ++fresh_);
  if (auto made = make_directory(versions + "/" + fresh, 0700); !made) return fail(made.error());
  making_.insert(path);
  lock.unlock();
  auto made = make(wanted.cluster, digest, versions + "/" + fresh, wanted.stop);
  lock.lock();
  making_.erase(path);
  if (made && ::rename((versions + "/" + fresh).c_str(), path.c_str()) != 0)
    made = failed("place a data set");
  lock.unlock();
  made_.notify_all();
  if (made) return path;
  remove_in(versions, fresh);
  return fail(made.error());
}

Result<void> DatasetCache::make(const std::string& cluster, const Digest& digest, const std::string& to,
                                const node::Stop& stop) {
  const auto text = env::get_blob(blobs_, ClusterId{cluster}, digest, data::kLargestManifest);
  if (!text) return fail(text.error());
  if (Digest::of(*text) != digest) return fail(Reason::InternalError, "its manifest is damaged");
  const auto manifest = data::parse_manifest(*text);
  if (!manifest) return fail(manifest.error());
  struct statvfs disk{};
  if (::statvfs(root_.c_str(), &disk) == 0 &&
      int64_t(disk.f_bavail) * int64_t(disk.f_frsize) < manifest->bytes())
    return fail(Reason::InternalError,
                fmt::format("the node's disk has no room for its {} bytes", manifest->bytes()));
  std::string directory;
  for (const data::ManifestFile& f : manifest->files) {
    if (stop && *stop) return fail(Reason::Timeout, "nobody waits for it any more");
    const size_t slash = f.name.rfind('/');
    if (slash != f.name.npos && directory != f.name.substr(0, slash)) {
      directory = f.name.substr(0, slash);
      if (auto made = make_directory(to + "/" + directory, 0755); !made) return made;
    }
    const auto stored = blobs_.stat(ClusterId{cluster}, f.digest);
    if (stored && stored->bytes != f.bytes)
      return fail(Reason::Invalid, fmt::format("{}: has another size than its manifest says", f.name));
    if (auto made = file(cluster, f.digest, to + "/" + f.name); !made)
      return fail(made.error().reason, fmt::format("{}: {}", f.name, made.error().message));
  }
  return close_down(to);
}

Result<void> DatasetCache::file(const std::string& cluster, const Digest& digest, const std::string& to) {
  const std::string files = root_ + "/" + cluster + "/files", kept = files + "/" + digest.hex();
  for (int tries = 0; tries < 3; ++tries) {
    if (::link(kept.c_str(), to.c_str()) == 0) return {};
    if (errno != ENOENT) return failed("link a file");
    std::string fresh = files + "/.XXXXXX";
    const Fd file(::mkostemp(fresh.data(), O_CLOEXEC));
    if (!file) return failed("make a file");
    auto got = get_file(blobs_, ClusterId{cluster}, digest, file.get());
    if (got && (::fchmod(file.get(), 0444) != 0 || ::rename(fresh.c_str(), kept.c_str()) != 0))
      got = failed("place a file");
    if (got) continue;
    ::unlink(fresh.c_str());
    return got;
  }
  return fail(Reason::Conflict, "is removed as often as it is made");
}

std::set<std::string> DatasetCache::marked() const {
  std::set<std::string> out;
  for (const std::string& node : names_in(data_ + "/nodes"))
    for (const std::string& pod : names_in(data_ + "/nodes/" + node + "/pods"))
      for (std::string& mark : names_in(data_ + "/nodes/" + node + "/pods/" + pod + "/datasets"))
        out.insert(std::move(mark));
  return out;
}

int DatasetCache::sweep() {
  int removed = 0;
  struct statvfs disk{};
  const bool tight =
      ::statvfs(root_.c_str(), &disk) == 0 && int64_t(disk.f_bavail) * int64_t(disk.f_frsize) < options_.room;
  const auto oldest = fs::file_time_type::clock::now() - options_.unused;
  const std::vector<ClusterId> known = blobs_.clusters();
  for (const std::string& cluster : names_in(root_)) {
    const bool gone = std::ranges::find(known, ClusterId{cluster}) == known.end();  // its tenant is deleted
    const std::string versions = root_ + "/" + cluster + "/versions",
                      files = root_ + "/" + cluster + "/files";
    {
      std::lock_guard lock(mutex_);
      const std::set<std::string> used = marked();
      for (const std::string& name : names_in(versions)) {
        if (name.starts_with('.') || used.contains(cluster + "." + name)) continue;
        std::error_code error;
        if (!tight && !gone && fs::last_write_time(versions + "/" + name, error) > oldest && !error) continue;
        const std::string trash = fmt::format("{}{}", kTrash, ++fresh_);
        if (::rename((versions + "/" + name).c_str(), (versions + "/" + trash).c_str()) == 0) ++removed;
      }
    }
    for (const std::string& name : names_in(versions))
      if (name.starts_with(kTrash)) remove_in(versions, name);
    // A file that is in no version. One that is being made for a version is made again.
    struct stat about{};
    for (const std::string& name : names_in(files))
      if (!name.starts_with('.') && ::stat((files + "/" + name).c_str(), &about) == 0 && about.st_nlink == 1)
        ::unlink((files + "/" + name).c_str());
    std::lock_guard lock(mutex_);
    if (::rmdir(versions.c_str()) != 0) continue;  // empty ones alone
    ::rmdir(files.c_str());
    ::rmdir((root_ + "/" + cluster).c_str());
  }
  if (removed > 0) log_.info("datasets.unused.removed", {{"versions", removed}});
  return removed;
}

}  // namespace ingot::host
