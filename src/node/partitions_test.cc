#include "node/partitions.h"

#include <gmock/gmock.h>

#include <map>

#include "node/registration.h"

namespace ingot::node {
namespace {
using api::Json;
using api::string_at;

NodeConfig node_of(int boards, bool mig, std::string model = "H100-80GB") {
  NodeConfig config{.name = "n"};
  for (int i = 0; i < boards; ++i)
    config.gpus.boards.push_back(
        {.uuid = "GPU-" + std::to_string(i), .index = i, .model = model, .mig_enabled = mig});
  return config;
}

TEST(Partitions, AreOfBoardsInMigModeOnly) {
  EXPECT_TRUE(partition_slices(node_of(2, false), 1).empty());
  EXPECT_TRUE(partition_slices(node_of(2, true, "L4"), 1).empty());
  EXPECT_TRUE(partition_slice_names(node_of(2, true, "L4")).empty());
  EXPECT_TRUE(board_counters(node_of(1, false).gpus.boards[0]).empty());
}

TEST(Partitions, OneBoard) {
  const auto slices = partition_slices(node_of(1, true), 7);
  ASSERT_EQ(slices.size(), 2u);
  const Json counters(slices[0]), devices(slices[1]);
  EXPECT_EQ(string_at(counters, {"metadata", "name"}), "n-gpu.nvidia.com-0");
  EXPECT_EQ(api::int_at(devices, {"spec", "pool", "resourceSliceCount"}), 3) << "with the boards' own";
  EXPECT_EQ(api::int_at(devices, {"spec", "pool", "generation"}), 7);
  const Json& set = api::array_at(counters, {"spec", "sharedCounters"})[0];
  EXPECT_EQ(string_at(set, {"name"}), "gpu-0-counter-set");
  EXPECT_EQ(api::object_at(set, {"counters"}).size(), 9u) << "eight memory slices, the compute slices";
  const api::JsonArray& all = api::array_at(devices, {"spec", "devices"});
  EXPECT_EQ(all.size(), 25u);
  const auto at = std::ranges::find_if(
      all, [](const Json& d) { return string_at(d, {"name"}) == "gpu-0-mig-2g20gb-14-4"; });
  ASSERT_NE(at, all.end());
  EXPECT_EQ(string_at(*at, {"attributes", "parentUUID", "string"}), "GPU-0");
  EXPECT_FALSE(api::find(*at, {"attributes", "uuid"})) << "the scheduler takes it for no board";
  EXPECT_EQ(api::to_text(api::array_at(*at, {"consumesCounters"})[0]),
            R"({"counterSet":"gpu-0-counter-set","counters":{"compute-slices":{"value":"2"},)"
            R"("memory-slice-4":{"value":"1"},"memory-slice-5":{"value":"1"}}})");
}

// What the API allows of a slice, and that every counter that is taken is there.
TEST(Partitions, EightBoardsStayWithinWhatASliceMayHold) {
  const NodeConfig node = node_of(16, true);
  const auto slices = partition_slices(node, 1);
  EXPECT_EQ(slices.size(), 2u + 7u);
  EXPECT_EQ(partition_slice_names(node).size(), slices.size());
  std::map<std::string, int64_t> there;
  size_t devices = 0;
  for (const Json slice : slices) {
    const api::JsonArray& sets = api::array_at(slice, {"spec", "sharedCounters"});
    const api::JsonArray& items = api::array_at(slice, {"spec", "devices"});
    EXPECT_NE(sets.empty(), items.empty()) << "one or the other";
    EXPECT_LE(sets.size(), 8u);
    EXPECT_LE(items.size(), 64u);
    devices += items.size();
    for (const Json& set : sets)
      for (const auto& [counter, value] : api::object_at(set, {"counters"}))
        there[std::string(string_at(set, {"name"})) + "/" + std::string(counter)] = 1;
    for (const Json& device : items)
      for (const auto& [counter, value] :
           api::object_at(api::array_at(device, {"consumesCounters"})[0], {"counters"}))
        EXPECT_TRUE(there.contains(
            std::string(string_at(api::array_at(device, {"consumesCounters"})[0], {"counterSet"})) + "/" +
            std::string(counter)));
  }
  EXPECT_EQ(devices, 16u * 25);
  const Json own = slice_object(node, 1);
  EXPECT_EQ(api::int_at(own, {"spec", "pool", "resourceSliceCount"}), int64_t(1 + slices.size()));
  EXPECT_EQ(api::array_at(api::array_at(own, {"spec", "devices"})[3], {"consumesCounters"}).size(), 1u);
}

}  // namespace
}  // namespace ingot::node
