// A directory with somebody's program, packed to be run elsewhere: an archive whose bytes say nothing but what is in it, so that
// the same directory gives the same digest. What git would ignore stays behind. Blocks; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "host/disk_file.h"

namespace ingot::host {

struct PackOptions {
  int64_t most_bytes = 512ll << 20;  // before it is packed
  size_t most_files = 100'000;
  // At the top: packed as an empty directory, whatever is in it; "": none. What a run writes goes there.
  std::string emptied;
  std::string below;  // everything is packed below a directory of that name; "": none
  std::function<void(int64_t total, int64_t more)> progress = [](int64_t, int64_t) {};
};

struct Packed {
  Fd archive;  // tar with gzip, a file without a name
  Digest digest = Digest::of("");
  int64_t packed = 0, bytes = 0;
  size_t files = 0;
  std::vector<std::string> left_out;  // that are neither files, directories nor links
};

// Files named .gitignore and .ingotignore are heeded, those of the directories above up to the repository's top too, and
// .git/info/exclude; nothing named .git is taken along. Invalid, naming it, for a link that leads out of the directory;
// RequestEntityTooLarge, naming the largest parts, for too much.
Result<Packed> pack_source(const std::string& directory, const PackOptions&);

}  // namespace ingot::host
