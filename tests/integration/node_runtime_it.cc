// Containers on the real machine, through node::Runtime.
#include <gmock/gmock.h>

#include "host/cgroup.h"
#include "node_machine.h"

namespace ingot::host {
namespace {

using ::testing::HasSubstr;

TEST_F(NodeMachine, RunsAContainerToItsEnd) {
  start();
  auto pod = run("hello", "t1", shell("echo to-out; echo to-err >&2; exit 7"));
  auto done = exited(pod);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->exit_code, 7);
  EXPECT_EQ(done->reason, "Error");
  EXPECT_THAT(log(pod), HasSubstr("to-out"));
  EXPECT_THAT(log(pod), HasSubstr("to-err"));
  stop(pod);
  EXPECT_FALSE(status(pod.spec.pod_uid));
  EXPECT_TRUE(cgroup_directories(names_.cgroup_parent()).empty()) << "a removed pod leaves no cgroup";
}

}  // namespace
}  // namespace ingot::host
