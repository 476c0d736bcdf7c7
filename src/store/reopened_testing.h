// Something that follows a shard, and the objects it works on, put there as who writes them would. Each scenario also runs with
// the shard closed and opened again between its steps, for nothing may be remembered that the objects do not say. For tests;
// the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "store/testing.h"

namespace ingot::store {

// `Subject` is made of an env::Env and a Shard. The parameter: whether the shard is opened again.
template <class Subject>
class Reopened : public testing::TestWithParam<bool> {
 protected:
  Fixture f;
  std::unique_ptr<Subject> subject = std::make_unique<Subject>(f.t.env, *f.shard);

  // The end of a scenario's step.
  void settle() {
    f.t.loop.run_until_idle();
    if (!GetParam()) return;
    subject.reset();
    f.reopen();
    subject = std::make_unique<Subject>(f.t.env, *f.shard);
    f.t.loop.run_until_idle();
  }
  void put(const Key& key, Json object) {
    ASSERT_TRUE(f.input([&](Turn& turn) { ASSERT_TRUE(turn.put(key, std::move(object))); }));
  }
  void erase(const Key& key) {
    ASSERT_TRUE(f.input([&](Turn& turn) { ASSERT_TRUE(turn.erase(key)); }));
  }
  Json get(const Key& key) {
    Json found;
    EXPECT_TRUE(f.input([&](Turn& turn) {
      if (const auto object = turn.get(key)) found = object->parse();
    }));
    return found;
  }
};

}  // namespace ingot::store
