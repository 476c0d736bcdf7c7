// A factory of one shard and its engine, for tests; the test plays clients and nodes. Thread rule: the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "api/parse.h"
#include "pipelines/engine.h"
#include "store/testing.h"

namespace ingot::pipelines {

class Factory {
 public:
  Factory() {
    for (const std::string cluster : {"c1", "c2"})
      for (const std::string ns : {"default", "other"}) {
        put("namespaces", ns, "{spec: {}}", cluster, "");
        put("serviceaccounts", "default", "{}", cluster, ns);
      }
    start();
  }

  store::Fixture store;
  std::shared_ptr<const api::Registry> registry = api::Registry::builtin();
  Requests* requests = nullptr;  // from the next start on …
  Judge judge;                   // … and likewise
  std::unique_ptr<Engine> engine;
  std::vector<std::string> made;  // nodes whose pods end() ended, in order

  void start() {
    engine = std::make_unique<Engine>(store.t.env, *store.shard, *registry, requests, judge);
    settle();
  }
  void stop() { engine = nullptr; }
  // As after kill -9: what was not on disk is gone.
  void restart() {
    stop();
    store.reopen();
    start();
  }
  void settle() { store.t.loop.run_until_idle(); }
  void advance(Duration by) { store.t.loop.advance(by); }

  static api::Key key(std::string_view resource, std::string_view name, std::string_view cluster = "c1",
                      std::string_view ns = "default") {
    return api::Key(ClusterId{std::string(cluster)}, resource, ns, name);
  }
  static api::Json yaml(std::string_view text) {
    const auto parsed = api::parse_body_yaml(text);
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed ? parsed->value : api::Json();
  }
  void put(std::string_view resource, std::string_view name, std::string_view text,
           std::string_view cluster = "c1", std::string_view ns = "default") {
    api::Json object = yaml(text);
    api::set(object, {"metadata", "name"}, name);
    if (!ns.empty()) api::set(object, {"metadata", "namespace"}, ns);
    api::set(object, {"metadata", "uid"}, "uid-" + std::string(name));
    api::set(object, {"metadata", "creationTimestamp"}, to_rfc3339(store.t.clock.wall()));
    write([&](store::Turn& turn) {
      EXPECT_TRUE(turn.put(key(resource, name, cluster, ns), std::move(object), Revision{0}));
    });
  }
  void submit(std::string_view name, std::string_view spec, std::string_view cluster = "c1",
              std::string_view ns = "default") {
    std::string text = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n";
    for (size_t at = 0; at < spec.size();) {
      const size_t end = std::min(spec.find('\n', at), spec.size());
      text += "  " + std::string(spec.substr(at, end - at)) + "\n";
      at = end + 1;
    }
    put("workflows.argoproj.io", name, text, cluster, ns);
  }
  api::Json get(std::string_view resource, std::string_view name, std::string_view cluster = "c1",
                std::string_view ns = "default") {
    api::ObjectPtr found;
    write([&](store::Turn& turn) { found = turn.get(key(resource, name, cluster, ns)); });
    return found ? found->parse() : api::Json();
  }
  void change(std::string_view resource, std::string_view name, const std::function<void(api::Json&)>& edit) {
    write([&](store::Turn& turn) {
      const api::ObjectPtr before = turn.get(key(resource, name));
      ASSERT_TRUE(before) << name;
      api::Json object = before->parse();
      edit(object);
      EXPECT_TRUE(turn.put(before->key, std::move(object)));
    });
  }
  void erase(std::string_view resource, std::string_view name) {
    write([&](store::Turn& turn) { EXPECT_TRUE(turn.erase(key(resource, name))); });
  }
  std::string phase(std::string_view name) { return of_status(name, "phase"); }
  std::string message(std::string_view name) { return of_status(name, "message"); }
  std::vector<api::Json> rows(std::string_view workflow) {
    return list("workflownodes", std::string(workflow) + ":");
  }
  // What rows say of a node.
  api::Json node(std::string_view workflow, std::string_view name) {
    for (api::Json& row : rows(workflow))
      if (api::string_at(row, {"name"}) == name) return std::move(row);
    return {};
  }
  std::vector<api::Json> pods() { return list("pods", ""); }
  // Nodes whose pods have not ended.
  std::vector<std::string> running(std::string_view cluster = "c1") {
    std::vector<std::string> out;
    for (const api::Json& pod : list("pods", "", cluster))
      if (const std::string_view phase = api::string_at(pod, {"status", "phase"});
          phase != "Succeeded" && phase != "Failed")
        out.push_back(node_of(pod));
    std::ranges::sort(out);
    return out;
  }
  // As a node does.
  void end(std::string_view node, std::string_view phase = "Succeeded", std::string_view outputs = "") {
    for (const api::Json& pod : list("pods", "")) {
      if (node_of(pod) != node) continue;
      made.emplace_back(node);
      advance(std::chrono::seconds(1));
      change("pods", api::string_at(pod, {"metadata", "name"}), [&](api::Json& p) {
        api::set(p, {"status", "phase"}, phase);
        if (!outputs.empty())
          api::set(p, {"metadata", "annotations", "workflows.argoproj.io/outputs"}, outputs);
        api::set(p, {"status", "containerStatuses"},
                 yaml("[{name: main, state: {terminated: {exitCode: " +
                      std::string(phase == "Succeeded" ? "0" : "1") + "}}}]"));
      });
      return;
    }
    ADD_FAILURE() << node << " does not run";
  }

 private:
  void write(const std::function<void(store::Turn&)>& body) {
    for (int attempt = 0; attempt < 3; ++attempt)
      if (store.input(body)) return settle();
    ADD_FAILURE() << "nothing is taken";
  }
  std::string of_status(std::string_view name, std::string_view field) {
    const api::Json workflow = get("workflows.argoproj.io", name);
    return std::string(api::string_at(workflow, {"status", field}));
  }
  std::vector<api::Json> list(std::string_view resource, const std::string& prefix,
                              std::string_view cluster = "c1") {
    std::vector<api::Json> out;
    write([&](store::Turn& turn) {
      out.clear();
      turn.range(api::type_prefix(ClusterId{std::string(cluster)}, resource), "",
                 [&](const api::ObjectPtr& o) {
                   if (o->key.name().starts_with(prefix)) out.push_back(o->parse());
                   return true;
                 });
    });
    return out;
  }
  static std::string node_of(const api::Json& pod) {
    return std::string(api::string_at(pod, {"metadata", "annotations", "workflows.argoproj.io/node-name"}));
  }
};

}  // namespace ingot::pipelines
