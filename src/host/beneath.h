// Files beneath a directory's handle, and writing all of something. Any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "host/disk_file.h"

namespace ingot::host {

// openat() that leaves `directory` by no name and follows no link; an Fd that is none, and errno, when it cannot.
Fd open_beneath(int directory, const std::string& path, int flags, mode_t mode = 0);
// Whether a link at `name` (relative to a directory) to `target` leads to something in the directory, as it is written.
bool link_stays(std::string_view name, std::string_view target);
// All of it, whatever the kernel takes at once; false and errno otherwise.
bool write_all(int fd, std::string_view bytes);

}  // namespace ingot::host
