#include "gpu/telemetry.h"

#include <gtest/gtest.h>

namespace ingot::gpu {
namespace {
using namespace std::chrono_literals;

TEST(Telemetry, ALookAgesAndSaysWhyThereIsNone) {
  Telemetry telemetry;
  const Instant now{1h};
  EXPECT_EQ(telemetry.look("n", now).why, "nobody samples this node");
  telemetry.put("n", {{.uuid = "GPU-a", .utilisation = 7}}, now);
  EXPECT_EQ(telemetry.look("n", now + 30s).samples.at(0).utilisation, 7);
  telemetry.silent("n", "gave no answer in time");
  EXPECT_FALSE(telemetry.look("n", now + 10s).stale) << "what was seen is still fresh";
  const auto old = telemetry.look("n", now + 31s);
  EXPECT_TRUE(old.stale && old.samples.empty());
  EXPECT_EQ(old.why, "gave no answer in time");
  telemetry.put("n", {}, now + 40s);
  EXPECT_FALSE(telemetry.look("n", now + 41s).stale);
  telemetry.put("n", {{.uuid = "GPU-a", .xids = {31, 79}}}, now + 50s);
  telemetry.put("n", {{.uuid = "GPU-a"}}, now + 60s);
  EXPECT_EQ(telemetry.look("n", now + 60s).samples.at(0).last_xid, 79u);
  telemetry.forget("n");
  EXPECT_TRUE(telemetry.look("n", now + 61s).stale);
}

TEST(Telemetry, ASourceIsAskedEveryTime) {
  Telemetry telemetry;
  int asked = 0;
  telemetry.set_source("n", [&] { return std::vector<Sample>{{.uuid = "GPU-a", .utilisation = ++asked}}; });
  EXPECT_EQ(telemetry.look("n", {}).samples.at(0).utilisation, 1);
  EXPECT_EQ(telemetry.look("n", {}).samples.at(0).utilisation, 2);
}

}  // namespace
}  // namespace ingot::gpu
