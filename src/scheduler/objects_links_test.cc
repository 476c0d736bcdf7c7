#include "scheduler/objects_links.h"

#include <gmock/gmock.h>

namespace ingot::scheduler {
namespace {

api::Json slice(const std::string& devices) {
  return *api::parse_json(R"({"spec":{"devices":[)" + devices + "]}}");
}
std::string device(int index, const std::string& attributes) {
  return R"({"name":"gpu-)" + std::to_string(index) + R"(","attributes":{"uuid":{"string":"GPU-)" +
         std::to_string(index) + R"("},"index":{"int":)" + std::to_string(index) + "}" + attributes + "}}";
}

TEST(LinksFromSlice, AnIslandJoinsAllOfItUnlessPeersAreListed) {
  const gpu::Links links =
      links_from(slice(device(0, R"(,"nvlinkIsland":{"int":0},"numaNode":{"int":1})") + "," +
                       device(1, R"(,"nvlinkIsland":{"int":0})") + "," + device(2, "") + "," +
                       device(3, R"(,"nvlinkPeers":{"string":"2,9,x,3"})")));
  EXPECT_EQ(links.boards, 4);
  EXPECT_EQ(links.peers[0], 0b0010);
  EXPECT_EQ(links.peers[1], 0b0001);
  EXPECT_EQ(links.peers[2], 0b0000);
  EXPECT_EQ(links.peers[3], 0b0100);
  EXPECT_EQ(links.numa[0], 1);
  EXPECT_EQ(links.numa[1], -1);
}

TEST(LinksFromSlice, SlicesOfBoardsAndNamelessDevicesAreNoBoards) {
  const gpu::Links links =
      links_from(slice(R"({"name":"x"},)" + device(0, R"(,"type":{"string":"mig"})") + "," +
                       device(4, R"(,"nvlinkPeers":{"string":"5"})") + "," + device(5, "")));
  EXPECT_EQ(links.boards, 2);
  EXPECT_EQ(links.peers[0], 0b10);
  EXPECT_EQ(links_from(api::Json()).boards, 0);
}

}  // namespace
}  // namespace ingot::scheduler
