#include "host/driver_files.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "host/disk_file.h"
#include "host/test_dir.h"

namespace ingot::host {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

#ifdef __aarch64__
constexpr uint32_t kOwn = 0x0a03;
#else
constexpr uint32_t kOwn = 0x0303;
#endif

struct Entry {
  uint32_t flags;
  std::string name, path;
};

// As ldconfig writes it.
std::string cache_of(const std::vector<Entry>& entries) {
  std::string header = "glibc-ld.so.cache1.1", table, strings;
  const auto number = [](std::string& to, uint32_t value) {
    to.append(reinterpret_cast<const char*>(&value), 4);
  };
  const size_t start = 48 + 24 * entries.size();
  for (const Entry& e : entries) {
    number(table, e.flags);
    number(table, uint32_t(start + strings.size()));
    strings += e.name + '\0';
    number(table, uint32_t(start + strings.size()));
    strings += e.path + '\0';
    table.append(12, '\0');
  }
  number(header, uint32_t(entries.size()));
  number(header, uint32_t(strings.size()));
  header.resize(48, '\0');
  return header + table + strings;
}

TEST(DriverFiles, TheLoadersCacheIsReadAsFarAsItGoes) {
  const std::string cache = cache_of({{kOwn, "libcuda.so.1", "/lib/a/libcuda.so.1"},
                                      {0x0803, "libcuda.so.1", "/lib32/libcuda.so.1"},
                                      {kOwn, "libcuda.so.1", "/opt/libcuda.so.1"},
                                      {kOwn, "libz.so.1", "/lib/a/libz.so.1"}});
  const auto both =
      ElementsAre(Pair("libcuda.so.1", "/lib/a/libcuda.so.1"), Pair("libz.so.1", "/lib/a/libz.so.1"));
  EXPECT_THAT(loader_cache(cache), both);
  EXPECT_THAT(loader_cache("ld.so-1.7.0" + std::string(21, '\0') + cache), both);
  for (size_t n = 0; n < cache.size(); ++n) (void)loader_cache(cache.substr(0, n));
  std::string odd = cache;
  for (const size_t at : {20u, 52u, 56u}) odd.replace(at, 4, "\xff\xff\xff\xff");  // how many, and where
  EXPECT_THAT(loader_cache(odd),
              ElementsAre(Pair("libcuda.so.1", "/opt/libcuda.so.1"), Pair("libz.so.1", "/lib/a/libz.so.1")));
  EXPECT_THAT(loader_cache("not a cache"), IsEmpty());
}

TEST(DriverFiles, AContainerGetsWhatTheDriverHas) {
  TestDir dir;
  const auto put = [&](const std::string& path, std::string_view text = "x") {
    std::filesystem::create_directories(std::filesystem::path(dir.path() + path).parent_path());
    ASSERT_TRUE(write_file(dir.path() + path, text, 0644));
  };
  put("/lib/a/libcuda.so.1");
  put("/lib/a/libnvidia-ml.so.1");
  put("/lib/a/libz.so.1");
  put("/usr/bin/nvidia-smi");
  put("/dev/nvidiactl");
  put("/dev/nvidia-uvm");
  put("/etc/ld.so.cache", cache_of({{kOwn, "libcuda.so.1", "/lib/a/libcuda.so.1"},
                                    {kOwn, "libnvidia-ml.so.1", "/lib/a/libnvidia-ml.so.1"},
                                    {kOwn, "libnvidia-nvvm.so.4", "/lib/a/gone.so"},
                                    {kOwn, "libcudart.so.12", "/lib/a/libcudart.so.12"},
                                    {kOwn, "libz.so.1", "/lib/a/libz.so.1"}}));
  const node::cdi::Libraries found = driver_files(dir.path());
  std::vector<std::string> mounts, nodes;
  for (const node::Mount& m : found.mounts) {
    EXPECT_TRUE(m.read_only);
    mounts.push_back(m.host_path + " " + m.container_path.substr(m.container_path.rfind('/') + 1));
  }
  for (const node::DeviceNode& d : found.control_nodes) nodes.push_back(d.host_path);
  EXPECT_THAT(mounts,
              ElementsAre("/lib/a/libcuda.so.1 libcuda.so.1", "/lib/a/libnvidia-ml.so.1 libnvidia-ml.so.1",
                          "/lib/a/libcuda.so.1 libcuda.so", "/usr/bin/nvidia-smi nvidia-smi"));
  EXPECT_THAT(nodes, ElementsAre("/dev/nvidiactl", "/dev/nvidia-uvm"));
  const node::cdi::Libraries none = driver_files(dir.path() + "/nowhere");
  EXPECT_TRUE(none.mounts.empty() && none.control_nodes.empty());
}

}  // namespace
}  // namespace ingot::host
