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

}  // namespace
}  // namespace ingot::node
