#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <vector>

#include "host/disk_file.h"
#include "host/pod_files.h"

namespace ingot::host {
namespace {

constexpr int kDeepest = 64;  // directories held open at once

// Removes one tree with bounded memory and descriptors: what lies deeper than kDeepest is moved up beside the top and
// removed from there, as often as it takes.
class Remover {
 public:
  explicit Remover(int parent) : parent_(parent) {}

  bool remove(const std::string& name) {
    pending_.push_back(name);
    bool all = true;
    while (!pending_.empty()) {
      std::string next = std::move(pending_.back());
      pending_.pop_back();
      all = remove_entry(parent_, next.c_str(), 0) && all;
    }
    return all;
  }

 private:
  bool remove_entry(int directory, const char* name, int depth) {
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT) return true;
    if (errno != EISDIR && errno != EPERM) return false;
    if (depth >= kDeepest) return move_up(directory, name);
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return false;
    DIR* entries = fdopendir(fd);
    if (!entries) {
      close(fd);
      return false;
    }
    bool all = true;
    // Removing while reading may hide entries: it is read until a pass finds nothing to do.
    for (bool any = true; any && all;) {
      any = false;
      rewinddir(entries);
      while (dirent* entry = readdir(entries)) {
        std::string_view text = entry->d_name;
        if (text == "." || text == "..") continue;
        any = true;
        all = remove_entry(fd, entry->d_name, depth + 1) && all;
      }
    }
    closedir(entries);
    return unlinkat(directory, name, AT_REMOVEDIR) == 0 && all;
  }

  bool move_up(int directory, const char* name) {
    std::string up = fmt::format(".deep-{}-{}", getpid(), ++moved_);
    if (renameat(directory, name, parent_, up.c_str()) != 0) return false;
    pending_.push_back(std::move(up));
    return true;
  }

  int parent_;
  uint64_t moved_ = 0;
  std::vector<std::string> pending_;
};

// mountinfo writes space, tab, newline and backslash as octal escapes.
std::string unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += char(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

bool remove_tree(int parent, const std::string& name) { return Remover(parent).remove(name); }

void unmount_beneath(const std::string& directory) {
  auto text = read_file("/proc/self/mountinfo");
  if (!text) return;
  std::vector<std::string> found;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, mount_point;
    fields >> id >> parent >> device >> root >> mount_point;
    mount_point = unescape(mount_point);
    if (mount_point == directory || mount_point.starts_with(directory + "/"))
      found.push_back(std::move(mount_point));
  }
  for (auto it = found.rbegin(); it != found.rend(); ++it) umount2(it->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace ingot::host
