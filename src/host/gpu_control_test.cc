// GPUs through real worker processes over the stand-in library. This test program is its own worker.
#include "host/gpu_control.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "env/testing.h"
#include "host/disk_file.h"
#include "host/gpu_sampler.h"
#include "host/real_env.h"
#include "host/test_dir.h"
#include "host/workers.h"

namespace ingot::host {
namespace {

using namespace std::chrono_literals;

// Before main: what run_worker starts is this program again.
__attribute__((constructor)) void be_a_worker(int count, char** words, char**) {
  if (count > 2 && words[1] == std::string_view("worker"))
    ::_exit(run_as_worker(std::span(words, size_t(count)).subspan(2)));
}

std::string standin() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libingot-nvml.so").string();
}

struct GpuControlTest : testing::Test {
  void open(const std::string& description, Duration deadline = 20s) {
    control = loop.call([&] {
      auto made = make_gpu_control(loop, {.nvml = standin(),
                                          .cuda = standin(),
                                          .description = description,
                                          .directory = dir.path(),
                                          .deadline = deadline});
      EXPECT_TRUE(made) << made.error().message;
      return std::move(*made);
    });
  }
  void close() {
    loop.call([&] { control.reset(); });
  }
  ~GpuControlTest() override { close(); }

  template <class T, class F>
  Result<T> ask(F f) {
    std::promise<Result<T>> promise;
    auto future = promise.get_future();
    loop.post([&] { f(node::Callback<T>([&](Result<T> r) { promise.set_value(std::move(r)); })); });
    return future.get();
  }
  Result<gpu::MigDevice> make(const std::string& board, const std::string& profile, int start) {
    return ask<gpu::MigDevice>(
        [&](auto done) { control->make_instance(board, profile, start, std::move(done)); });
  }
  Result<gpu::Inventory> read() {
    return ask<gpu::Inventory>([&](auto done) { control->read(std::move(done)); });
  }
  std::string state() const { return *read_file(dir.path() + "/gpus"); }
  void rewrite(const std::string& add) const {
    ASSERT_TRUE(write_file(dir.path() + "/gpus", state() + add, 0600));
  }

  TestDir dir;
  RealClock clock;
  ThreadLoop loop{clock, "test"};
  std::unique_ptr<node::DeviceControl> control;
};

constexpr const char* kTwo = "node n\nboard H100-80GB uuid=GPU-a\nboard H100-80GB uuid=GPU-b\n";

TEST_F(GpuControlTest, InstancesOutliveTheProcessThatMadeThem) {
  open(kTwo);
  const auto made = make("GPU-a", "2g.20gb", 2);
  ASSERT_TRUE(made) << made.error().message;
  close();
  open(kTwo);
  const auto boards = read();
  ASSERT_TRUE(boards) << boards.error().message;
  ASSERT_EQ(boards->boards[0].mig_devices.size(), 1u);
  EXPECT_EQ(boards->boards[0].mig_devices[0], *made);
  EXPECT_TRUE(ask<void>([&](auto done) { control->destroy_instance("GPU-a", 2, std::move(done)); }));
  EXPECT_TRUE(ask<void>([&](auto done) { control->make_whole("GPU-a", std::move(done)); }));
  EXPECT_FALSE(read()->boards[0].mig_enabled);
}

TEST_F(GpuControlTest, ClearsWhatAProgramLeft) {
  open(kTwo);
  rewrite("memory 0 start_mib=0 mib=4096 byte=77\nmemory 1 start_mib=5 mib=1 byte=78\n");
  const auto cleared = ask<std::string>([&](auto done) { control->clear("GPU-a", std::move(done)); });
  ASSERT_TRUE(cleared) << cleared.error().message;
  EXPECT_EQ(*cleared, "81559 of 81559 MiB zeroed");
  EXPECT_EQ(state().find("byte=77"), std::string::npos);
  EXPECT_NE(state().find("byte=78"), std::string::npos) << "the other board's";
  rewrite("fault 0 clear\n");
  const auto failed = ask<std::string>([&](auto done) { control->clear("GPU-a", std::move(done)); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "cannot clear memory: uncorrectable ECC error encountered");
}

TEST_F(GpuControlTest, ACallThatHangsEndsAtItsDeadlineAndStopsNoOther) {
  open(kTwo, 500ms);
  rewrite("fault 0 hang\n");
  std::promise<Result<gpu::MigDevice>> hung;
  loop.post([&] {
    control->make_instance("GPU-a", "1g.10gb", 0,
                           [&](Result<gpu::MigDevice> r) { hung.set_value(std::move(r)); });
  });
  EXPECT_TRUE(make("GPU-b", "1g.10gb", 0)) << "meanwhile";
  const auto answer = hung.get_future().get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::Timeout);
}

TEST_F(GpuControlTest, EndsWhatRunsWithItself) {
  open(kTwo, 10min);
  rewrite("fault 0 hang\n");
  loop.call([&] { control->make_whole("GPU-a", [](Result<void>) { FAIL() << "told after the end"; }); });
  close();  // and does not wait ten minutes
}

TEST_F(GpuControlTest, RemembersOneText) {
  open(kTwo);
  const auto load = [&] { return *ask<std::string>([&](auto done) { control->load(std::move(done)); }); };
  EXPECT_EQ(load(), "");
  ASSERT_TRUE(ask<void>([&](auto done) { control->store("{\"a\":1}", std::move(done)); }));
  close();
  open(kTwo);
  EXPECT_EQ(load(), "{\"a\":1}");
}

// By a sampler of its own, which has to be let see the instances.
TEST_F(GpuControlTest, InstancesAreSampled) {
  open(kTwo);
  const auto made = make("GPU-b", "3g.40gb", 4);
  ASSERT_TRUE(made) << made.error().message;
  const auto look = [&](bool instances) {
    std::promise<std::vector<gpu::Sample>> second;
    int looks = 0;
    SampledNode node{.name = "n", .library = standin(), .describe = [] {
                       return "node n\nboard H100-80GB uuid=GPU-a\nboard H100-80GB uuid=GPU-b\nheld 1\n";
                     }};
    node.instances = instances;
    if (instances) node.state = dir.path() + "/gpus";
    env::NullLog log;
    const GpuSampler sampler(loop, log, {std::move(node)},
                             [&](const std::string&, Result<std::vector<gpu::Sample>> heard) {
                               ASSERT_TRUE(heard) << heard.error().message;
                               if (++looks == 2)
                                 second.set_value(*std::move(heard));  // what engines do is known between two
                             },
                             {.every = 10ms});
    return second.get_future().get();
  };
  const std::vector<gpu::Sample> seen = look(true);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_TRUE(seen[0].instances.empty());
  ASSERT_EQ(seen[1].instances.size(), 1u);
  EXPECT_EQ(seen[1].instances[0].profile, "3g.40gb");
  EXPECT_EQ(seen[1].instances[0].start, 4);
  EXPECT_GE(seen[1].instances[0].active.value_or(0), 0.9);
  EXPECT_TRUE(look(false)[1].instances.empty());
}

}  // namespace
}  // namespace ingot::host
