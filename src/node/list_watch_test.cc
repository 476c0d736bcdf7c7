#include "node/list_watch.h"

#include <gtest/gtest.h>

#include <vector>

#include "env/testing.h"

namespace ingot::node {
namespace {
using namespace std::chrono_literals;

// A server that answers when the test says what.
struct FakeTransport final : Transport {
  void call(Call c, std::move_only_function<void(Result<Answer>)> done) override {
    calls.push_back(std::move(c.path));
    pending = std::move(done);
  }
  std::unique_ptr<Watch> stream(std::string path, std::function<void(std::string_view)> on_line,
                                std::function<void(Result<int>)> on_closed) override {
    streams.push_back(std::move(path));
    line = std::move(on_line);
    closed = std::move(on_closed);
    return std::make_unique<Watch>();
  }
  std::vector<std::string> calls, streams;
  std::move_only_function<void(Result<Answer>)> pending;
  std::function<void(std::string_view)> line;
  std::function<void(Result<int>)> closed;
};

struct Seen final : Api::Sink {
  void reset(const api::JsonArray& items) override { log += "reset " + std::to_string(items.size()) + ";"; }
  void event(std::string_view type, api::Json object) override {
    log += std::string(type) + " " + std::string(api::string_at(object, {"metadata", "name"})) + ";";
  }
  std::string log;
};

struct ListWatch : testing::Test {
  void answer_list(const char* revision) {
    auto done = std::move(transport.pending);
    done(Answer{200, std::string(R"({"metadata":{"resourceVersion":")") + revision + R"("},"items":[{}]})"});
  }
  env::TestEnv t;
  FakeTransport transport;
  ListWatchApi api{t.env, transport};
  std::shared_ptr<Seen> seen = std::make_shared<Seen>();
};

TEST_F(ListWatch, ListsThenWatchesFromTheListsRevision) {
  const auto watch = api.watch("/pods?fieldSelector=a", seen);
  answer_list("7");
  ASSERT_EQ(transport.streams.size(), 1u);
  EXPECT_EQ(transport.streams[0],
            "/pods?fieldSelector=a&watch=true&allowWatchBookmarks=true&resourceVersion=7");
  transport.line(R"({"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"8"}}})");
  EXPECT_EQ(seen->log, "reset 1;ADDED x;");
}

TEST_F(ListWatch, ContinuesWhereABrokenWatchStopped) {
  const auto watch = api.watch("/pods", seen);
  answer_list("7");
  transport.line(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}})");
  transport.closed(200);
  t.loop.advance(1s);
  ASSERT_EQ(transport.streams.size(), 2u);
  EXPECT_TRUE(transport.streams[1].ends_with("resourceVersion=12"));
  EXPECT_EQ(seen->log, "reset 1;");
}

TEST_F(ListWatch, ListsAgainWhenTheRevisionIsTooOld) {
  const auto watch = api.watch("/pods", seen);
  answer_list("7");
  transport.line(R"({"type":"ERROR","object":{"code":410}})");
  transport.closed(200);
  t.loop.advance(1s);
  ASSERT_EQ(transport.calls.size(), 2u);
  answer_list("90");
  EXPECT_EQ(seen->log, "reset 1;reset 1;");
}

TEST_F(ListWatch, RetriesAListThatFailed) {
  const auto watch = api.watch("/pods", seen);
  auto done = std::move(transport.pending);
  done(fail(Reason::Timeout, "no answer"));
  EXPECT_EQ(transport.calls.size(), 1u);
  t.loop.advance(1s);
  EXPECT_EQ(transport.calls.size(), 2u);
}

TEST_F(ListWatch, ADestroyedWatchIsSilent) {
  auto watch = api.watch("/pods", seen);
  answer_list("7");
  watch.reset();
  transport.line(R"({"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"8"}}})");
  transport.closed(200);
  t.loop.advance(10s);
  EXPECT_EQ(seen->log, "reset 1;");
  EXPECT_EQ(transport.streams.size(), 1u);
}

}  // namespace
}  // namespace ingot::node
