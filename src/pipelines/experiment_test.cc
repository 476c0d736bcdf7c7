#include "pipelines/experiment.h"

#include <gtest/gtest.h>

namespace ingot::pipelines {
namespace {

TEST(Experiment, IsNamedAfterWhatARunComesFrom) {
  EXPECT_EQ(experiment_of("train-bx2q9", {}), "train");
  EXPECT_EQ(experiment_of("train-model-bx2q9", {}), "train-model");
  EXPECT_EQ(experiment_of("train-model", {}), "train-model");  // no letters that are drawn
  EXPECT_EQ(experiment_of("train-bx2q", {}), "train-bx2q");
  EXPECT_EQ(experiment_of("train", {}), "train");
  EXPECT_EQ(experiment_of("digits-1a2b3c4d5e6f-0a1b2c", {{"factory.ingot.dev/repository", "digits"}}),
            "digits");
  EXPECT_EQ(experiment_of("x-bx2q9", {{"workflows.argoproj.io/workflow-template", "nightly"}}), "nightly");
  EXPECT_EQ(experiment_of("x-1234", {{"workflows.argoproj.io/cron-workflow", "every-hour"}}), "every-hour");
}

}  // namespace
}  // namespace ingot::pipelines
