#include "host/crew.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>

namespace ingot::host {
namespace {

size_t threads_called(const std::string& name) {
  size_t found = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string line;
    std::getline(file, line);
    found += line == name;
  }
  return found;
}

TEST(Crew, StartsAThreadWhenThereIsWorkForItAndNoMoreThanItMay) {
  Crew crew(3, "crew-test");
  EXPECT_EQ(threads_called("crew-test"), 0u);
  std::latch together(3), over(10);
  for (int i = 0; i < 3; ++i)
    crew.post([&] {
      together.arrive_and_wait();  // three at once
      over.count_down();
    });
  for (int i = 0; i < 7; ++i) crew.post([&] { over.count_down(); });
  over.wait();
  EXPECT_EQ(threads_called("crew-test"), 3u);
}

TEST(Crew, WhatWasPostedIsDoneBeforeItStops) {
  std::atomic<int> done = 0;
  Crew crew(2, "crew-stop");
  for (int i = 0; i < 100; ++i) crew.post([&] { ++done; });
  crew.stop();
  EXPECT_EQ(done, 100);
  crew.post([&] { ++done; });
  crew.stop();
  EXPECT_EQ(done, 100);
}

}  // namespace
}  // namespace ingot::host
