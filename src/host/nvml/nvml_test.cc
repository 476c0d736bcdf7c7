#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gpu/description.h"
#include "gpu/mig.h"
#include "host/nvml/clear.h"
#include "host/nvml/loader.h"
#include "host/nvml/sampler.h"
#include "host/nvml/slices.h"

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

TEST(NvmlSampler, AHeldBoardWorksAndAFreeOneRests) {
  const std::string boards = "board H100-80GB\nboard H100-80GB\nboard H100-80GB mig=on\n";
  setenv("INGOT_GPU_DESCRIPTION_TEXT", boards.c_str(), 1);
  const auto sampler = Sampler::open(STANDIN);
  unsetenv("INGOT_GPU_DESCRIPTION_TEXT");
  ASSERT_TRUE(sampler) << sampler.error();
  auto samples = (*sampler)->look();
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].utilisation, 0);
  EXPECT_EQ(samples[0].memory_used_mib, 0);
  EXPECT_EQ(samples[2].utilisation, std::nullopt) << "NVML has none of a board in MIG mode";

  ASSERT_TRUE((*sampler)->describe(boards + "held 0\nheld 1\nuse 1 idle\n"));
  samples = (*sampler)->look();
  EXPECT_GE(samples[0].utilisation, 90);
  EXPECT_GT(samples[0].memory_used_mib, 40'000);
  EXPECT_EQ(*samples[0].memory_used_mib + *samples[0].memory_free_mib, 81559);
  EXPECT_GT(samples[0].power_w, 500);
  EXPECT_GT(samples[0].temperature_c, samples[1].temperature_c);
  EXPECT_EQ(samples[0].sm_clock_mhz, 1755);
  EXPECT_EQ(samples[1].utilisation, 0);
  EXPECT_GT(samples[1].memory_used_mib, 0);

  EXPECT_FALSE((*sampler)->describe("board H100-80GB\n")) << "other boards";
  EXPECT_FALSE((*sampler)->describe("nonsense"));
}

TEST(NvmlSampler, FaultsAreToldXidsOnce) {
  const std::string boards = "board A30\nboard A30\n";
  setenv("INGOT_GPU_DESCRIPTION_TEXT", boards.c_str(), 1);
  const auto sampler = Sampler::open(STANDIN);
  unsetenv("INGOT_GPU_DESCRIPTION_TEXT");
  ASSERT_TRUE(sampler) << sampler.error();
  EXPECT_TRUE((*sampler)->look()[0].xids.empty());
  ASSERT_TRUE((*sampler)->describe(boards + "fault 0 xid=79\nfault 0 ecc=2\nfault 1 lost\n"));
  auto samples = (*sampler)->look();
  EXPECT_EQ(samples[0].xids, std::vector<uint64_t>{79});
  EXPECT_EQ(samples[0].ecc_errors, 2u);
  EXPECT_EQ(samples[1].lost, "GPU is lost");
  EXPECT_TRUE((*sampler)->look()[0].xids.empty());
  ASSERT_TRUE((*sampler)->describe(boards));
  samples = (*sampler)->look();
  EXPECT_EQ(samples[0].ecc_errors, 0u);
  EXPECT_TRUE(samples[1].lost.empty());
}

TEST(NvmlSampler, InstancesAreMeasuredOneByOne) {
  const std::string boards =
      "board H100-80GB uuid=GPU-a mig=on\ninstance 0 1g.10gb start=2 id=9 uuid=MIG-x\n"
      "instance 0 3g.40gb start=4 id=2 uuid=MIG-y\n";
  setenv("INGOT_GPU_DESCRIPTION_TEXT", (boards + "held 0\nuse 0 40\n").c_str(), 1);
  const auto sampler = Sampler::open(STANDIN);
  unsetenv("INGOT_GPU_DESCRIPTION_TEXT");
  ASSERT_TRUE(sampler) << sampler.error();
  auto seen = (*sampler)->look().at(0).instances;
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].active, std::nullopt) << "it takes two samples";
  seen = (*sampler)->look().at(0).instances;
  EXPECT_EQ(seen[0].gpu_instance, 9);
  EXPECT_EQ(seen[0].profile, "1g.10gb");
  EXPECT_EQ(seen[0].start, 2);
  EXPECT_EQ(seen[0].active, 0.4);
  EXPECT_EQ(seen[1].profile, "3g.40gb");
}

void look_past_a_board_that_hangs() {
  const std::string boards = "board A30\nboard A30\n";
  setenv("INGOT_GPU_DESCRIPTION_TEXT", boards.c_str(), 1);
  const auto sampler = Sampler::open(STANDIN, std::chrono::milliseconds(50));
  ASSERT_TRUE(sampler) << sampler.error();
  const auto before = (*sampler)->look();
  ASSERT_TRUE((*sampler)->describe(boards + "fault 0 hang\n"));
  for (int look = 0; look < 3; ++look) {
    const auto samples = (*sampler)->look();
    ASSERT_EQ(samples.size(), 2u);
    EXPECT_EQ(samples[0].uuid, before[0].uuid);
    EXPECT_EQ(samples[0].lost, "NVML gave no answer in time");
    EXPECT_TRUE(samples[1].lost.empty());
    EXPECT_EQ(samples[1].utilisation, 0);
  }
}

// It is lost for as long as it hangs; the others are looked at as before.
TEST(NvmlSampler, ABoardThatHangsKeepsNoneFromAnswering) {
  const pid_t child = fork();  // what hangs is never given back
  if (child == 0) {
    look_past_a_board_that_hangs();
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Nvml, SaysWhatIsMissing) {
  EXPECT_TRUE(read_inventory("libno-such-nvml.so.1").error().starts_with("cannot load libno-such-nvml.so.1"));
  EXPECT_TRUE(
      read_inventory("libc.so.6").error().ends_with("is not an NVML library, or older than driver 450"));
  unsetenv("INGOT_GPU_DESCRIPTION");
  EXPECT_NE(read_inventory(STANDIN).error().find("Driver Not Loaded"), std::string::npos);
}

// Simulated boards with a state file of their own, for a test.
struct NvmlState : testing::Test {
  NvmlState() {
    char made[] = "/tmp/ingot-gpu-state-XXXXXX";
    directory = mkdtemp(made);
    file = directory + "/state";
    setenv("INGOT_GPU_STATE", file.c_str(), 1);
  }
  ~NvmlState() override {
    unsetenv("INGOT_GPU_STATE");
    for (const char* name : {"/state", "/state.lock"}) unlink((directory + name).c_str());
    rmdir(directory.c_str());
  }
  void write(const std::string& text) const { std::ofstream(file) << text; }
  std::string text() const {
    std::stringstream out;
    out << std::ifstream(file).rdbuf();
    return out.str();
  }
  std::vector<gpu::MigDevice> instances() const {
    const auto inventory = read_inventory(STANDIN);
    EXPECT_TRUE(inventory) << inventory.error();
    return inventory ? inventory->boards.front().mig_devices : std::vector<gpu::MigDevice>{};
  }
  std::string directory, file;
};

// CUDA stays initialised as long as its process lives: "MIB" cleared of all, or why not, from a process of its own.
std::string clear(const std::string& device) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto cleared = clear_memory(STANDIN, device);
    const std::string text = cleared ? std::to_string(cleared->mib) : cleared.error();
    _exit(write(ends[1], text.data(), text.size()) > 0 ? 0 : 1);
  }
  close(ends[1]);
  char text[512] = {};
  EXPECT_GT(::read(ends[0], text, sizeof text - 1), 0);
  close(ends[0]);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  return text;
}

TEST_F(NvmlState, InstancesAreMadeWhereAskedAndStayForEveryProcess) {
  write("board H100-80GB uuid=GPU-a\n");
  const auto made = make_instance(STANDIN, "GPU-a", "1g.10gb", 4);
  ASSERT_TRUE(made) << made.error();
  EXPECT_TRUE(made->uuid.starts_with("MIG-")) << made->uuid;
  EXPECT_EQ(made->memory_mib, 9984);
  EXPECT_EQ(make_instance(STANDIN, "GPU-a", "1g.10gb", 4)->uuid, made->uuid) << "made once";
  const auto second = make_instance(STANDIN, "GPU-a", "3g.40gb", 0);
  ASSERT_TRUE(second) << second.error();
  ASSERT_EQ(instances().size(), 2u);
  EXPECT_EQ(instances()[0], *second) << "by start";
  ASSERT_TRUE(destroy_instance(STANDIN, "GPU-a", 0));
  ASSERT_TRUE(destroy_instance(STANDIN, "GPU-a", 0)) << "gone is gone";
  EXPECT_EQ(instances(), std::vector<gpu::MigDevice>{*made}) << "the other one was not touched";
  EXPECT_NE(text().find("instance 0 1g.10gb start=4"), std::string::npos) << text();
}

TEST_F(NvmlState, WhatTheBoardCannotDoIsRefused) {
  write("board H100-80GB uuid=GPU-a\nboard L4 uuid=GPU-b\n");
  ASSERT_TRUE(make_instance(STANDIN, "GPU-a", "2g.20gb", 0));
  EXPECT_EQ(make_instance(STANDIN, "GPU-a", "3g.40gb", 0).error(),
            "cannot make 3g.40gb at 0: Insufficient Resources");
  EXPECT_EQ(make_instance(STANDIN, "GPU-a", "2g.20gb", 3).error(),
            "cannot make 2g.20gb at 3: Invalid Argument");
  EXPECT_EQ(make_whole(STANDIN, "GPU-a").error(), "cannot turn MIG mode off: In use by another client");
  EXPECT_TRUE(
      make_instance(STANDIN, "GPU-a", "1g.5gb", 0).error().starts_with("H100-80GB has no MIG profile"));
  EXPECT_EQ(make_instance(STANDIN, "GPU-b", "1g.5gb", 0).error(),
            "L4 has no MIG profile 1g.5gb; it has none");
  EXPECT_EQ(make_instance(STANDIN, "GPU-c", "1g.5gb", 0).error(), "no GPU of this machine is GPU-c");
  ASSERT_TRUE(destroy_instance(STANDIN, "GPU-a", 0));
  ASSERT_TRUE(make_whole(STANDIN, "GPU-a"));
  EXPECT_FALSE(read_inventory(STANDIN)->boards[0].mig_enabled);
}

TEST_F(NvmlState, FaultsOfABoardAreTold) {
  write(
      "board A30 uuid=GPU-a mig=on\nboard A30 uuid=GPU-b\nboard A30 uuid=GPU-c\n"
      "fault 0 create\nfault 1 mode\nfault 2 clear\n");
  EXPECT_EQ(make_instance(STANDIN, "GPU-a", "1g.6gb", 0).error(),
            "cannot make 1g.6gb at 0: Insufficient Resources");
  EXPECT_EQ(make_instance(STANDIN, "GPU-b", "1g.6gb", 0).error(),
            "cannot turn MIG mode on: In use by another client");
  EXPECT_EQ(clear("GPU-c"), "cannot clear memory: uncorrectable ECC error encountered");
}

// Every place of every profile is the guide's, by way of the library.
TEST_F(NvmlState, ALayoutIsMadeExactlyIfItIsLegal) {
  for (const char* model : {"A30", "H100-80GB"}) {
    for (const gpu::Profile& a : gpu::profiles(model))
      for (int start = 0; start < 8; ++start) {
        write(std::string("board ") + model + " uuid=GPU-a mig=on\n");
        const auto made = make_instance(STANDIN, "GPU-a", std::string(a.name), start);
        EXPECT_EQ(made.has_value(), a.may_start(start)) << model << " " << a.name << " at " << start;
      }
  }
}

TEST_F(NvmlState, ClearingLeavesNothingBehind) {
  write(
      "board H100-80GB uuid=GPU-a\nmemory 0 start_mib=100 mib=5000 byte=171\n"
      "memory 0 start_mib=81558 mib=1 byte=1\n");
  EXPECT_EQ(clear("GPU-a"), "81559");
  EXPECT_EQ(text().find("memory"), std::string::npos) << text();
}

TEST_F(NvmlState, ClearingAnInstanceTouchesNoOther) {
  write("board H100-80GB uuid=GPU-a mig=on\nmemory 0 start_mib=0 mib=81559 byte=7\n");
  const auto made = make_instance(STANDIN, "GPU-a", "1g.10gb", 1);
  ASSERT_TRUE(made) << made.error();
  ASSERT_TRUE(make_instance(STANDIN, "GPU-a", "1g.10gb", 0));
  EXPECT_EQ(clear(made->uuid), "10195");
  EXPECT_NE(text().find("memory 0 start_mib=0 mib=10194 byte=7\n"), std::string::npos) << text();
  EXPECT_NE(text().find("memory 0 start_mib=20389 mib=61170"), std::string::npos) << text();
  EXPECT_EQ(clear("GPU-a"), "CUDA does not see GPU-a") << "it is cut";
}

TEST_F(NvmlState, ABoardThatHangsKeepsNoOtherFromAnswering) {
  write("board A30 uuid=GPU-a\nboard A30 uuid=GPU-b\nfault 0 hang\n");
  const pid_t child = fork();  // what hangs is never given back
  if (child == 0) {
    const auto inventory = read_inventory(STANDIN, std::chrono::milliseconds(200));
    const bool good = inventory && !inventory->boards[0].healthy && inventory->boards[1].healthy &&
                      inventory->boards[0].fault == "NVML gave no answer in time";
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Nvml, InsideAContainerNothingChanges) {
  char path[] = "/tmp/ingot-gpus-XXXXXX";
  close(mkstemp(path));
  std::ofstream(path) << "board H100-80GB uuid=GPU-a mig=on\ninstance 0 1g.10gb start=2 id=9 uuid=MIG-x\n";
  setenv("INGOT_GPU_DESCRIPTION", path, 1);
  const auto inventory = read_inventory(STANDIN);
  ASSERT_TRUE(inventory) << inventory.error();
  ASSERT_EQ(inventory->boards[0].mig_devices.size(), 1u);
  EXPECT_EQ(inventory->boards[0].mig_devices[0].uuid, "MIG-x");
  EXPECT_EQ(inventory->boards[0].mig_devices[0].gpu_instance, 9);
  EXPECT_EQ(make_instance(STANDIN, "GPU-a", "1g.10gb", 0).error(),
            "cannot make 1g.10gb at 0: Insufficient Permissions");
  unsetenv("INGOT_GPU_DESCRIPTION");
  unlink(path);
}

TEST(Nvml, CompilesAloneWithOnlyACompiler) {
  if (std::system("command -v c++ >/dev/null") != 0) GTEST_SKIP() << "no c++ on this machine";
  const std::string source = SOURCE;
  std::string command = "c++ -std=c++23 -I " + source;
  for (const char* file : {"probe", "loader", "session", "slices"})
    command += " " + source + "/host/nvml/" + file + ".cc";
  command += " " + source + "/gpu/mig.cc " + source + "/gpu/models.cc -ldl -o /dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace
}  // namespace ingot::host::nvml
