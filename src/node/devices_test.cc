// GPUs between tenants, on a fake of the machine's that does what it is asked until a test says otherwise.
#include "node/devices.h"

#include <gmock/gmock.h>

#include "node/agent_fixture.h"

namespace ingot::node {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct FakeDevices final : DeviceControl {
  explicit FakeDevices(env::Env& env) : env_(env) {}

  gpu::Inventory gpus;
  std::vector<std::string> log;          // "make GPU-0 1g.10gb@2", "clear MIG-…", "store"…
  std::map<std::string, Error> failing;  // by the line's first two words
  std::set<std::string> hanging;         // the same; nobody ever answers
  std::string text;                      // what is kept

  void read(Callback<gpu::Inventory> done) override { answer("read", std::move(done), gpus); }
  void make_instance(const std::string& board, const std::string& profile, int start,
                     Callback<gpu::MigDevice> done) override {
    const std::string line = fmt::format("make {} {}@{}", board, profile, start);
    gpu::Board& b = find(board);
    gpu::MigDevice made{.uuid = fmt::format("MIG-{}-{}", board, start),
                        .profile = profile,
                        .start = start,
                        .gpu_instance = start + 1,
                        .compute_instance = 0,
                        .memory_mib = 9984};
    if (!fails(line)) {
      b.mig_enabled = true;
      std::erase_if(b.mig_devices, [&](const auto& i) { return i.start == start; });
      b.mig_devices.push_back(made);
    }
    answer(line, std::move(done), made);
  }
  void destroy_instance(const std::string& board, int start, Callback<void> done) override {
    const std::string line = fmt::format("destroy {} {}", board, start);
    if (!fails(line)) std::erase_if(find(board).mig_devices, [&](const auto& i) { return i.start == start; });
    answer(line, std::move(done));
  }
  void make_whole(const std::string& board, Callback<void> done) override {
    EXPECT_THAT(find(board).mig_devices, IsEmpty()) << "the mode changes on a drained board only";
    find(board).mig_enabled = false;
    answer("whole " + board, std::move(done));
  }
  void clear(const std::string& device, Callback<std::string> done) override {
    answer("clear " + device, std::move(done), std::string("all zeroed"));
  }
  void load(Callback<std::string> done) override { answer("load", std::move(done), text); }
  void store(std::string t, Callback<void> done) override {
    text = std::move(t);
    answer("store", std::move(done));
  }

  gpu::Board& find(const std::string& uuid) {
    return *std::ranges::find(gpus.boards, uuid, &gpu::Board::uuid);
  }
  std::vector<std::string> acts() const {  // what was done to boards
    std::vector<std::string> out;
    for (const std::string& line : log)
      if (line != "read" && line != "load" && line != "store") out.push_back(line);
    return out;
  }

 private:
  static std::string key(const std::string& line) {
    return line.substr(0, line.find(' ', line.find(' ') + 1));
  }
  bool fails(const std::string& line) const {
    return failing.contains(key(line)) || hanging.contains(key(line));
  }
  template <class T, class... V>
  void answer(const std::string& line, Callback<T> done, V... value) {
    log.push_back(line);
    if (hanging.contains(key(line))) return held_.push_back([done = std::move(done)] {});
    Result<T> result{std::move(value)...};
    if (const auto f = failing.find(key(line)); f != failing.end()) result = fail(f->second);
    env_.loop.post(
        [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  }
  env::Env& env_;
  std::vector<env::Task> held_;
};

struct DevicesTest : AgentTest {
  DevicesTest() {
    for (const char* uuid : {"GPU-0", "GPU-1"}) {
      gpu::Board board{.uuid = uuid, .index = int(config.gpus.boards.size()), .model = "H100-80GB"};
      board.mig_capable = true;
      config.gpus.boards.push_back(board);
    }
    config.devices = cdi::spec_of(config.gpus, {});
    control.gpus = config.gpus;
  }
  void boot() {
    agent.reset();
    agent = std::make_unique<Agent>(config, t.env, api, runtime, files, &control);
    agent->start();
    t.loop.run_until_idle();
  }
  // Opens an Allocation of `devices` (JSON) and binds a pod of that tenant that asks for `resource`.
  void run(const std::string& uid, std::string_view tenant, std::string_view devices,
           std::string_view resource) {
    api.put(
        allocation_path(uid),
        parsed(fmt::format(
            R"({{"metadata":{{"name":"{}"}},"spec":{{"tenant":"{}","cluster":"c-{}","namespace":"default","pod":"{}","node":"node-0","devices":[{}]}},"status":{{"phase":"Open"}}}})",
            uid, tenant, tenant, uid, devices)));
    api.put(
        path(uid, tenant),
        parsed(fmt::format(
            R"({{"metadata":{{"uid":"{}","name":"{}","namespace":"default","annotations":{{"factory.ingot.dev/cluster":"c-{}"}}}},
                "spec":{{"nodeName":"node-0","restartPolicy":"Never","containers":[{{"name":"{}","image":"train","resources":{{"limits":{{"{}":1}}}}}}]}}}})",
            uid, uid, tenant, uid, resource)));
    t.loop.run_until_idle();
  }
  static std::string path(const std::string& uid, std::string_view tenant) {
    return fmt::format("/clusters/{}/api/v1/namespaces/default/pods/{}", tenant, uid);
  }
  void whole(const std::string& uid, std::string_view tenant, std::string_view board = "GPU-0") {
    run(uid, tenant, fmt::format(R"({{"uuid":"{}","model":"H100-80GB"}})", board), "nvidia.com/gpu");
  }
  void slice(const std::string& uid, std::string_view tenant, int start, std::string_view board = "GPU-0") {
    run(uid, tenant,
        fmt::format(R"({{"uuid":"{}","model":"H100-80GB","profile":"1g.10gb","start":{}}})", board, start),
        "nvidia.com/mig-1g.10gb");
  }
  void finish(const std::string& uid) {
    runtime.exit(uid, 0);
    t.loop.run_until_idle();
  }
  std::string_view status(const std::string& uid, std::string_view tenant, std::string_view field) {
    return api::string_at(api.objects.at(path(uid, tenant)), {"status", field});
  }
  std::string visible(const std::string& uid) {
    for (const auto& [id, spec] : runtime.specs)
      if (spec.name == uid)
        for (const auto& [name, value] : spec.env)
          if (name == "NVIDIA_VISIBLE_DEVICES") return value;
    return "";
  }
  std::string device(size_t index, std::string_view name) {
    const api::Json& slice =
        api.objects.at("/clusters/root/apis/resource.k8s.io/v1/resourceslices/node-0-gpu.nvidia.com");
    const api::Json* found =
        api::find(api::array_at(slice, {"spec", "devices"}).at(index), {"attributes", name});
    return found ? api::to_text(*found) : "";
  }

  FakeDevices control{t.env};
};

TEST_F(DevicesTest, AnInstanceIsThereBeforeTheContainerAndGoneBeforeTheRelease) {
  boot();
  slice("a", "vision", 2);
  EXPECT_TRUE(runtime.runs("a"));
  EXPECT_EQ(visible("a"), "MIG-GPU-0-2");
  EXPECT_THAT(control.acts(), ElementsAre("make GPU-0 1g.10gb@2", "clear MIG-GPU-0-2"));
  EXPECT_EQ(device(0, "migInstances"), R"({"string":"1g.10gb@2"})");
  slice("b", "vision", 3);
  control.log.clear();
  finish("a");
  EXPECT_TRUE(released("a"));
  EXPECT_THAT(control.acts(), ElementsAre("destroy GPU-0 2")) << "and nothing happened to b's";
  EXPECT_TRUE(runtime.runs("b"));
}

TEST_F(DevicesTest, OnlyAnotherTenantCostsAScrub) {
  boot();
  whole("a", "vision");
  EXPECT_THAT(control.acts(), ElementsAre("clear GPU-0")) << "nobody knows who had it before";
  finish("a");
  whole("b", "vision");
  finish("b");
  EXPECT_THAT(control.acts(), ElementsAre("clear GPU-0"));
  whole("c", "speech");
  EXPECT_THAT(control.acts(), ElementsAre("clear GPU-0", "clear GPU-0"));
  EXPECT_TRUE(runtime.runs("c"));
  EXPECT_THAT(api.event_reasons(), testing::Contains("DeviceScrubbed"));
  const api::Json& slice =
      api.objects.at("/clusters/root/apis/resource.k8s.io/v1/resourceslices/node-0-gpu.nvidia.com");
  EXPECT_THAT(
      std::string(api::string_at(slice, {"metadata", "annotations", "factory.ingot.dev/last-scrubs"})),
      testing::AllOf(HasSubstr(R"x("before":"vision (c-vision)")x"),
                     HasSubstr(R"x("for":"speech (c-speech)")x")));
}

TEST_F(DevicesTest, TheLastTenantIsKnownAfterARestart) {
  boot();
  whole("a", "vision");
  finish("a");
  api.erase(allocation_path("a"));
  boot();
  control.log.clear();
  whole("b", "vision");
  EXPECT_THAT(control.acts(), IsEmpty());
  finish("b");
  boot();
  whole("c", "speech");
  EXPECT_THAT(control.acts(), ElementsAre("clear GPU-0"));
}

TEST_F(DevicesTest, AnInstanceIsScrubbedWhereAnotherTenantHadTheUnits) {
  boot();
  whole("a", "vision");
  finish("a");
  control.log.clear();
  slice("b", "vision", 0);
  slice("c", "speech", 1);
  EXPECT_THAT(control.acts(),
              ElementsAre("make GPU-0 1g.10gb@0", "make GPU-0 1g.10gb@1", "clear MIG-GPU-0-1"));
  finish("b");
  finish("c");
  control.log.clear();
  whole("d", "vision");
  EXPECT_THAT(control.acts(), ElementsAre("whole GPU-0", "clear GPU-0")) << "speech had a unit of it";
  EXPECT_EQ(device(0, "migEnabled"), R"({"bool":false})");
}

TEST_F(DevicesTest, AFailedScrubCordonsAndStartsNothing) {
  boot();
  whole("a", "vision");
  finish("a");
  control.failing["clear GPU-0"] = Error{Reason::InternalError, "uncorrectable ECC error"};
  whole("b", "speech");
  EXPECT_FALSE(runtime.runs("b"));
  EXPECT_EQ(status("b", "speech", "phase"), "Failed");
  EXPECT_EQ(status("b", "speech", "reason"), "DeviceUnavailable");
  EXPECT_EQ(
      status("b", "speech", "message"),
      "GPU GPU-0 cannot be given: it could not be cleared of what was left in its memory: uncorrectable "
      "ECC error");
  EXPECT_THAT(api::to_text(api.objects.at(path("b", "speech"))), HasSubstr(R"("type":"DisruptionTarget")"));
  EXPECT_TRUE(released("b"));
  EXPECT_EQ(device(0, "healthy"), R"({"bool":false})");
  EXPECT_EQ(device(0, "unhealthyReason"), R"({"string":"scrub failed: uncorrectable ECC error"})");
  EXPECT_EQ(device(1, "healthy"), R"({"bool":true})");
  whole("c", "vision");
  EXPECT_EQ(status("c", "vision", "phase"), "Failed") << "not to its last tenant either";
  boot();
  EXPECT_EQ(device(0, "healthy"), R"({"bool":false})") << "after a restart";
  control.failing.clear();
  t.loop.advance(Devices::kFirstRetry + std::chrono::seconds(1));
  EXPECT_EQ(device(0, "healthy"), R"({"bool":true})") << "it can be cleared again";
  whole("d", "speech");
  EXPECT_TRUE(runtime.runs("d"));
}

TEST_F(DevicesTest, ADriverThatRefusesForAMomentIsAskedAgain) {
  boot();
  control.failing["make GPU-0"] = Error{Reason::InternalError, "in use"};
  slice("a", "vision", 0);
  EXPECT_FALSE(runtime.runs("a"));
  control.failing.clear();
  t.loop.advance(std::chrono::seconds(2));
  EXPECT_TRUE(runtime.runs("a"));
  EXPECT_EQ(device(0, "healthy"), R"({"bool":true})");
}

TEST_F(DevicesTest, AHungCallHoldsUpItsOwnBoardOnly) {
  boot();
  control.hanging.insert("make GPU-0");
  slice("a", "vision", 0);
  slice("b", "speech", 0, "GPU-1");
  EXPECT_FALSE(runtime.runs("a"));
  EXPECT_TRUE(runtime.runs("b"));
}

TEST_F(DevicesTest, ABoardWithoutAnAnswerIsCordonedAtTheDeadline) {
  boot();
  control.failing["make GPU-0"] = Error{Reason::Timeout, "NVML gave no answer within 20000 ms"};
  slice("a", "vision", 0);
  EXPECT_EQ(status("a", "vision", "message"),
            "GPU GPU-0 cannot be given: NVML gave no answer within 20000 ms");
  EXPECT_EQ(device(0, "healthy"), R"({"bool":false})");
}

TEST_F(DevicesTest, ABoardIsLookedAtAnewBeforeItServesAgain) {
  boot();
  control.failing["make GPU-0"] = Error{Reason::Timeout, "NVML gave no answer"};
  slice("a", "vision", 0);
  EXPECT_TRUE(released("a"));
  // It was made all the same.
  control.find("GPU-0").mig_enabled = true;
  control.find("GPU-0").mig_devices.push_back({.uuid = "MIG-late", .profile = "1g.10gb", .start = 0});
  control.failing.clear();
  t.loop.advance(Devices::kFirstRetry + std::chrono::seconds(1));
  EXPECT_THAT(control.find("GPU-0").mig_devices, IsEmpty());
  EXPECT_EQ(device(0, "healthy"), R"({"bool":true})");
}

TEST_F(DevicesTest, WithoutADriverNothingIsGivenUntilItAnswers) {
  control.failing["read"] = Error{Reason::Timeout, "NVML gave no answer"};
  boot();
  EXPECT_EQ(device(0, "unhealthyReason"), R"({"string":"NVML gave no answer"})");
  whole("a", "vision");
  EXPECT_EQ(status("a", "vision", "message"), "no GPU of the node can be given: NVML gave no answer");
  EXPECT_TRUE(released("a"));
  control.failing.clear();
  t.loop.advance(std::chrono::seconds(5));
  EXPECT_EQ(device(0, "healthy"), R"({"bool":true})");
  whole("b", "vision");
  EXPECT_TRUE(runtime.runs("b"));
}

TEST_F(DevicesTest, APlaceThatDoesNotExistIsRefusedAndHarmsNoBoard) {
  boot();
  slice("a", "vision", 7);
  EXPECT_EQ(status("a", "vision", "message"),
            "GPU GPU-0 cannot be given: H100-80GB has no MIG instance 1g.10gb at 7");
  EXPECT_EQ(device(0, "healthy"), R"({"bool":true})");
}

TEST_F(DevicesTest, WhatIsLeftOverAfterACrashGoesAndWhatIsHeldStays) {
  boot();
  slice("a", "vision", 0);
  slice("b", "vision", 1);
  agent.reset();  // and meanwhile b's Allocation was closed
  api.erase(allocation_path("b"));
  api.erase(path("b", "vision"));
  runtime.sandboxes.erase("b.0");
  control.log.clear();
  boot();
  EXPECT_THAT(control.acts(), testing::UnorderedElementsAre("destroy GPU-0 1", "make GPU-0 1g.10gb@0"))
      << "adopted: made again is found, and not scrubbed";
  EXPECT_TRUE(runtime.runs("a"));
  EXPECT_EQ(control.find("GPU-0").mig_devices.size(), 1u);
}

TEST_F(DevicesTest, ACrashBetweenMakingAndStartingLeavesNoUnscrubbedInstance) {
  boot();
  whole("x", "vision");
  finish("x");
  control.hanging.insert("clear MIG-GPU-0-0");  // the process dies while it clears
  slice("a", "speech", 0);
  EXPECT_FALSE(runtime.runs("a"));
  control.hanging.clear();
  control.log.clear();
  boot();
  EXPECT_THAT(control.acts(), ElementsAre("make GPU-0 1g.10gb@0", "clear MIG-GPU-0-0"));
  EXPECT_TRUE(runtime.runs("a"));
}

TEST_F(DevicesTest, SharesOfABoardAreScrubbedForTheFirstOfATenant) {
  const auto share = [&](const std::string& uid, std::string_view tenant) {
    run(uid, tenant, R"({"uuid":"GPU-0","model":"H100-80GB","milli":250,"memoryMiB":20000})",
        "nvidia.com/gpu.shared");
  };
  boot();
  share("a", "vision");
  share("b", "vision");
  share("c", "speech");  // where a Pool lets tenants share
  EXPECT_TRUE(runtime.runs("a") && runtime.runs("b") && runtime.runs("c"));
  EXPECT_THAT(control.acts(), ElementsAre("clear GPU-0")) << "nothing is cleared under who runs";
  for (const char* uid : {"a", "b", "c"}) finish(uid);
  whole("d", "vision");
  EXPECT_THAT(control.acts(), ElementsAre("clear GPU-0", "clear GPU-0")) << "speech was on it";
}

TEST_F(DevicesTest, PodsOfOneClaimHaveItsDevicesTogether) {
  const auto share = [&](const std::string& uid, std::string_view claim, std::string_view part) {
    run(uid, "vision",
        fmt::format(R"({{"uuid":"GPU-0","model":"H100-80GB"{},"claim":"gpu","claimUID":"{}"}})", part, claim),
        "cpu");
  };
  boot();
  share("a", "one", "");
  share("b", "one", "");
  EXPECT_TRUE(runtime.runs("a") && runtime.runs("b"));
  share("c", "two", "");
  EXPECT_EQ(status("c", "vision", "reason"), "DeviceUnavailable") << "the board is another claim's";
  finish("a");
  EXPECT_TRUE(released("a"));
  EXPECT_TRUE(runtime.runs("b"));
  finish("b");
  control.log.clear();
  constexpr std::string_view kInstance = R"(,"profile":"1g.10gb","start":2)";
  share("d", "three", kInstance);
  share("e", "three", kInstance);
  finish("d");
  EXPECT_TRUE(runtime.runs("e"));
  EXPECT_THAT(control.find("GPU-0").mig_devices, testing::SizeIs(1)) << "e still has it";
  finish("e");
  EXPECT_THAT(control.find("GPU-0").mig_devices, IsEmpty());
}

TEST_F(DevicesTest, AnInstanceThatDoesNotGoCordonsItsBoardAndTheAllocationCloses) {
  boot();
  slice("a", "vision", 0);
  control.failing["destroy GPU-0"] = Error{Reason::InternalError, "in use"};
  finish("a");
  EXPECT_TRUE(released("a"));
  EXPECT_EQ(device(0, "unhealthyReason"), R"({"string":"in use"})");
  control.failing.clear();
  t.loop.advance(Devices::kFirstRetry + std::chrono::seconds(1));
  EXPECT_EQ(device(0, "healthy"), R"({"bool":true})");
  EXPECT_THAT(control.find("GPU-0").mig_devices, IsEmpty());
}

TEST(DeviceBook, RemembersWhatItIsTold) {
  DeviceBook book;
  EXPECT_FALSE(book.clean_for("GPU-a", 1, "vision"));
  EXPECT_EQ(book.last_tenants("GPU-a", kWholeBoard), "unknown");
  book.clean("GPU-a", kWholeBoard);
  book.give("pod", "GPU-a", 0b11, "vision");
  book.cordon("GPU-b", "why");
  book.record({.device = "GPU-a", .before = "unknown", .tenant = "vision", .how = "all"});
  const auto again = DeviceBook::parse(book.to_text());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->to_text(), book.to_text());
  EXPECT_TRUE(again->clean_for("GPU-a", kWholeBoard, "vision"));
  EXPECT_FALSE(again->clean_for("GPU-a", kWholeBoard, "speech"));
  EXPECT_TRUE(again->clean_for("GPU-a", 0b100, "speech")) << "zeroed and given to nobody since";
  EXPECT_TRUE(again->gave("pod", "GPU-a"));
  EXPECT_FALSE(DeviceBook::parse("{\"format\":2}"));
}

TEST(DeviceBook, UnitsAreTheProfiles) {
  EXPECT_EQ(units_of("H100-80GB", "3g.40gb", 4), 0b1111'0000);
  EXPECT_EQ(units_of("H100-80GB", "1g.10gb", 6), 0b0100'0000);
  EXPECT_EQ(units_of("H100-80GB", "3g.40gb", 1), kWholeBoard) << "what may not be there is taken for all";
  EXPECT_EQ(units_of("L4", "", -1), kWholeBoard);
}

}  // namespace
}  // namespace ingot::node
