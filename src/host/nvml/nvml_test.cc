#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "gpu/description.h"
#include "host/nvml/loader.h"

namespace ingot::host::nvml {
namespace {

// Reads an inventory through the stand-in library described by `text`.
std::expected<gpu::Inventory, std::string> read(const std::string& text) {
  char path[] = "/tmp/ingot-gpus-XXXXXX";
  close(mkstemp(path));
  std::ofstream(path) << text;
  setenv("INGOT_GPU_DESCRIPTION", path, 1);
  auto inventory = read_inventory(STANDIN);
  unlink(path);
  return inventory;
}

TEST(Nvml, ListsWhatTheDescriptionSays) {
  const auto inventory =
      read("driver 1.2\ncuda 12.8\nboard H200-141GB numa=1 minor=5\nboard H200-141GB mig=on\nlink 0 1\n");
  ASSERT_TRUE(inventory) << inventory.error();
  EXPECT_TRUE(inventory->simulated);
  EXPECT_EQ(inventory->driver_version, "1.2");
  EXPECT_EQ(inventory->cuda_version, "12.8");
  ASSERT_EQ(inventory->boards.size(), 2u);
  const gpu::Board& first = inventory->boards[0];
  EXPECT_EQ(first.model, "H200-141GB");
  EXPECT_EQ(first.product, "NVIDIA H200");
  EXPECT_EQ(first.memory_mib, 143771);
  EXPECT_EQ(first.numa_node, 1);
  EXPECT_EQ(first.minor, 5);
  EXPECT_EQ(first.nvlink_peers, std::vector<int>{1});
  EXPECT_TRUE(first.mig_capable && !first.mig_enabled && inventory->boards[1].mig_enabled);
  EXPECT_TRUE(first.healthy);
}

TEST(Nvml, ASwitchConnectsEveryBoard) {
  const auto made = gpu::describe_shorthand("1x4xH100-80GB", "s");
  const auto inventory = read(gpu::to_text(*made, made->nodes[0]));
  ASSERT_TRUE(inventory) << inventory.error();
  EXPECT_EQ(inventory->boards[2].nvlink_peers, (std::vector<int>{0, 1, 3}));
}

TEST(Nvml, FaultyBoardsAreListedWithTheReason) {
  const auto inventory = read("board A30\nboard A30\nfault 0 lost\nfault 1 ecc=3\n");
  ASSERT_TRUE(inventory) << inventory.error();
  EXPECT_FALSE(inventory->boards[0].healthy);
  EXPECT_EQ(inventory->boards[0].fault, "name: GPU is lost");
  EXPECT_FALSE(inventory->boards[0].uuid.empty());
  EXPECT_EQ(inventory->boards[1].fault, "uncorrected ECC errors: 3");
}

TEST(Nvml, SaysWhatIsMissing) {
  EXPECT_TRUE(read_inventory("libno-such-nvml.so.1").error().starts_with("cannot load libno-such-nvml.so.1"));
  EXPECT_TRUE(
      read_inventory("libc.so.6").error().ends_with("is not an NVML library, or older than driver 450"));
  unsetenv("INGOT_GPU_DESCRIPTION");
  EXPECT_NE(read_inventory(STANDIN).error().find("Driver Not Loaded"), std::string::npos);
}

TEST(Nvml, CompilesAloneWithOnlyACompiler) {
  if (std::system("command -v c++ >/dev/null") != 0) GTEST_SKIP() << "no c++ on this machine";
  const std::string source = SOURCE;
  const std::string command = "c++ -std=c++23 -I " + source + " " + source + "/host/nvml/probe.cc " + source +
                              "/host/nvml/loader.cc " + source + "/gpu/models.cc -ldl -o /dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace
}  // namespace ingot::host::nvml
