#include "host/container_view.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace ingot::host {
namespace {

constexpr size_t kMostLayers = 200;

Fd overlay(const Layers& layers) {
  if (layers.images.size() > kMostLayers) return {};
  const Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context) return {};
  const auto lower = [&](const std::string& directory) {
    return ::fsconfig(context.get(), FSCONFIG_SET_STRING, "lowerdir+", directory.c_str(), 0) == 0;
  };
  if (!lower(layers.written)) return {};
  for (const std::string& image : layers.images)
    if (!lower(image)) return {};
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return {};
  return Fd(::fsmount(context.get(), FSMOUNT_CLOEXEC,
                      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
}

}  // namespace

Fd open_view(const Layers& layers) {
  if (layers.written.empty()) return {};
  if (!layers.images.empty())
    if (Fd merged = overlay(layers)) return merged;
  return Fd(::open(layers.written.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace ingot::host
