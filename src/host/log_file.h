// Finding and opening one container's log file, safely. Any thread.
#pragma once

#include <string>

#include "apiserver/request.h"
#include "host/disk_file.h"

namespace ingot::host {

// The file of the container's latest run, or of the one before (`previous`). Opened beneath `root` without following
// links. NotFound when there is none, BadRequest when a name is no name.
Result<Fd> open_log(const std::string& root, const apiserver::LogTarget&);

// Where the last `lines` entries of the file begin; 0 when it has fewer.
int64_t tail_offset(int fd, int64_t lines);

}  // namespace ingot::host
