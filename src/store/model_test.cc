// Random histories against a model that keeps everything: whatever the order of writes, failures, restarts and
// compaction, reads, lists of earlier revisions and resumed watches agree with it.
#include "store/testing.h"

namespace ingot::store {
namespace {

struct Model {
  struct Event {
    uint64_t revision;
    std::string name;
    std::optional<int64_t> value;  // nullopt = deleted
  };
  std::vector<Event> events;

  std::map<std::string, Event> at(uint64_t revision) const {
    std::map<std::string, Event> state;
    for (const Event& e : events) {
      if (e.revision > revision) break;
      if (e.value)
        state.insert_or_assign(e.name, e);
      else
        state.erase(e.name);
    }
    return state;
  }
  std::string list(uint64_t revision, std::string_view after = "") const {
    std::string text;
    for (const auto& [name, e] : at(revision))
      if (name > after) text += (text.empty() ? "" : " ") + name + "@" + std::to_string(e.revision);
    return text;
  }
  std::vector<std::string> since(uint64_t revision) const {
    std::vector<std::string> seen;
    auto state = at(revision);
    for (const Event& e : events) {
      if (e.revision <= revision) continue;
      seen.push_back((!e.value                 ? "-"
                      : state.contains(e.name) ? "~"
                                               : "+") +
                     e.name + "@" + std::to_string(e.revision));
      if (e.value)
        state.insert_or_assign(e.name, e);
      else
        state.erase(e.name);
    }
    return seen;
  }
};

class History {
 public:
  explicit History(uint64_t seed)
      : random_(seed), f_([&](Options& o) {
          o.history_changes = seed % 3 == 0 ? 0 : seed % 3 * 20;
          o.wal_pages = 20;
          o.turn_inputs = 1 + seed % 7;
          o.staged_writes = 2 + seed % 5;
        }) {}

  void go(int steps) {
    follow_ = f_.watch({"c1", "pods"});
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
    check();
  }

 private:
  uint64_t pick(uint64_t n) { return random_.next() % n; }

  void step() {
    switch (pick(20)) {
      case 0:
        return restart();
      case 1:
        f_.t.faults.arm("store.commit.fail");
        return writes();
      case 2:
      case 3:
        return check();
      default:
        return writes();
    }
  }

  // A burst of inputs, some of which share a turn and a commit.
  void writes() {
    std::vector<std::vector<Model::Event>> done;
    const size_t inputs = 1 + pick(6);
    done.reserve(inputs);
    for (size_t i = 0; i < inputs; ++i) {
      auto& mine = done.emplace_back();
      ASSERT_TRUE(f_.shard->submit([this, &mine, n = 1 + pick(3)](Turn& turn) {
        for (uint64_t k = 0; k < n; ++k) write(turn, mine);
        turn.then(turn.revision(), [&mine, this](const Result<void>& r) {
          if (r) model_.events.insert(model_.events.end(), mine.begin(), mine.end());
        });
      }));
    }
    f_.t.loop.run_until_idle();
    f_.t.faults.arm("store.commit.fail", 0);
  }

  void write(Turn& turn, std::vector<Model::Event>& mine) {
    const std::string name(1, char('a' + pick(12)));
    const Key key = Fixture::key("pods", name);
    const ObjectPtr now = turn.get(key);
    if (now && pick(3) == 0) {
      const auto gone = turn.erase(key, now->revision);
      ASSERT_TRUE(gone);
      mine.push_back({(*gone)->revision.value, name, std::nullopt});
      return;
    }
    const auto value = int64_t(pick(1000));
    const auto stored = turn.put(key, Json{{"spec", value}}, now ? now->revision : Revision());
    ASSERT_TRUE(stored) << stored.error().message;
    mine.push_back({(*stored)->revision.value, name, value});
  }

  void restart() {
    const Revision before = f_.shard->stats().durable;
    f_.reopen();
    EXPECT_EQ(f_.shard->stats().durable, before);
    check_follower();
    follow_ = f_.watch({"c1", "pods"});
    followed_from_ = before.value;
  }

  void check_follower() {
    std::vector<std::string> changes = follow_->seen;
    std::erase_if(changes, [](const std::string& s) { return s[0] == '='; });
    const size_t listed = model_.at(followed_from_).size();
    ASSERT_GE(changes.size(), listed);
    changes.erase(changes.begin(), changes.begin() + ptrdiff_t(listed));
    EXPECT_EQ(changes, model_.since(followed_from_));
  }

  void check() {
    const uint64_t newest = f_.shard->stats().durable.value;
    EXPECT_EQ(f_.list("c1/pods/"), model_.list(newest));
    f_.input([&](Turn& turn) {
      for (const auto& [name, e] : model_.at(newest)) {
        const ObjectPtr object = turn.get(Fixture::key("pods", name));
        ASSERT_NE(object, nullptr);
        EXPECT_EQ(api::int_at(object->parse(), {"spec"}), e.value);
      }
    });
    check_follower();
    const uint64_t past = pick(newest + 1);
    const std::string after(1, char('a' + pick(12)));
    const std::string listed = f_.list("c1/pods/", Revision(past), "c1/pods/default/" + after);
    if (!listed.starts_with("too old")) EXPECT_EQ(listed, model_.list(past, after)) << "at " << past;
    if (past == 0) return;
    auto resumed = std::make_shared<NotingWatcher>();
    if (!f_.shard->watch({"c1", "pods"}, Revision(past), resumed)) return;
    f_.t.loop.run_until_idle();
    std::erase_if(resumed->seen, [](const std::string& s) { return s[0] == '='; });
    EXPECT_EQ(resumed->seen, model_.since(past)) << "from " << past;
  }

  env::SeededEntropy random_;
  Fixture f_;
  Model model_;
  std::shared_ptr<NotingWatcher> follow_;
  uint64_t followed_from_ = 0;
};

TEST(Model, AgreesWithTheShardWhateverHappens) {
  for (uint64_t seed = 1; seed <= 30 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History(seed).go(60);
  }
}

}  // namespace
}  // namespace ingot::store
