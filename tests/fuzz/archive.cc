// A stranger's tar archive, walked as `ingot dataset add` does: what it names stays inside it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "host/images_tar.h"

using namespace ingot;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memfd_create("archive", 0);
  if (file < 0 || write(file, data, size) != ssize_t(size)) std::abort();
  const auto each = [&](const host::TarEntry& entry) -> Result<void> {
    if (entry.name.empty() || entry.name.front() == '/' || entry.name == ".." ||
        entry.name.starts_with("../") || entry.name.find("/../") != entry.name.npos ||
        entry.name.ends_with("/.."))
      std::abort();
    if (entry.type == '0' && (entry.offset > size || entry.size > size - entry.offset)) std::abort();
    return {};
  };
  (void)host::tar_walk("/proc/self/fd/" + std::to_string(file), 1'000, each);
  close(file);
  return 0;
}
