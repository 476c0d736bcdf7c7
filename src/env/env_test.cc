#include <gtest/gtest.h>

#include "env/testing.h"

namespace ingot::env {
namespace {
using namespace std::chrono_literals;

TEST(TestLoop, RunsPostedTasksInOrderAndNeverInline) {
  TestEnv t;
  std::string order;
  t.loop.post([&] {
    order += 'a';
    t.loop.post([&] { order += 'c'; });
    order += 'b';
  });
  EXPECT_EQ(order, "");
  t.loop.run_until_idle();
  EXPECT_EQ(order, "abc");
}

TEST(TestLoop, FiresTimersByTimeAndStopsAtEachOnTheWay) {
  TestEnv t;
  std::string order;
  const Instant start = t.clock.now();
  t.loop.at(start + 2s, [&] { order += 'b'; });
  t.loop.at(start + 1s, [&] {
    order += 'a';
    EXPECT_EQ(t.clock.now(), start + 1s);
    t.loop.at(t.clock.now() + 2s, [&] { order += 'c'; });
  });
  t.loop.cancel(t.loop.at(start + 1s, [&] { order += 'x'; }));
  t.loop.advance(2s);
  EXPECT_EQ(order, "ab");
  t.loop.advance(1s);
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(t.clock.now(), start + 3s);
}

TEST(Workers, FinishOnTheLoop) {
  TestEnv t;
  QueuedWorker queued(t.loop);
  std::string order;
  t.worker.run([&] { order += '1'; }, [&] { order += '2'; });
  queued.run([&] { order += '3'; }, [&] { order += '4'; });
  EXPECT_EQ(order, "1");
  t.loop.run_until_idle();
  EXPECT_EQ(order, "12");
  EXPECT_TRUE(queued.step());
  EXPECT_FALSE(queued.step());
  t.loop.run_until_idle();
  EXPECT_EQ(order, "1234");
}

TEST(ArmedFaults, FireAsOftenAsArmed) {
  ArmedFaults faults;
  faults.arm("store.commit.fail", 2);
  EXPECT_FALSE(faults.fires("store.put.ignore_expect"));
  EXPECT_TRUE(faults.fires("store.commit.fail"));
  EXPECT_TRUE(faults.fires("store.commit.fail"));
  EXPECT_FALSE(faults.fires("store.commit.fail"));
}

}  // namespace
}  // namespace ingot::env
