#include "host/short_slices.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <thread>

namespace ingot::host {
namespace {

int nice_value() { return ::getpriority(PRIO_PROCESS, id_t(::gettid())); }

TEST(GoFirst, RaisesTheThreadAloneAndNotWhatItStarts) {
  const int before = nice_value();
  bool allowed = false;
  std::thread([&] { allowed = ::setpriority(PRIO_PROCESS, id_t(::gettid()), before - 10) == 0; }).join();
  int first = 0, started = 0;
  std::thread([&] {
    go_first();
    first = nice_value();
    std::thread([&] { started = nice_value(); }).join();
  }).join();
  EXPECT_EQ(first, allowed ? before - 10 : before);
  EXPECT_EQ(started, before);
  EXPECT_EQ(nice_value(), before);
}

}  // namespace
}  // namespace ingot::host
