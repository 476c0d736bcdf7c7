#include "registry/model_source.h"

#include <gtest/gtest.h>

namespace ingot::registry {
namespace {
using Kind = ModelSource::Kind;

TEST(ModelSource, IsBeneathARun) {
  const auto run = parse_model_source("runs:/0123abcd/model");
  ASSERT_TRUE(run);
  EXPECT_EQ(run->kind, Kind::Run);
  EXPECT_EQ(run->id, "0123abcd");
  EXPECT_EQ(run->path, "model");
  const auto proxied = parse_model_source("mlflow-artifacts:/1/0123abcd/artifacts/a/b%20c");
  ASSERT_TRUE(proxied);
  EXPECT_EQ(proxied->id, "0123abcd");
  EXPECT_EQ(proxied->path, "a/b c");
  EXPECT_EQ(parse_model_source("mlflow-artifacts://host:1/1/r/artifacts")->path, "");
}

TEST(ModelSource, OrALoggedModelOrAVersion) {
  const auto logged = parse_model_source("models:/m-0a1b");
  ASSERT_TRUE(logged);
  EXPECT_EQ(logged->kind, Kind::Logged);
  EXPECT_EQ(logged->id, "m-0a1b");
  EXPECT_EQ(parse_model_source("mlflow-artifacts:/2/models/m-0a1b/artifacts")->id, "m-0a1b");
  const auto version = parse_model_source("models:/digits/3");
  ASSERT_TRUE(version);
  EXPECT_EQ(version->kind, Kind::Version);
  EXPECT_EQ(version->version, "3");
  EXPECT_EQ(parse_model_source("models:/digits@production")->version, "production");
}

TEST(ModelSource, AndNothingElse) {
  for (const std::string_view source : {"/etc/passwd",
                                        "file:///etc/passwd",
                                        "s3://bucket/x",
                                        "http://169.254.169.254/",
                                        "runs:/",
                                        "runs:/r/../../x",
                                        "runs:/r/%2e%2e/x",
                                        "runs:/r/%252e%252e/x",
                                        "runs:/r/a%00b",
                                        "runs:/r/..%5cx",
                                        "mlflow-artifacts:/../../etc",
                                        "mlflow-artifacts:/1/r/other/x",
                                        "mlflow-artifacts:/1/r/artifacts/../../../x",
                                        "mlflow-artifacts://host",
                                        "models:/",
                                        "models:/a",
                                        "models:/a/b/c",
                                        "runs:/r/x?y",
                                        "runs:/r/x#y",
                                        "runs:/r%2f..%2f..",
                                        "runs:/%",
                                        "file:runs:/r",
                                        "runs:/r/%25252525252e"})
    EXPECT_FALSE(parse_model_source(source)) << source;
}

}  // namespace
}  // namespace ingot::registry
