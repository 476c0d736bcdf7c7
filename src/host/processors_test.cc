#include "host/processors.h"

#include <gtest/gtest.h>

#include <thread>

namespace ingot::host {
namespace {

cpu_set_t processors() {
  cpu_set_t set;
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  return set;
}

TEST(Processors, TheLoopAndTheIoThreadsHaveNoneInCommon) {
  const cpu_set_t all = processors();
  if (CPU_COUNT(&all) < 2) GTEST_SKIP() << "one processor";
  cpu_set_t loop, io, both;
  std::thread([&] { keep_one_processor(), loop = processors(); }).join();
  std::thread([&] { leave_that_processor(), io = processors(); }).join();
  EXPECT_EQ(CPU_COUNT(&loop), 1);
  EXPECT_EQ(CPU_COUNT(&io), CPU_COUNT(&all) - 1);
  CPU_AND(&both, &loop, &io);
  EXPECT_EQ(CPU_COUNT(&both), 0);
}

TEST(Processors, WhatTheLoopStartsRunsAnywhere) {
  const cpu_set_t all = processors();
  cpu_set_t before, started, after;
  std::thread([&] {
    keep_one_processor();
    before = processors();
    {
      const AnyProcessor any;
      std::thread([&] { started = processors(); }).join();
    }
    after = processors();
  }).join();
  EXPECT_TRUE(CPU_EQUAL(&started, &all));
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace ingot::host
