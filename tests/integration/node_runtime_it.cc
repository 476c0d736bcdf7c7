// Containers on the real machine, through node::Runtime.
#include <gmock/gmock.h>
#include <signal.h>

#include <cstdio>

#include "host/cgroup.h"
#include "node_machine.h"

namespace ingot::host {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(NodeMachine, RunsAContainerToItsEnd) {
  start();
  auto pod = run("hello", "t1", shell("echo to-out; echo to-err >&2; exit 7"));
  auto done = exited(pod);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->exit_code, 7);
  EXPECT_EQ(done->reason, "Error");
  EXPECT_THAT(log(pod), HasSubstr("to-out"));
  EXPECT_THAT(log(pod), HasSubstr("to-err"));
  EXPECT_THAT(changes_, Contains(pod.spec.pod_uid)) << "an exit is told, not found by asking";
  stop(pod);
  EXPECT_FALSE(status(pod.spec.pod_uid));
  EXPECT_TRUE(cgroup_directories(names_.cgroup_parent()).empty()) << "a removed pod leaves no cgroup";
}

TEST_F(NodeMachine, ConfinesAContainer) {
  start();
  auto pod = run(
      "confined", "t1",
      shell("B=/bin/busybox; $B grep -E 'NoNewPrivs|Seccomp:|CapEff|CapBnd' /proc/self/status;"
            "echo pid $$; $B hostname; echo resolv; $B cat /etc/resolv.conf; echo hosts; $B cat /etc/hosts;"
            "[ $($B head -c 1 /proc/kcore 2>/dev/null | $B wc -c) = 1 ] && echo core-read;"
            "echo 1 >/proc/sys/kernel/printk || echo proc-sys-refused;"
            "$B mount -t tmpfs none /tmp || echo mount-refused;"
            "echo ipv6 $($B cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6);"
            "echo inet6 $($B ip -6 addr show dev eth0 | $B grep -c inet6)"));
  auto done = exited(pod);
  ASSERT_TRUE(done);
  // containerd's default set, which is the one Kubernetes promises: no more bits than 0xa80425fb.
  EXPECT_THAT(log(pod),
              AllOf(HasSubstr("NoNewPrivs:\t1"), HasSubstr("Seccomp:\t2"),
                    HasSubstr("CapEff:\t00000000a80425fb"), HasSubstr("CapBnd:\t00000000a80425fb")));
  EXPECT_THAT(log(pod), AllOf(HasSubstr("pid 1\n"), HasSubstr("confined\n"), Not(HasSubstr("core-read")),
                              HasSubstr("proc-sys-refused"), HasSubstr("mount-refused")));
  EXPECT_THAT(log(pod), Not(HasSubstr("nameserver"))) << "the node's resolver is not the pod's";
  EXPECT_THAT(log(pod), HasSubstr("\tconfined\n")) << "its own /etc/hosts";
  EXPECT_THAT(log(pod), Not(HasSubstr("ipv6 0")));
  EXPECT_THAT(log(pod), HasSubstr("inet6 0"));
}

TEST_F(NodeMachine, SaysWhenMemoryRanOut) {
  start();
  auto spec = shell("x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done");
  spec.limits.memory_bytes = 32 << 20;
  auto pod = run("hungry", "t1", spec);
  auto done = exited(pod);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->exit_code, 137);
  EXPECT_EQ(done->reason, "OOMKilled");
}

TEST_F(NodeMachine, ExecutesInsideAndEndsWhatTakesTooLong) {
  start();
  auto pod = run("sleeper", "t1", shell("/bin/busybox sleep 600"));
  EXPECT_EQ(sh(pod.container, "exit 0"), 0);
  EXPECT_EQ(sh(pod.container, "exit 3"), 3);
  auto late = wait<int>([&](auto done) {
    runtime_->exec(pod.container, {"/bin/busybox", "sleep", "600"}, 1s, std::move(done));
  });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, Reason::Timeout);
}

TEST_F(NodeMachine, ProbesAServerInAPod) {
  start();
  auto pod = run("server", "t1",
                 shell("/bin/busybox mkdir /www; echo fine >/www/index.html;"
                       "/bin/busybox httpd -f -p 8080 -h /www"));
  auto now = status(pod.spec.pod_uid);
  ASSERT_TRUE(now);
  auto ask = [&](const char* scheme, const char* path, int port) {
    return wait<int>([&](auto done) {
      runtime_->probe({.ip = now->ip, .scheme = scheme, .path = path, .port = port, .timeout = 5s},
                      std::move(done));
    });
  };
  Result<int> answer = ask("tcp", "", 8080);
  const auto late = std::chrono::steady_clock::now() + 60s;  // until httpd listens
  while (!answer && std::chrono::steady_clock::now() < late) answer = ask("tcp", "", 8080);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(ask("http", "/index.html", 8080), 200);
  EXPECT_EQ(ask("http", "/absent", 8080), 404);
  EXPECT_FALSE(ask("http", "/", 8081));
}

TEST_F(NodeMachine, RunningWhatRunsReturnsIt) {
  start();
  auto container = shell("/bin/busybox sleep 600");
  auto pod = run("again", "t1", container);
  EXPECT_EQ(wait<std::string>([&](auto done) { runtime_->run_sandbox(pod.spec, std::move(done)); }),
            pod.sandbox);
  EXPECT_EQ(wait<std::string>([&](auto done) {
              runtime_->create_container(pod.sandbox, pod.spec, container, std::move(done));
            }),
            pod.container);
  EXPECT_TRUE(wait<void>([&](auto done) { runtime_->start_container(pod.container, std::move(done)); }));
  stop(pod);
  EXPECT_TRUE(wait<void>([&](auto done) { runtime_->stop_container(pod.container, 1s, std::move(done)); }));
  EXPECT_TRUE(wait<void>([&](auto done) { runtime_->remove_container(pod.container, std::move(done)); }));
  stop(pod);  // what is gone is stopped and removed
}

TEST_F(NodeMachine, AdoptsContainerdAndItsPodsAfterACrashOfOurs) {
  start();
  auto pod = run("survivor", "t1", shell("/bin/busybox sleep 600"));
  const int pid = containerd_->pid();
  const Ipv4Range range = network_->range();
  forget();
  start();
  EXPECT_TRUE(containerd_->adopted());
  EXPECT_EQ(containerd_->pid(), pid);
  EXPECT_EQ(network_->range(), range);
  auto now = status(pod.spec.pod_uid);
  ASSERT_TRUE(now);
  EXPECT_TRUE(now->ready);
  ASSERT_EQ(now->containers.size(), 1u);
  EXPECT_EQ(now->containers[0].state, node::ContainerState::Running);
  EXPECT_EQ(sh(pod.container, "exit 0"), 0);
}

TEST_F(NodeMachine, AKilledContainerdLosesNothing) {
  start();
  auto lasting = run("lasting", "t1", shell("/bin/busybox sleep 600"));
  auto ending =
      run("ending", "t1", shell("while [ ! -e /tmp/go ]; do /bin/busybox sleep 0.05; done; exit 5"));
  const int pid = containerd_->pid();
  changes_.clear();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  ASSERT_TRUE(loop_.run_until([&] { return !changes_.empty(); }, 30s));
  EXPECT_THAT(changes_, Contains("")) << "the agent is told to look at everything";
  EXPECT_NE(containerd_->pid(), pid);
  auto now = status(lasting.spec.pod_uid);
  ASSERT_TRUE(now);
  ASSERT_EQ(now->containers.size(), 1u);
  EXPECT_EQ(now->containers[0].state, node::ContainerState::Running);
  EXPECT_EQ(sh(ending.container, ": >/tmp/go"), 0);
  auto done = exited(ending);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->exit_code, 5);
}

TEST_F(NodeMachine, MountsVolumesAndSwapsThemWhole) {
  start();
  auto files = make_pod_files(paths_, "node-0");
  ASSERT_TRUE(files);
  auto spec = shell("while true; do /bin/busybox sleep 1; done");
  node::SandboxSpec seed = pod("volumes", "t1");
  auto config =
      (*files)->write_volume(seed.pod_uid, "config", {{"a", {"one", 0644}}, {"dir/b", {"two", 0400}}}, false);
  auto secret = (*files)->write_volume(seed.pod_uid, "secret", {{"key", {"hidden", 0400}}}, true);
  auto scratch = (*files)->empty_volume(seed.pod_uid, "scratch", true, 1 << 20);
  ASSERT_TRUE(config && secret && scratch);
  spec.mounts = {{*config, "/config", true}, {*secret, "/secret", true}, {*scratch, "/scratch", false}};
  auto sandbox = wait<std::string>([&](auto done) { runtime_->run_sandbox(seed, std::move(done)); });
  ASSERT_TRUE(sandbox);
  auto id = wait<std::string>(
      [&](auto done) { runtime_->create_container(*sandbox, seed, spec, std::move(done)); });
  ASSERT_TRUE(id) << id.error().message;
  ASSERT_TRUE(wait<void>([&](auto done) { runtime_->start_container(*id, std::move(done)); }));
  EXPECT_EQ(sh(*id, "[ $(/bin/busybox cat /config/a) = one ] && [ $(/bin/busybox cat /config/dir/b) = two ]"),
            0);
  EXPECT_EQ(sh(*id,
               "[ $(/bin/busybox cat /secret/key) = hidden ] && /bin/busybox df -T /secret | /bin/busybox "
               "grep -q tmpfs"),
            0);
  EXPECT_NE(sh(*id, ": >/config/a"), 0) << "read-only";
  EXPECT_NE(sh(*id, "/bin/busybox dd if=/dev/zero of=/scratch/full bs=1M count=4"), 0)
      << "the size limit holds";
  ASSERT_TRUE((*files)->write_volume(seed.pod_uid, "config", {{"a", {"three", 0644}}}, false));
  EXPECT_EQ(sh(*id, "[ $(/bin/busybox cat /config/a) = three ] && [ ! -e /config/dir ]"), 0);
  stop({.spec = seed, .sandbox = *sandbox});
  (*files)->remove_pod(seed.pod_uid);
  EXPECT_FALSE(std::filesystem::exists(paths_.pods("node-0") + "/" + seed.pod_uid));
}

// Not a bar, a figure: what our path adds to containerd's own calls.
TEST_F(NodeMachine, StartsAPodNearlyAsFastAsContainerdDoes) {
  start();
  auto spec = shell("/bin/busybox sleep 600");
  auto first = run("warm", "t1", spec);
  std::vector<Duration> took;
  for (int i = 0; i < 5; ++i) {
    const Instant from = clock_.now();
    auto pod = run("timed", "t1", spec);
    took.push_back(clock_.now() - from);
    stop(pod);
  }
  std::sort(took.begin(), took.end());
  std::printf("pod start (sandbox, create, start), median: %ld ms\n", long(took[took.size() / 2] / 1ms));
}

}  // namespace
}  // namespace ingot::host
