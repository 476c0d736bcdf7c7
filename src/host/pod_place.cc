#include "host/pod_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "host/beneath.h"
#include "host/disk_file.h"

namespace ingot::host {
namespace {

constexpr std::pair<const char*, const char*> kNames[] = {
    {"resolv.conf", "/etc/resolv.conf"}, {"hosts", "/etc/hosts"}, {"nsswitch.conf", "/etc/nsswitch.conf"}};

}  // namespace

Result<PodPlace> pod_place(const MachinePaths& paths, const std::string& sandbox, std::string hosts,
                           std::string_view info) {
  PodPlace place;
  const auto json = api::parse_json(info);
  if (json)
    for (const api::Json& n : api::array_at(*json, {"runtimeSpec", "linux", "namespaces"}))
      if (api::string_at(n, {"type"}) == "network") place.network = api::string_at(n, {"path"});
  if (place.network.empty())
    return fail(Reason::InternalError, "the pod's sandbox names no network of its own");
  const auto names =
      read_file(paths.root() + "/io.containerd.grpc.v1.cri/sandboxes/" + sandbox + "/resolv.conf", 65'536);
  if (!names) return fail(names.error());
  place.resolv_conf = *names;
  place.hosts = std::move(hosts);
  return place;
}

api::JsonObject names_of(const PodPlace& place) {
  const auto text = [](const std::string& t) { return api::Json(boost::json::string(t)); };
  return {{"resolv.conf", text(place.resolv_conf)},
          {"hosts", text(place.hosts)},
          {"nsswitch.conf", "hosts: files dns\n"}};
}

Result<void> enter_pod(int network, const api::Json& told) {
  const auto failed = [](std::string_view what) {
    return fail(Reason::InternalError, fmt::format("cannot {}: {}", what, std::strerror(errno)));
  };
  struct stat theirs{}, ours{};
  if (::fstat(network, &theirs) != 0 || ::stat("/proc/self/ns/net", &ours) != 0 ||
      (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev))
    return fail(Reason::InternalError, "the pod has no network of its own");
  if (::setns(network, CLONE_NEWNET) != 0) return failed("enter the pod's network");
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return failed("leave the machine's names");
  if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,mode=755") != 0)
    return failed("make room for the pod's names");
  for (const auto& [name, path] : kNames) {
    const std::string own = std::string("/tmp/") + name;
    const Fd file(::open(own.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file || !write_all(file.get(), api::string_at(told, {name})) || ::fchmod(file.get(), 0644) != 0)
      return failed("write the pod's names");
    if (::access(path, F_OK) == 0 && ::mount(own.c_str(), path, nullptr, MS_BIND, nullptr) != 0)
      return failed("use the pod's names");
  }
  return {};
}

std::string worker_input() {
  std::string all(1 << 20, '\0');
  size_t have = 0;
  while (have < all.size()) {
    const ssize_t n = ::read(0, all.data() + have, all.size() - have);
    if (n <= 0) break;
    have += size_t(n);
  }
  all.resize(have);
  return all;
}

int worker_failed(std::string why) {
  for (char& c : why)
    if (c == '\n') c = ' ';
  std::fprintf(stderr, "error: %s\n", why.c_str());
  return 1;
}

}  // namespace ingot::host
