// Placement with money: a GPU costs 1.00 a second, nothing else costs anything, and the test is the ledger. For tests.
#pragma once

#include "controllers/placement_testing.h"
#include "policy/ledger_entry.h"

namespace ingot::controllers {

class BudgetTest : public PlacementTest {
 protected:
  void SetUp() override {
    prices("3600");
    tenant("vision", "c1");
    tenant("speech", "c2");
    node("n1", 8);
  }
  void prices(std::string gpu, std::string currency = "USD") {
    put(root("pricelists.factory.ingot.dev", "default"),
        JsonObject{{"metadata", JsonObject{{"name", "default"}}},
                   {"spec", JsonObject{{"currency", currency}, {"gpuHour", JsonObject{{"default", gpu}}}}}});
  }
  static JsonObject limit(std::string_view at, std::string_view action) {
    return {{"at", at}, {"action", action}};
  }
  static JsonObject of_tenant(std::string_view name) { return {{"tenants", JsonArray{name}}}; }
  // As the API server stores it: with its defaults.
  void budget(std::string_view name, std::string_view amount, JsonObject scope, JsonObject hard,
              std::string_view assumed = "100s", std::optional<JsonObject> soft = {}) {
    JsonObject limits{{"hard", std::move(hard)}};
    if (soft) limits["soft"] = *std::move(soft);
    Json object = get(root("budgets.factory.ingot.dev", name));
    if (!object.is_object())
      object = JsonObject{{"metadata", JsonObject{{"name", name}, {"uid", "uid-" + std::string(name)}}}};
    api::set(object, {"spec"},
             JsonObject{{"scope", std::move(scope)},
                        {"amount", amount},
                        {"currency", "USD"},
                        {"period", "day"},
                        {"limits", std::move(limits)},
                        {"assumedRunTime", assumed}});
    put(root("budgets.factory.ingot.dev", name), std::move(object));
  }
  std::string status(std::string_view name, std::string_view field) {
    return std::string(api::string_at(get(root("budgets.factory.ingot.dev", name)), {"status", field}));
  }
  void exception(std::string_view name, std::string_view budget, JsonObject target, Duration lasts) {
    target["tenant"] = "vision";
    const WallTime until = f.t.clock.wall() + std::chrono::duration_cast<std::chrono::microseconds>(lasts);
    put(root("gateexceptions.factory.ingot.dev", name),
        JsonObject{{"metadata", JsonObject{{"name", name}}},
                   {"spec", JsonObject{{"budget", budget},
                                       {"target", std::move(target)},
                                       {"reason", "demo"},
                                       {"expires", to_rfc3339(until)}}}});
  }
  Key held(std::string_view pod, std::string_view cluster = "c1") {
    return root("allocations.factory.ingot.dev", std::string(cluster) + "-uid-" + std::string(pod));
  }
  // Its node says that it is done.
  void finish(std::string_view name, std::string cluster = "c1", std::string_view phase = "Succeeded") {
    Json pod = get(pod_key(name, cluster));
    if (pod.is_object()) {
      api::set(pod, {"status", "phase"}, phase);
      put(pod_key(name, cluster), pod);
    }
    Json allocation = get(held(name, cluster));
    api::set(allocation, {"status"},
             JsonObject{{"phase", "Released"}, {"to", to_rfc3339_micro(f.t.clock.wall())}});
    put(held(name, cluster), allocation);
  }
  // The ledger's part, as metering does it.
  void book(std::string_view name, std::string cluster = "c1") {
    ASSERT_TRUE(f.input([&](store::Turn& turn) {
      const auto object = turn.get(held(name, cluster));
      ASSERT_TRUE(object);
      const Json allocation = object->parse();
      const auto list = turn.get(root("pricelists.factory.ingot.dev", "default"));
      const Json said = list->parse();
      ASSERT_TRUE(turn.erase(object->key));
      for (const auto& e : policy::entries_of(allocation, policy::end_of(allocation, f.t.clock.wall()),
                                              policy::prices_from(&said)))
        turn.append({.stream = std::string(policy::kLedger),
                     .unique = e.unique(),
                     .cluster = e.cluster,
                     .at = e.to,
                     .data = api::to_text(policy::to_json(e))});
    }));
  }
  void advance(Duration by) {
    f.t.loop.advance(by);
    f.t.loop.run_until_idle();
  }
  bool deleting(std::string_view name, std::string cluster = "c1") {
    return !api::string_at(get(pod_key(name, cluster)), {"metadata", "deletionTimestamp"}).empty();
  }
};

}  // namespace ingot::controllers
