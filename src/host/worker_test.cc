// Children that do what they should not. This test program is its own worker, as in gpu_control_test.cc.
#include "host/worker.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

namespace ingot::host {
namespace {

// Before the others of the program, which know no such workers.
__attribute__((constructor(101))) void be_odd(int count, char** words, char**) {
  if (count < 3 || words[1] != std::string_view("worker") || words[2] != std::string_view("stays")) return;
  ::dprintf(1, "%d", ::getpid());
  for (int fd = 0; fd < 3; ++fd) ::close(fd);
  while (true) ::pause();
}

TEST(Worker, OneThatClosesItsEndsAndStaysIsEnded) {
  const auto answer = run_worker({.arguments = {"stays"}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(::kill(std::stoi(*answer), 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

}  // namespace
}  // namespace ingot::host
