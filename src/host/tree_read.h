// Trees of files that a stranger made, such as what a container left: looked at through handles, each of which was checked to
// be what it is said to be before it was opened. No link leads out of them, and no fifo or device is ever opened. Any thread.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>
#include <vector>

#include "host/archive_write.h"
#include "host/disk_file.h"

namespace ingot::host {

// What lies at `path`, as who has `root` for its root directory would find it; pinned, not opened (O_PATH). `root` itself
// for "". None: nothing lies there.
Fd pin_in(const Fd& root, const std::string& path);
// Of a pinned file or directory; anything else, or another type than `type` (S_IFREG, S_IFDIR), gives none.
Fd open_pinned(const Fd& pin, mode_t type);

struct TreeLimits {
  size_t entries = 1'000'000;
  int64_t bytes = int64_t(1) << 40;
  int64_t holes =
      int64_t(16) << 30;  // bytes that files say they have and the disk has not: nothing bounds their number
  int depth = 128;
};
// Of one file; RequestEntityTooLarge past `most` together with `before`.
Result<int64_t> add_holes(int64_t before, const struct stat&, int64_t most = TreeLimits{}.holes);

using Stopped = std::function<bool()>;

// Everything beneath `pin`, or the file that it is, named beneath `name`, into the archive: directories before what is in
// them, names in the order of their bytes. What is neither file, directory nor link is left out.
Result<void> archive_tree(const Fd& pin, const std::string& name, ArchiveWriter&, const Stopped&,
                          const TreeLimits& = {});

}  // namespace ingot::host
