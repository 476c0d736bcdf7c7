#include "node/registration.h"

#include <gmock/gmock.h>

namespace ingot::node {
namespace {

TEST(ResourceSlice, TellsHowBoardsAreJoined) {
  NodeConfig config{.name = "n"};
  for (int i = 0; i < 4; ++i) {
    gpu::Board board{.uuid = "GPU-" + std::to_string(i), .index = i};
    board.numa_node = i / 2;
    config.gpus.boards.push_back(board);
  }
  config.gpus.boards[0].nvlink_peers = {1, 2};
  config.gpus.boards[1].nvlink_peers = {0};
  config.gpus.boards[2].nvlink_peers = {0};
  const api::Json slice = slice_object(config, 1);
  const auto attribute = [&](size_t i, std::string_view name) {
    const api::Json* found = api::find(api::array_at(slice, {"spec", "devices"})[i], {"attributes", name});
    return found ? api::to_text(*found) : "";
  };
  EXPECT_EQ(attribute(2, "nvlinkIsland"), R"({"int":0})");
  EXPECT_EQ(attribute(2, "nvlinkPeers"), R"({"string":"0"})") << "1 and 2 are two hops apart";
  EXPECT_EQ(attribute(3, "nvlinkIsland"), "") << "no link, no island to match on";
  EXPECT_EQ(attribute(3, "numaNode"), R"({"int":1})");
  config.gpus.boards[1].nvlink_peers = config.gpus.boards[2].nvlink_peers = {0, 1, 2};
  const api::Json joined = slice_object(config, 1);
  EXPECT_FALSE(api::find(api::array_at(joined, {"spec", "devices"})[0], {"attributes", "nvlinkPeers"}));
}

TEST(ResourceSlice, TellsWhatBoardsMayBeCutIntoAndHowTheyAre) {
  NodeConfig config{.name = "n"};
  gpu::Board cut{.uuid = "GPU-0", .index = 0, .model = "H100-80GB"};
  cut.mig_capable = cut.mig_enabled = true;
  for (const int start : {0, 2, 1}) cut.mig_devices.push_back({.profile = "1g.10gb", .start = start});
  cut.mig_devices.push_back({.profile = "3g.40gb", .start = 4});
  gpu::Board broken{.uuid = "GPU-1", .index = 1, .model = "L4"};
  broken.healthy = false;
  broken.fault = "scrub failed: " + std::string(80, 'x');
  config.gpus.boards = {cut, broken};
  const api::Json slice = slice_object(config, 1);
  const auto attribute = [&](size_t i, std::string_view name) {
    const api::Json* found = api::find(api::array_at(slice, {"spec", "devices"})[i], {"attributes", name});
    return found ? api::to_text(*found) : "";
  };
  EXPECT_EQ(attribute(0, "migInstances"), R"({"string":"1g.10gb@0,2,1;3g.40gb@4"})");
  EXPECT_EQ(attribute(0, "migProfiles"),
            R"({"string":"1g.10gb,1g.10gb+me,1g.20gb,2g.20gb,3g.40gb,4g.40gb,7g.80gb"})");
  EXPECT_EQ(attribute(0, "unhealthyReason"), "");
  EXPECT_EQ(attribute(1, "migCapable"), R"({"bool":false})");
  EXPECT_EQ(attribute(1, "unhealthyReason").size(), std::string(R"({"string":""})").size() + 64);
}

}  // namespace
}  // namespace ingot::node
