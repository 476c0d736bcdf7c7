#include "host/pod_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "base/encoding.h"
#include "host/disk_file.h"
#include "host/thread_name.h"

namespace ingot::host {
namespace {

constexpr size_t kMostEntries = 10'000;
constexpr size_t kMostBytes = 32 << 20;          // of one volume; a ConfigMap or Secret has at most 1 MiB
constexpr int64_t kSecretTmpfsBytes = 64 << 20;  // holds the old and the new contents while they are swapped
constexpr const char* kData = "..data";          // the kubelet's names: programs watch for them
constexpr const char* kTrash = ".trash";

std::unexpected<Error> failed(const std::string& what) {
  return fail(Reason::InternalError, fmt::format("{}: {}", what, std::strerror(errno)));
}

bool is_segment(std::string_view text) {
  return !text.empty() && text.size() <= 253 && !text.starts_with('.') && text.find('/') == text.npos &&
         text.find('\0') == text.npos;
}

// "a/b.txt": relative, no empty, "." or ".." step, and no first step that looks like our own names.
bool is_volume_path(std::string_view path) {
  if (path.empty() || path.size() > 1024 || path.starts_with("..")) return false;
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string_view step = path.substr(at, end - at);
    if (step.empty() || step == "." || step == ".." || step.size() > 255 || step.find('\0') != step.npos)
      return false;
    at = end + 1;
  }
  return true;
}

Fd open_directory(int parent, const char* name) {
  return Fd(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// mkdir -p of one step, with exactly this mode, and a handle to it.
Result<Fd> make_step(int parent, const std::string& name, mode_t mode) {
  bool made = mkdirat(parent, name.c_str(), mode) == 0;
  if (!made && errno != EEXIST) return failed("cannot make directory " + name);
  Fd fd = open_directory(parent, name.c_str());
  if (!fd) return failed("cannot open directory " + name);
  if (made && fchmod(fd.get(), mode) != 0)
    return failed("cannot set the mode of " + name);  // whatever the umask
  return fd;
}

Result<void> write_entry(int root, const std::string& path, const node::Files::Entry& entry) {
  Fd holder;
  int directory = root;
  size_t at = 0;
  for (size_t slash = 0; (slash = path.find('/', at)) != path.npos; at = slash + 1) {
    auto step = make_step(directory, path.substr(at, slash - at), 0755);
    if (!step) return fail(step.error());
    holder = std::move(*step);
    directory = holder.get();
  }
  const std::string name = path.substr(at);
  Fd file(openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return failed("cannot write " + path);
  std::string_view left = entry.bytes;
  while (!left.empty()) {
    ssize_t n = write(file.get(), left.data(), left.size());
    if (n < 0) return failed("cannot write " + path);
    left.remove_prefix(size_t(n));
  }
  if (fchmod(file.get(), entry.mode & 0777) != 0) return failed("cannot set the mode of " + path);
  return {};
}

bool is_tmpfs(int fd) {
  struct statfs about{};
  return fstatfs(fd, &about) == 0 && about.f_type == TMPFS_MAGIC;
}

std::string read_link(int directory, const char* name) {
  char target[512];
  ssize_t n = readlinkat(directory, name, target, sizeof target);
  return n > 0 ? std::string(target, size_t(n)) : "";
}

std::string digest_of(const std::map<std::string, node::Files::Entry>& content) {
  std::string all;
  for (const auto& [path, entry] : content)
    all += fmt::format("{}\n{}\n{}\n", path, entry.mode, hex(sha256(entry.bytes)));
  return sha256(all);
}

class PodFiles final : public node::Files {
 public:
  PodFiles(std::string directory, Fd pods, Fd trash)
      : directory_(std::move(directory)), pods_(std::move(pods)), trash_(std::move(trash)) {
    collect_old_trash();
    cleaner_ = std::thread([this] { clean(); });
  }
  ~PodFiles() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    cleaner_.join();
  }

  Result<std::string> write_volume(const std::string& pod, const std::string& volume,
                                   const std::map<std::string, Entry>& content, bool memory) override {
    if (auto fine = check(content); !fine) return fail(fine.error());
    auto directory = open_volume(pod, volume, 0755, memory, kSecretTmpfsBytes);
    if (!directory) return fail(directory.error());
    std::string& written = written_[pod][volume];
    std::string digest = digest_of(content);
    if (written != digest) {
      if (auto swapped = swap_in(directory->get(), content); !swapped) return fail(swapped.error());
      written = digest;
    }
    return path_of(pod, volume);
  }

  Result<std::string> empty_volume(const std::string& pod, const std::string& volume, bool memory,
                                   int64_t size_limit_bytes) override {
    auto directory = open_volume(pod, volume, 0777, memory, size_limit_bytes);
    if (!directory) return fail(directory.error());
    return path_of(pod, volume);
  }

  std::string log_directory(const std::string& pod) override { return directory_ + "/" + pod + "/logs"; }
  std::string artifact_directory(const std::string& pod) override {
    return directory_ + "/" + pod + "/artifacts";
  }

  std::string dataset_marks(const std::string& pod) override { return directory_ + "/" + pod + "/datasets"; }

  void remove_pod(const std::string& pod) override {
    if (!is_segment(pod)) return;
    written_.erase(pod);
    unmount_beneath(directory_ + "/" + pod);
    std::string away = fmt::format("{}-{}-{}", pod, getpid(), ++removed_);
    if (renameat(pods_.get(), pod.c_str(), trash_.get(), away.c_str()) == 0) throw_away(std::move(away));
  }

 private:
  std::string path_of(const std::string& pod, const std::string& volume) const {
    return directory_ + "/" + pod + "/volumes/" + volume;
  }

  static Result<void> check(const std::map<std::string, Entry>& content) {
    size_t bytes = 0;
    for (const auto& [path, entry] : content) {
      if (!is_volume_path(path))
        return fail(Reason::Invalid,
                    fmt::format("volume path \"{}\" must be relative and must not contain '..'", path));
      bytes += entry.bytes.size();
    }
    if (content.size() > kMostEntries || bytes > kMostBytes)
      return fail(Reason::RequestEntityTooLarge, "a volume of files may hold 10000 files and 32 MiB");
    return {};
  }

  // The volume's directory; with `memory`, the root of the tmpfs mounted over it.
  Result<Fd> open_volume(const std::string& pod, const std::string& volume, mode_t mode, bool memory,
                         int64_t size) {
    if (!is_segment(pod) || !is_segment(volume))
      return fail(Reason::Invalid, fmt::format("\"{}\" of pod \"{}\" is no volume name", volume, pod));
    auto own = make_step(pods_.get(), pod, 0700);
    if (!own) return own;
    auto volumes = make_step(own->get(), "volumes", 0700);
    if (!volumes) return volumes;
    auto directory = make_step(volumes->get(), volume, mode);
    if (!directory || !memory || is_tmpfs_over(*volumes, *directory)) return directory;
    std::string options = fmt::format("mode={:o},nr_inodes=65536", mode);
    if (size > 0) options += fmt::format(",size={}", size);
    if (mount("tmpfs", path_of(pod, volume).c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
      return failed("cannot mount memory for volume " + volume);
    Fd mounted = open_directory(volumes->get(), volume.c_str());
    if (!mounted) return failed("cannot open volume " + volume);
    return mounted;
  }

  static bool is_tmpfs_over(const Fd& parent, const Fd& directory) {
    struct stat above{}, here{};
    return is_tmpfs(directory.get()) && fstat(parent.get(), &above) == 0 &&
           fstat(directory.get(), &here) == 0 && above.st_dev != here.st_dev;
  }

  // Readers see the old files or the new ones: a fresh directory is filled, then the link "..data" is replaced. The
  // names at the top are links through "..data".
  Result<void> swap_in(int volume, const std::map<std::string, Entry>& content) {
    std::string fresh;
    do {
      fresh = fmt::format("..{}_{}", getpid(), ++swaps_);
    } while (faccessat(volume, fresh.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    auto directory = make_step(volume, fresh, 0755);
    if (!directory) return fail(directory.error());
    for (const auto& [path, entry] : content)
      if (auto written = write_entry(directory->get(), path, entry); !written) return written;

    const std::string old = read_link(volume, kData);
    remove_tree(volume, "..data_new");
    if (symlinkat(fresh.c_str(), volume, "..data_new") != 0 ||
        renameat(volume, "..data_new", volume, kData) != 0)
      return failed("cannot swap in the new contents of a volume");
    if (auto linked = link_top(volume, content); !linked) return linked;
    if (old.starts_with("..") && old.find('/') == old.npos && old != ".." && old != fresh)
      remove_tree(volume, old);
    return {};
  }

  static Result<void> link_top(int volume, const std::map<std::string, Entry>& content) {
    std::map<std::string, std::string> wanted;
    for (const auto& [path, entry] : content) {
      std::string top = path.substr(0, path.find('/'));
      wanted[top] = std::string(kData) + "/" + top;
    }
    for (const auto& [name, target] : wanted) {
      if (read_link(volume, name.c_str()) == target) continue;
      remove_tree(volume, name);
      if (symlinkat(target.c_str(), volume, name.c_str()) != 0) return failed("cannot link " + name);
    }
    Fd again = open_directory(volume, ".");
    DIR* entries = again ? fdopendir(again.get()) : nullptr;
    if (!entries) return failed("cannot read a volume");
    again.release();
    std::vector<std::string> stale;
    while (dirent* entry = readdir(entries)) {
      std::string name = entry->d_name;
      if (!wanted.contains(name) && read_link(volume, name.c_str()) == std::string(kData) + "/" + name)
        stale.push_back(name);
    }
    closedir(entries);
    for (const std::string& name : stale) unlinkat(volume, name.c_str(), 0);
    return {};
  }

  void collect_old_trash() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/" + kTrash, error))
      discarded_.push_back(entry.path().filename());
  }
  void throw_away(std::string name) {
    std::lock_guard lock(mutex_);
    discarded_.push_back(std::move(name));
    wake_.notify_one();
  }
  void clean() {
    name_thread("pod-files");
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !discarded_.empty(); });
      if (stopping_) return;  // the next start goes on
      std::string name = std::move(discarded_.back());
      discarded_.pop_back();
      lock.unlock();
      remove_tree(trash_.get(), name);
      lock.lock();
    }
  }

  std::string directory_;
  Fd pods_, trash_;
  std::map<std::string, std::map<std::string, std::string>>
      written_;  // pod → volume → digest of its contents
  uint64_t swaps_ = 0, removed_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::string> discarded_;  // guarded; names in trash_
  bool stopping_ = false;               // guarded
  std::thread cleaner_;
};

}  // namespace

Result<std::unique_ptr<node::Files>> make_pod_files(const MachinePaths& paths, const std::string& node_name) {
  if (!is_segment(node_name)) return fail(Reason::Invalid, "\"" + node_name + "\" is no node name");
  const std::string directory = paths.pods(node_name);
  if (auto made = make_directory(directory, 0700); !made) return fail(made.error());
  if (auto made = make_directory(directory + "/" + kTrash, 0700); !made) return fail(made.error());
  Fd pods = open_directory(AT_FDCWD, directory.c_str());
  Fd trash = open_directory(AT_FDCWD, (directory + "/" + kTrash).c_str());
  if (!pods || !trash) return failed("cannot open " + directory);
  return std::unique_ptr<node::Files>(new PodFiles(directory, std::move(pods), std::move(trash)));
}

}  // namespace ingot::host
