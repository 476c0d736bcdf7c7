#include "host/left_behind.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "containerd_snapshots.pb.h"
#include "host/cri_log.h"
#include "host/disk_file.h"
#include "host/tree_read.h"

namespace ingot::host {
namespace {

// As the container would find it: a link, even an absolute one, never leads out of `root`.
Result<std::string> read_regular(const std::string& root, const std::string& path, size_t most) {
  const Fd top(::open(root.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  const Fd pin = top ? pin_in(top, path) : Fd();
  if (!pin) return fail(Reason::NotFound, "no such file");
  const Fd file = open_pinned(pin, S_IFREG);  // before it is opened: a device may do things when it is
  struct stat about{};
  if (!file || ::fstat(file.get(), &about) != 0) return fail(Reason::Invalid, "is no regular file");
  if (about.st_size > off_t(most))
    return fail(Reason::Invalid,
                fmt::format("is larger than the {} bytes that are left for outputs: use an artifact", most));
  std::string bytes(most + 1, '\0');
  size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + got, bytes.size() - got);
    if (n < 0) return fail(Reason::InternalError, "cannot be read");
    if (n == 0) break;
    got += size_t(n);
  }
  bytes.resize(std::min(got, most));
  return bytes;
}

// Standard output alone: a log's lines say which stream they are of.
std::string standard_output(const std::string& log, size_t most) {
  const auto bytes = read_file(log, 8 * most);
  if (!bytes) return "";
  std::string only;
  for (size_t at = 0; at < bytes->size();) {
    const size_t end = std::min(bytes->find('\n', at), bytes->size() - 1);
    const std::string_view line(bytes->data() + at, end + 1 - at);
    if (const size_t space = line.find(' ');
        space != line.npos && line.substr(space + 1).starts_with("stdout "))
      only += line;
    at = end + 1;
  }
  std::string out;
  CriLog reader({.limit_bytes = int64_t(most)});
  reader.feed(only, out);
  return out;
}

namespace wire = containerd::services::snapshots::v1;

Layers layers_of(const std::string& response) {
  Layers layers;
  wire::MountsResponse reply;
  if (!reply.ParseFromString(response)) return layers;
  for (const auto& mount : reply.mounts()) {
    for (const std::string& option : mount.options()) {
      if (option.starts_with("upperdir=")) layers.written = option.substr(9);
      if (!option.starts_with("lowerdir=")) continue;
      for (size_t at = 9; at < option.size();) {
        const size_t end = std::min(option.find(':', at), option.size());
        layers.images.push_back(option.substr(at, end - at));
        at = end + 1;
      }
    }
    if (mount.type() == "bind") layers.written = mount.source();
  }
  return layers;
}

}  // namespace

std::pair<std::string, std::string> place_of(const std::string& path, const node::LeftBy& by) {
  const node::Mount* best = nullptr;
  for (const node::Mount& m : by.mounts)
    if (path.starts_with(m.container_path) &&
        (path.size() == m.container_path.size() || path[m.container_path.size()] == '/') &&
        (!best || m.container_path.size() > best->container_path.size()))
      best = &m;
  return best ? std::pair(best->host_path, path.substr(best->container_path.size()))
              : std::pair(std::string(), path);
}

node::Left left_behind(const node::LeftBy& by, const std::string& layer) {
  node::Left left;
  if (!by.log.empty()) left.out = standard_output(by.log, by.most_bytes);
  size_t room = by.most_bytes;
  for (const std::string& path : by.files) {
    const auto [volume, rest] = place_of(path, by);
    const std::string& root = volume.empty() ? layer : volume;
    Result<std::string> text = root.empty() ? fail(Reason::NotFound, "the container's files are gone")
                                            : read_regular(root, rest, room);
    if (text) room -= text->size();
    left.files.emplace(path, std::move(text));
  }
  return left;
}

void ask_left(ContainerdRpc& rpc, Artifacts& artifacts, const node::LeftBy& by,
              node::Callback<node::Left> done) {
  wire::MountsRequest request;
  request.set_snapshotter("overlayfs");
  request.set_key(by.container);
  rpc.call("/containerd.services.snapshots.v1.Snapshots/Mounts", request.SerializeAsString(),
           std::chrono::seconds(10),
           [by, &artifacts, done = std::move(done)](Result<std::string> answer) mutable {
             artifacts.keep(std::move(by), answer ? layers_of(*answer) : Layers{}, std::move(done));
           });
}

}  // namespace ingot::host
