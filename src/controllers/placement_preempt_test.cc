// Who gives way, and for whom the room is kept until it is there.
#include "api/table_cells.h"
#include "controllers/placement_testing.h"

namespace ingot::controllers {
namespace {

class PreemptTest : public PlacementTest {
 protected:
  void urgent(std::string name, int gpus, int64_t priority) {
    Json object = pod_object(name, gpus);
    api::set(object, {"spec", "priority"}, priority);
    put(pod_key(name), std::move(object));
  }
  bool told_to_go(std::string_view name, std::string cluster = "c1") {
    return api::find(get(pod_key(name, cluster)), {"metadata", "deletionTimestamp"}) != nullptr;
  }
  // As its node does: the container has stopped.
  void ends(std::string_view name, std::string cluster = "c1") {
    const Key key = root("allocations.factory.ingot.dev", cluster + "-uid-" + std::string(name));
    Json released = get(key);
    api::set(released, {"status", "phase"}, "Released");
    put(key, released);
    erase(pod_key(name, cluster));
  }
  std::string nominated(std::string_view name) {
    return std::string(api::string_at(get(pod_key(name)), {"status", "nominatedNodeName"}));
  }
  std::vector<Json> reservations() {
    std::vector<Json> out;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      turn.range(api::type_prefix(kRootCluster, "reservations.factory.ingot.dev"), "",
                 [&](const api::ObjectPtr& o) {
                   out.push_back(o->parse());
                   return true;
                 });
    }));
    return out;
  }
};

TEST_P(PreemptTest, RoomThatWasMadeIsKeptForWhomItWasMade) {
  tenant("vision", "c1");
  tenant("speech", "c2");
  node("n1", 4);
  settle();
  pod("low", 2);
  settle();
  urgent("high", 4, 10);
  settle();
  ASSERT_TRUE(told_to_go("low"));
  ASSERT_EQ(reservations().size(), 1u);
  EXPECT_EQ(api::to_text(*api::find(reservations()[0], {"spec", "nodes"})), R"([{"name":"n1","pods":1}])");
  EXPECT_EQ(api::string_at(reservations()[0], {"spec", "pod"}), "high");
  EXPECT_TRUE(api::bool_at(reservations()[0], {"spec", "evicting"}));
  pod("other", 1, {}, "c2");  // there are two GPUs free
  settle();
  EXPECT_EQ(node_of("other", "c2"), "");
  ends("low");
  settle();
  EXPECT_EQ(node_of("high"), "n1");
  EXPECT_TRUE(reservations().empty());
}

TEST_P(PreemptTest, AReservationOfSomebodyWhoIsGoneGoes) {
  tenant("vision", "c1");
  node("n1", 2);
  settle();
  pod("low", 2);
  settle();
  urgent("high", 2, 10);
  settle();
  ASSERT_EQ(reservations().size(), 1u);
  erase(pod_key("high"));
  settle();
  EXPECT_TRUE(reservations().empty());
}

TEST_P(PreemptTest, WhoGetsTheRoomSaysWhereItIs) {
  tenant("vision", "c1");
  node("n1", 2);
  node("n2", 2);
  settle();
  pod("low", 2);
  pod("low2", 2);
  settle();
  urgent("high", 2, 10);
  urgent("late", 2, 5);
  settle();
  const std::string first = nominated("high"), second = nominated("late");
  EXPECT_EQ(std::set({first, second}), (std::set<std::string>{"n1", "n2"}));
  Json cells = get(pod_key("high"));
  EXPECT_EQ(api::computed_cell("pod-nominated", cells, {}), Json(first)) << "as kubectl shows it";
  ends(node_of("low") == first ? "low" : "low2");
  settle();
  EXPECT_EQ(node_of("high"), first);
  EXPECT_EQ(nominated("high"), "");
  EXPECT_EQ(nominated("late"), second);
  // Nobody keeps it for him any more: what he asks for now is never there.
  Json late = pod_object("late", 3);
  api::set(late, {"status", "nominatedNodeName"}, second);
  put(pod_key("late"), late);
  settle();
  EXPECT_EQ(nominated("late"), "");
}

INSTANTIATE_TEST_SUITE_P(Runs, PreemptTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

}  // namespace
}  // namespace ingot::controllers
