// The files of an ended container, as it saw them but for its volumes: what it wrote, and its image below. Any thread.
#pragma once

#include <string>
#include <vector>

#include "host/disk_file.h"

namespace ingot::host {

struct Layers {
  std::string written;              // "": it is gone
  std::vector<std::string> images;  // the uppermost first
};

// The root of an overlay that nobody else sees, without devices, and gone once it is closed; where the kernel makes none,
// what the container wrote alone. None: it is gone.
Fd open_view(const Layers&);

}  // namespace ingot::host
