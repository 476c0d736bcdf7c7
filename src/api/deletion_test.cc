#include "api/deletion.h"

#include <gtest/gtest.h>

namespace ingot::api {
namespace {

const WallTime kNow = *parse_rfc3339("2026-01-02T03:00:00.7Z");

Json json(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value ? *value : Json();
}
Json pod(std::string_view rest) {
  return json(R"({"apiVersion":"v1","kind":"Pod")" + std::string(rest) + "}");
}

TEST(Deletion, WhatNothingHoldsGoesAtOnce) {
  Json map = json(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"}})");
  EXPECT_TRUE(begin_deletion(map, {}, kNow));
}

TEST(Deletion, ARunningPodGetsItsGracePeriod) {
  Json own = pod(R"(,"metadata":{},"spec":{"nodeName":"n","terminationGracePeriodSeconds":5})");
  EXPECT_FALSE(begin_deletion(own, {}, kNow));
  EXPECT_EQ(string_at(own, {"metadata", "deletionTimestamp"}), "2026-01-02T03:00:05Z");
  EXPECT_EQ(int_at(own, {"metadata", "deletionGracePeriodSeconds"}), 5);
  EXPECT_FALSE(deletion_complete(own));
}

TEST(Deletion, PodsNobodyRunsGoAtOnce) {
  Json unbound = pod(R"(,"metadata":{},"spec":{"terminationGracePeriodSeconds":5})");
  EXPECT_TRUE(begin_deletion(unbound, {}, kNow));
  Json done = pod(R"(,"metadata":{},"spec":{"nodeName":"n"},"status":{"phase":"Failed"})");
  EXPECT_TRUE(begin_deletion(done, {}, kNow));
  Json forced = pod(R"(,"metadata":{},"spec":{"nodeName":"n"})");
  EXPECT_TRUE(begin_deletion(forced, {.grace_s = 0}, kNow));
}

TEST(Deletion, ASecondDeleteOnlyShortens) {
  Json p = pod(R"(,"metadata":{},"spec":{"nodeName":"n"})");
  EXPECT_FALSE(begin_deletion(p, {}, kNow));
  EXPECT_FALSE(begin_deletion(p, {.grace_s = 60}, kNow));
  EXPECT_EQ(int_at(p, {"metadata", "deletionGracePeriodSeconds"}), 30);
  EXPECT_FALSE(begin_deletion(p, {.grace_s = 2}, kNow));
  EXPECT_EQ(string_at(p, {"metadata", "deletionTimestamp"}), "2026-01-02T03:00:02Z");
  EXPECT_TRUE(begin_deletion(p, {.grace_s = 0}, kNow));
}

TEST(Deletion, AFinalizerHolds) {
  Json map = json(R"({"kind":"ConfigMap","metadata":{"finalizers":["a/b"]}})");
  EXPECT_FALSE(begin_deletion(map, {}, kNow));
  EXPECT_TRUE(is_deleting(map));
  EXPECT_FALSE(deletion_complete(map));
  remove_finalizer(map, "a/b");
  EXPECT_TRUE(deletion_complete(map));
  EXPECT_EQ(find(map, {"metadata", "finalizers"}), nullptr);
}

TEST(Deletion, ANamespaceTerminates) {
  Json ns =
      json(R"({"apiVersion":"v1","kind":"Namespace","metadata":{},"spec":{"finalizers":["kubernetes"]}})");
  EXPECT_FALSE(begin_deletion(ns, {}, kNow));
  EXPECT_EQ(string_at(ns, {"status", "phase"}), "Terminating");
  erase(ns, {"spec", "finalizers"});
  EXPECT_TRUE(deletion_complete(ns));
}

TEST(Deletion, PropagationBecomesAFinalizer) {
  Json job = json(R"({"kind":"Job","metadata":{"finalizers":["orphan"]}})");
  EXPECT_FALSE(begin_deletion(job, {.propagation = Propagation::Foreground}, kNow));
  EXPECT_TRUE(has_finalizer(job, kForegroundFinalizer));
  EXPECT_FALSE(has_finalizer(job, kOrphanFinalizer));
}

}  // namespace
}  // namespace ingot::api
