#include "gpu/description.h"

#include <gtest/gtest.h>

namespace ingot::gpu {
namespace {

TEST(Description, ShorthandMakesNodesBehindASwitch) {
  const auto made = describe_shorthand("2x8xH100-80GB", "abcd");
  ASSERT_TRUE(made);
  ASSERT_EQ(made->nodes.size(), 2u);
  EXPECT_EQ(made->nodes[1].name, "node-1");
  ASSERT_EQ(made->nodes[1].boards.size(), 8u);
  EXPECT_EQ(made->nodes[1].boards[0].links.size(), 7u);
  EXPECT_NE(made->nodes[0].boards[0].uuid, made->nodes[1].boards[0].uuid);
  EXPECT_EQ(describe_shorthand("2x8xH100-80GB", "abcd")->nodes[0].boards[3].uuid,
            made->nodes[0].boards[3].uuid);
  EXPECT_NE(describe_shorthand("2x8xH100-80GB", "other")->nodes[0].boards[3].uuid,
            made->nodes[0].boards[3].uuid);
}

TEST(Description, ShorthandScalesToTheBound) {
  const auto made = describe_shorthand("1024x8xA100-40GB", "s");
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(made->nodes[1023].name, "node-1023");
}

TEST(Description, ShorthandSaysWhatIsWrong) {
  EXPECT_EQ(describe_shorthand("8xH100-80GB", "").error(),
            "'8xH100-80GB' is not NODESxGPUSxMODEL, for example 2x8xH100-80GB");
  EXPECT_TRUE(
      describe_shorthand("1x1xH900", "").error().starts_with("unknown model 'H900'; known: A30, A100-40GB"));
  EXPECT_FALSE(describe_shorthand("1x99xA30", ""));
  EXPECT_FALSE(describe_shorthand("0x1xA30", ""));
}

TEST(Description, TextRoundTrips) {
  const auto made = parse_description(
      "# two boards\nnode gpu-a cpu=8 memory_mib=4096\nboard H200-141GB mig=on\nboard H200-141GB "
      "numa=1\nlink 0 1\n"
      "fault 1 xid=79\nfault 1 hang\nuse 0 37\nuse 1 idle\nheld 0\n",
      "s");
  ASSERT_TRUE(made) << made.error();
  const auto again = parse_description(to_text(*made, made->nodes[0]), "s");
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->nodes[0].boards[1].uuid, made->nodes[0].boards[1].uuid);
  EXPECT_EQ(again->nodes[0].boards[1].xid, 79u);
  EXPECT_EQ(again->nodes[0].boards[1].links, std::vector<int>{0});
  EXPECT_TRUE(again->nodes[0].boards[0].mig_enabled);
  EXPECT_TRUE(again->nodes[0].boards[0].held && !again->nodes[0].boards[1].held);
  EXPECT_EQ(again->nodes[0].boards[0].use, 37);
  EXPECT_EQ(again->nodes[0].boards[1].use, 0);
  EXPECT_TRUE(again->nodes[0].boards[1].hangs);
}

TEST(Description, InstancesAndMemoryRoundTripAndAreChecked) {
  const std::string text =
      "node n\nboard H100-80GB uuid=GPU-a mig=on\nboard H100-80GB uuid=GPU-b\n"
      "instance 0 3g.40gb start=4 id=2 uuid=MIG-x\ninstance 0 1g.10gb start=0 id=7\n"
      "memory 0 start_mib=10 mib=5 byte=255\nfault 1 hang\nfault 1 clear\n";
  const auto made = parse_description(text, "");
  ASSERT_TRUE(made) << made.error();
  const std::string once = to_text(*made, made->nodes[0]);
  EXPECT_EQ(to_text(*parse_description(once, ""), made->nodes[0]), once);
  EXPECT_NE(once.find("instance 0 3g.40gb start=4 id=2 uuid=MIG-x\n"), std::string::npos) << once;
  EXPECT_NE(once.find("memory 0 start_mib=10 mib=5 byte=255\n"), std::string::npos) << once;
  const auto wrong = [](const char* more) {
    return parse_description(std::string("board H100-80GB mig=on\nboard L4\n") + more, "").error();
  };
  EXPECT_EQ(wrong("instance 0 3g.40gb start=1 id=1"), "line 3: 3g.40gb may not start at 1; it may at 0, 4");
  EXPECT_EQ(wrong("instance 1 1g.10gb start=0 id=1"), "line 3: board 1 has instances but not mig=on");
  EXPECT_EQ(wrong("memory 1 start_mib=0 mib=99999 byte=1"),
            "line 3: memory lies on the board and its byte is 1 to 255");
  EXPECT_EQ(wrong("memory 1 start_mib=0 mib=2 byte=1\nmemory 1 start_mib=1 mib=2 byte=1"),
            "line 4: two pieces of memory overlap");
}

TEST(Description, APodIsGivenOnlyItsInstancesAndNobodysMemory) {
  const auto made = parse_description(
      "board H100-80GB uuid=GPU-a mig=on\nboard H100-80GB uuid=GPU-b\n"
      "instance 0 1g.10gb start=0 id=1 uuid=MIG-x\ninstance 0 1g.10gb start=1 id=2 uuid=MIG-y\n"
      "memory 0 start_mib=0 mib=5 byte=9\n",
      "");
  const std::string text = to_text(*made, made->nodes[0], {"MIG-y"});
  const auto pod = parse_description(text, "");
  ASSERT_TRUE(pod) << pod.error();
  ASSERT_EQ(pod->nodes[0].boards.size(), 1u);
  ASSERT_EQ(pod->nodes[0].boards[0].instances.size(), 1u);
  EXPECT_EQ(pod->nodes[0].boards[0].instances[0].uuid, "MIG-y");
  EXPECT_TRUE(pod->nodes[0].boards[0].memory.empty());
}

TEST(Description, APodIsGivenOnlyItsBoards) {
  const auto made = describe_shorthand("1x4xH100-80GB", "s");
  const auto& boards = made->nodes[0].boards;
  const auto pod = parse_description(to_text(*made, made->nodes[0], {boards[2].uuid}), "s");
  ASSERT_TRUE(pod);
  ASSERT_EQ(pod->nodes[0].boards.size(), 1u);
  EXPECT_EQ(pod->nodes[0].boards[0].uuid, boards[2].uuid);
  EXPECT_EQ(pod->nodes[0].boards[0].minor, 2);
  EXPECT_TRUE(pod->nodes[0].boards[0].held);
}

TEST(Description, NamesTheLineAtFault) {
  const std::pair<const char*, const char*> kCases[] = {
      {"board\n", "line 1: board needs a model"},
      {"\nnode A\n", "line 2: a node's name"},
      {"node a\nnode a\n", "line 2: node a is described twice"},
      {"board A30\nlink 0 7\n", "line 2: link takes two indices"},
      {"board A30\nfault 0 melted\n", "line 2: a fault is lost"},
      {"board A30\nuse 0 101\n", "line 2: a use is idle or a percentage"},
      {"board A30\nuse 1 idle\n", "line 2: use takes the index"},
      {"board L4 mig=on\n", "line 1: L4 cannot be cut"},
      {"board A30 uuid=GPU-1\nboard A30 uuid=GPU-1\n", "line 2: uuid GPU-1 is used twice"},
      {"bord A30\n", "line 1: unknown statement 'bord'"},
  };
  for (const auto& [text, start] : kCases) {
    const auto made = parse_description(text, "s");
    ASSERT_FALSE(made) << text;
    EXPECT_TRUE(made.error().starts_with(start)) << made.error();
  }
}

TEST(Models, AProductNameFindsItsModel) {
  EXPECT_EQ(model_of_product("NVIDIA H200", 143771)->name, "H200-141GB");
  EXPECT_EQ(model_of_product("NVIDIA A100 80GB PCIe", 81920)->name, "A100-80GB");
  EXPECT_EQ(model_of_product("NVIDIA A100-PCIE-40GB", 40960)->name, "A100-40GB");
  EXPECT_EQ(model_of_product("Matrox G200", 8), nullptr);
}

}  // namespace
}  // namespace ingot::gpu
