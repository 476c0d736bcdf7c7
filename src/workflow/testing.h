// A run under test, whose pods end as the test says.
#pragma once

#include <gmock/gmock.h>

#include "api/parse.h"
#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

using namespace std::chrono_literals;

inline Json yaml(std::string_view text) {
  const auto parsed = api::parse_body_yaml(text);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed->value;
}

struct Bench {
  FlowPtr flow;
  std::string name;
  Locks own;
  Locks* locks;
  std::unique_ptr<Run> run;
  WallTime now{std::chrono::seconds(1'800'000'000)};
  std::map<std::string, Json> stored;  // by node id
  std::map<std::string, Json> pods;    // name → the filled template, of those that run
  std::vector<std::string> started;    // names of pods, in order
  std::map<std::string, Json> maps;    // ConfigMaps that remember

  // `most`: nodes begun at first.
  explicit Bench(std::string_view text, std::string called = "wf", Locks* shared = nullptr,
                 size_t most = SIZE_MAX)
      : name(std::move(called)), locks(shared ? shared : &own) {
    auto read = Flow::read(yaml(text), {});
    EXPECT_TRUE(read) << read.error();
    flow = *read;
    again(most);
    run->go_on(now);
    take();
  }
  // As after a crash: from what is stored.
  void again(size_t most = SIZE_MAX) {
    const Json held = run && locks->status_of("default/" + name).is_object()
                          ? locks->status_of("default/" + name)
                          : Json(JsonObject{});
    if (run) locks->close();
    locks->forget("default/" + name);
    run = std::make_unique<Run>(flow, Facts{.name = name, .ns = "default", .uid = "u1"});
    run->allow(most);
    run->share(locks);
    run->read_memory([this](const MemoKey& memo) {
      return recall(maps.contains(memo.map) ? &maps[memo.map] : nullptr, memo, now);
    });
    run->restore_locks(held);
    EXPECT_TRUE(run->arguments(JsonObject{}));
    std::vector<StoredNode> nodes;
    for (const auto& [id, json] : stored) nodes.push_back(*node_from_json(json));
    if (!nodes.empty()) run->restore(std::move(nodes), now);
    run->go_on(now);
    locks->open();
    run->go_on(now);
    take();
  }
  void take() {
    Wanted wanted = run->take();
    for (const NodeIndex i : wanted.changed)
      stored[run->nodes()[size_t(i)].id] = node_to_json(run->nodes()[size_t(i)], run->nodes());
    for (Wanted::Pod& pod : wanted.pods) {
      const std::string& name = run->nodes()[size_t(pod.node)].name;
      EXPECT_FALSE(pods.contains(name)) << name << " twice";
      started.push_back(name);
      pods[name] = std::move(pod.filled);
    }
    for (const Memo& memo : wanted.memos) {
      std::vector<Forgotten> lost;
      const Memo* one = &memo;
      if (auto map = remember(maps.contains(memo.map) ? &maps[memo.map] : nullptr, {&one, 1}, now, lost))
        maps[memo.map] = *std::move(map);
      for (const Forgotten& f : lost) run->not_memorized(f.node, f.why);
    }
    for (Wanted::Pod& resource : wanted.resources)
      pods[run->nodes()[size_t(resource.node)].name] = std::move(resource.filled);
    for (const NodeIndex i : wanted.stop) pods.erase(run->nodes()[size_t(i)].name);
  }
  void end(const std::string& name, Phase phase = Phase::Succeeded, std::string_view outputs = "") {
    ASSERT_TRUE(pods.erase(name)) << name << " does not run";
    now += 1s;
    PodReport report{.phase = phase, .message = phase == Phase::Failed ? "Error (exit code 1)" : ""};
    if (!outputs.empty()) report.outputs = std::make_shared<const Json>(yaml(outputs));
    run->pod(run->find(name), report, now);
    take();
  }
  std::vector<std::string> running() const {
    std::vector<std::string> out;
    for (const auto& [name, pod] : pods) out.push_back(name);
    return out;
  }
  std::string_view phase(std::string_view name) const {
    const NodeIndex i = run->find(name);
    return i == kNobody ? "none" : to_string(run->nodes()[size_t(i)].phase);
  }
  const Node& node(std::string_view name) const { return run->nodes()[size_t(run->find(name))]; }
  void pass(Duration d) {
    now += std::chrono::duration_cast<WallTime::duration>(d);
    run->go_on(now);
    take();
  }
};

inline constexpr std::string_view kSay = R"(
- name: say
  inputs: {parameters: [{name: text, default: hi}]}
  container: {image: busybox, command: [echo, "{{inputs.parameters.text}}"]}
)";

inline std::string with_say(std::string text) { return text + std::string(kSay); }

}  // namespace ingot::workflow
