// A stranger's archive, unpacked as a node does: nothing is written but beneath the directory, and no link leads out of it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "host/pod_files.h"
#include "host/unpack.h"

using namespace ingot;
namespace fs = std::filesystem;

namespace {

struct Place {
  std::string root = "/dev/shm/ingot-fuzz-XXXXXX";
  Place() {
    if (!mkdtemp(root.data())) std::abort();
    std::ofstream(root + "/outside") << "untouched";
  }
  ~Place() {
    std::error_code ignored;
    fs::remove_all(root, ignored);
  }
  void check() const {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(root)) {
      (void)entry;
      ++count;
    }
    std::ifstream in(root + "/outside");
    std::string text;
    in >> text;
    if (count != 2 || text != "untouched") std::abort();
    for (const auto& entry : fs::recursive_directory_iterator(root + "/in")) {
      struct stat about{};
      if (lstat(entry.path().c_str(), &about) != 0) std::abort();
      if (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode) && !S_ISLNK(about.st_mode)) std::abort();
      if ((about.st_mode & 07000) != 0) std::abort();
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Place place;
  const std::string in = place.root + "/in";
  if (mkdir(in.c_str(), 0700) != 0) std::abort();
  const int file = memfd_create("archive", 0), directory = open(in.c_str(), O_RDONLY | O_DIRECTORY);
  const int above = open(place.root.c_str(), O_RDONLY | O_DIRECTORY);
  if (file < 0 || directory < 0 || above < 0 || write(file, data, size) != ssize_t(size)) std::abort();
  (void)host::unpack(file, directory, {.bytes = 1 << 20, .entries = 200, .ratio = 100, .small = 64 << 10});
  place.check();
  close(directory);
  host::remove_tree(above, "in");
  close(above);
  close(file);
  return 0;
}
