// A factory of one shard and its controllers, for tests: objects in, what the controllers made of them out. The parts
// the test plays itself: clients, the scheduler, nodes.
// Thread rule: the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "api/deletion.h"
#include "base/encoding.h"
#include "controllers/manager.h"
#include "store/testing.h"

namespace ingot::controllers {

inline Json parse(std::string_view text) {
  auto value = api::parse_json(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value ? *value : Json();
}

class World {
 public:
  explicit World(bool with_namespace = true) {
    start();
    if (with_namespace) make_namespace("default");
  }

  store::Fixture store;
  Facts facts{.registry = registry().get(), .ca_pem = "-----CA-----\n"};
  std::unique_ptr<Manager> manager;

  static const std::shared_ptr<const api::Registry>& registry() {
    static const auto builtin = api::Registry::builtin();
    return builtin;
  }
  void start() { manager = std::make_unique<Manager>(store.t.env, *store.shard, facts); }
  void settle() { store.t.loop.run_until_idle(); }
  void advance(Duration by) { store.t.loop.advance(by); }
  // As after kill -9: what was not on disk is gone, everything starts again. `before` runs without controllers.
  void restart(const std::function<void()>& before = [] {}) {
    manager.reset();
    before();
    store.reopen();
    start();
    settle();
  }

  Key key(std::string_view resource, std::string_view ns, std::string_view name,
          std::string_view cluster = "c1") {
    return Key(ClusterId{std::string(cluster)}, resource, ns, name);
  }
  // As the API server would store it: with a uid.
  Json put(std::string_view resource, Json object, std::string_view cluster = "c1") {
    const Key at = key(resource, api::string_at(object, {"metadata", "namespace"}),
                       api::string_at(object, {"metadata", "name"}), cluster);
    if (api::string_at(object, {"metadata", "uid"}).empty())
      api::set(object, {"metadata", "uid"}, "uid-" + std::to_string(++uids_));
    if (api::string_at(object, {"metadata", "creationTimestamp"}).empty())
      api::set(object, {"metadata", "creationTimestamp"}, to_rfc3339(store.t.clock.wall()));
    EXPECT_TRUE(store.input([&](store::Turn& turn) { EXPECT_TRUE(turn.put(at, object)); }));
    settle();
    return object;
  }
  Json get(std::string_view resource, std::string_view ns, std::string_view name,
           std::string_view cluster = "c1") {
    ObjectPtr found;
    EXPECT_TRUE(store.input([&](store::Turn& turn) { found = turn.get(key(resource, ns, name, cluster)); }));
    return found ? found->parse() : Json();
  }
  bool exists(std::string_view resource, std::string_view ns, std::string_view name,
              std::string_view cluster = "c1") {
    return !get(resource, ns, name, cluster).is_null();
  }
  std::vector<Json> list(std::string_view resource, std::string_view cluster = "c1") {
    std::vector<Json> found;
    EXPECT_TRUE(store.input([&](store::Turn& turn) {
      turn.range(api::type_prefix(ClusterId{std::string(cluster)}, resource), "", [&](const ObjectPtr& o) {
        found.push_back(o->parse());
        return true;
      });
    }));
    return found;
  }
  // Reads, changes and writes one object.
  void change(std::string_view resource, std::string_view ns, std::string_view name,
              const std::function<void(Json&)>& edit, std::string_view cluster = "c1") {
    EXPECT_TRUE(store.input([&](store::Turn& turn) {
      const Key at = key(resource, ns, name, cluster);
      const ObjectPtr before = turn.get(at);
      ASSERT_TRUE(before) << at.text();
      Json object = before->parse();
      edit(object);
      if (api::deletion_complete(object)) {
        EXPECT_TRUE(turn.erase(at));
      } else {
        EXPECT_TRUE(turn.put(at, std::move(object)));
      }
    }));
    settle();
  }
  // As DELETE does.
  void remove(std::string_view resource, std::string_view ns, std::string_view name, api::Deletion how = {},
              std::string_view cluster = "c1") {
    EXPECT_TRUE(store.input([&](store::Turn& turn) {
      const Key at = key(resource, ns, name, cluster);
      const ObjectPtr before = turn.get(at);
      ASSERT_TRUE(before) << at.text();
      Json object = before->parse();
      if (api::begin_deletion(object, how, store.t.clock.wall())) {
        EXPECT_TRUE(turn.erase(at));
      } else {
        EXPECT_TRUE(turn.put(at, std::move(object)));
      }
    }));
    settle();
  }

  void make_namespace(std::string_view name, std::string_view cluster = "c1") {
    put("namespaces",
        {{"apiVersion", "v1"},
         {"kind", "Namespace"},
         {"metadata", {{"name", name}}},
         {"spec", {{"finalizers", {"kubernetes"}}}},
         {"status", {{"phase", "Active"}}}},
        cluster);
  }
  // The scheduler's and the node's part.
  void bind(std::string_view pod, std::string_view node = "n1") {
    if (!exists("nodes", "", node, "root"))
      put("nodes", {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", node}}}}, "root");
    change("pods", "default", pod, [&](Json& p) {
      api::set(p, {"spec", "nodeName"}, node);
      api::set(p, {"status", "phase"}, "Running");
    });
  }
  void finish(std::string_view pod, std::string_view phase) {
    change("pods", "default", pod, [&](Json& p) {
      api::set(p, {"status", "phase"}, phase);
      const Json ended = {{"name", "c"},
                          {"state", {{"terminated", {{"finishedAt", to_rfc3339(store.t.clock.wall())}}}}}};
      api::set(p, {"status", "containerStatuses"}, JsonArray{ended});
    });
  }

 private:
  int uids_ = 0;
};

inline std::string name_of(const Json& object) {
  return std::string(api::string_at(object, {"metadata", "name"}));
}

}  // namespace ingot::controllers
