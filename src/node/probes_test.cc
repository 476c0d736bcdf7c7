#include "node/probes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/testing.h"

namespace ingot::node {
namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;

struct ProbeTest : testing::Test, ContainerProbes::Listener {
  void probes_changed() override { ++changes; }
  void probe_failed(ProbeKind, const std::string& m) override { messages.push_back(m); }
  void kill(ProbeKind kind, std::optional<int64_t> grace) override {
    kills.push_back(kind);
    kill_grace = grace;
  }
  void start(std::string_view probes) {
    spec =
        parsed(fmt::format(R"({{"name":"c","ports":[{{"name":"web","containerPort":8080}}],{}}})", probes));
    def = {.name = "c", .spec = &spec};
    subject = std::make_unique<ContainerProbes>(t.env, runtime, *this, def, "id", "10.64.0.7");
    t.loop.run_until_idle();
  }

  env::TestEnv t;
  FakeRuntime runtime{t.env};
  api::Json spec;
  ContainerDef def;
  int changes = 0;
  std::vector<std::string> messages;
  std::vector<ProbeKind> kills;
  std::optional<int64_t> kill_grace;
  std::unique_ptr<ContainerProbes> subject;
};

TEST_F(ProbeTest, WithoutProbesAContainerIsReadyAtOnce) {
  start(R"("image":"x")");
  EXPECT_TRUE(subject->started());
  EXPECT_TRUE(subject->ready());
  EXPECT_EQ(t.loop.timers(), 0u);
}

TEST_F(ProbeTest, ReadinessNeedsItsThresholdsBothWays) {
  start(
      R"("readinessProbe":{"httpGet":{"path":"/ok","port":"web"},"periodSeconds":5,"successThreshold":2,"failureThreshold":3})");
  EXPECT_FALSE(subject->ready());
  t.loop.advance(5s);
  EXPECT_TRUE(subject->ready());
  EXPECT_EQ(runtime.log.front(), "probe 10.64.0.7:8080/ok");
  runtime.probe_code = 503;
  t.loop.advance(10s);
  EXPECT_TRUE(subject->ready());
  t.loop.advance(5s);
  EXPECT_FALSE(subject->ready());
  EXPECT_EQ(messages.front(), "Readiness probe failed: HTTP probe failed with statuscode: 503");
  EXPECT_TRUE(kills.empty());
}

TEST_F(ProbeTest, LivenessKillsOnceAfterItsThreshold) {
  runtime.exec_code = 1;
  start(
      R"("livenessProbe":{"exec":{"command":["check"]},"initialDelaySeconds":7,"periodSeconds":10,"terminationGracePeriodSeconds":3})");
  t.loop.advance(6s);
  EXPECT_TRUE(runtime.log.empty());
  t.loop.advance(20s);
  EXPECT_TRUE(kills.empty());
  t.loop.advance(60s);
  EXPECT_THAT(kills, ElementsAre(ProbeKind::Liveness));
  EXPECT_EQ(kill_grace, 3);
  EXPECT_TRUE(subject->ready()) << "liveness says nothing about readiness";
}

TEST_F(ProbeTest, NothingIsAskedBeforeTheStartupProbePassed) {
  runtime.exec_code = 1;
  start(R"("startupProbe":{"exec":{"command":["up"]},"periodSeconds":1,"failureThreshold":30},
           "livenessProbe":{"exec":{"command":["live"]}}, "readinessProbe":{"tcpSocket":{"port":80}})");
  t.loop.advance(5s);
  EXPECT_FALSE(subject->started());
  EXPECT_FALSE(subject->ready());
  EXPECT_THAT(runtime.log, testing::Each("exec up"));
  runtime.exec_code = 0;
  t.loop.advance(2s);
  EXPECT_TRUE(subject->started());
  EXPECT_TRUE(subject->ready());
}

TEST_F(ProbeTest, AStartupProbeThatNeverPassesKills) {
  runtime.exec_code = 1;
  start(R"("startupProbe":{"exec":{"command":["up"]},"periodSeconds":1,"failureThreshold":4})");
  t.loop.advance(10s);
  EXPECT_THAT(kills, ElementsAre(ProbeKind::Startup));
}

TEST_F(ProbeTest, AProbeGoesToThePodWhateverHostItNames) {
  start(R"("readinessProbe":{"httpGet":{"host":"169.254.169.254","port":80}})");
  EXPECT_EQ(runtime.log.front(), "probe 10.64.0.7:80/");
}

TEST_F(ProbeTest, EndWithTheContainer) {
  start(R"("livenessProbe":{"exec":{"command":["live"]},"periodSeconds":1})");
  subject.reset();
  const size_t asked = runtime.log.size();
  t.loop.advance(10s);
  EXPECT_EQ(runtime.log.size(), asked);
}

}  // namespace
}  // namespace ingot::node
