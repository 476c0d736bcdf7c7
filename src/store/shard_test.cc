#include "store/shard.h"

#include <gtest/gtest.h>

#include "store/testing.h"

namespace ingot::store {
namespace {

TEST(Shard, StampsStoresAndReadsBack) {
  Fixture f;
  const auto stored = f.put("pods", "a", {{"x", 1}});
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ((*stored)->revision, Revision(1));
  EXPECT_EQ(api::string_at((*stored)->parse(), {"metadata", "resourceVersion"}), "1");
  EXPECT_EQ(f.get("pods", "a"), *stored);
  EXPECT_EQ(f.get("pods", "b"), nullptr);
  f.reopen();
  ASSERT_NE(f.get("pods", "a"), nullptr);
  EXPECT_EQ(f.get("pods", "a")->json, (*stored)->json);
}

}  // namespace
}  // namespace ingot::store
