#include "workflow/memo.h"

#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

struct Remembered {
  std::optional<Json> map;
  std::vector<Forgotten> lost;
};
Remembered keep(const Json* map, const Memo& memo, WallTime now) {
  Remembered out;
  const Memo* one = &memo;
  out.map = remember(map, {&one, 1}, now, out.lost);
  return out;
}

TEST(Memo, EntriesAreArgosTexts) {
  const MemoKey key{"m", "k", std::nullopt};
  EXPECT_FALSE(recall(nullptr, key, kNow)->has_value());
  const Memo memo{.map = "m",
                  .key = "k",
                  .node_id = "wf-1",
                  .outputs = std::make_shared<const Json>(yaml("parameters: [{name: x, value: pear}]"))};
  const Json map = *keep(nullptr, memo, kNow).map;
  EXPECT_EQ(api::to_text(map.at("metadata")),
            R"({"name":"m","labels":{"workflows.argoproj.io/configmap-type":"Cache"}})");
  EXPECT_EQ(api::string_at(map, {"data", "k"}),
            R"({"nodeID":"wf-1","outputs":{"parameters":[{"name":"x","value":"pear"}]},)"
            R"("creationTimestamp":"2027-01-15T08:00:00Z","lastHitTimestamp":"2027-01-15T08:00:00Z"})");
  EXPECT_EQ(api::to_text(***recall(&map, key, kNow)), R"({"parameters":[{"name":"x","value":"pear"}]})");
  const Memo hit{.map = "m", .key = "k", .hit = true};
  EXPECT_FALSE(keep(&map, hit, kNow + 59s).map) << "uses are noted once a minute, not each by writing it all";
  const Json used = *keep(&map, hit, kNow + 1h).map;
  EXPECT_THAT(
      std::string(api::string_at(used, {"data", "k"})),
      HasSubstr(R"("creationTimestamp":"2027-01-15T08:00:00Z","lastHitTimestamp":"2027-01-15T09:00:00Z")"));
}

TEST(Memo, WhatIsTooOldIsForgotten) {
  const Json map = *keep(nullptr, {.map = "m", .key = "k", .node_id = "n"}, kNow).map;
  const MemoKey key{"m", "k", 10s};
  EXPECT_TRUE(recall(&map, key, kNow + 10s)->has_value());
  EXPECT_FALSE(recall(&map, key, kNow + 11s)->has_value());
}

TEST(Memo, OnlyWhatSaysItIsACacheIsTouched) {
  const Json map = yaml("{metadata: {name: m}, data: {k: '{}'}}");
  EXPECT_EQ(recall(&map, {"m", "k", {}}, kNow).error(),
            "memoize: configmap \"m\" has no label workflows.argoproj.io/configmap-type: Cache");
  EXPECT_FALSE(keep(&map, {.map = "m", .key = "k"}, kNow).map);
  EXPECT_FALSE(memo_key(yaml("{key: 'a b', cache: {configMap: {name: m}}}")));
  EXPECT_FALSE(memo_key(yaml("{key: a, cache: {configMap: {name: ../m}}}")));
  EXPECT_FALSE(memo_key(yaml("{key: a, maxAge: soon, cache: {configMap: {name: m}}}")));
}

TEST(Memo, AConfigMapHasAnEnd) {
  const Memo large{.map = "m",
                   .key = "k",
                   .node_id = "n",
                   .outputs = std::make_shared<const Json>(text_json(std::string(kMostRemembered, 'x')))};
  EXPECT_EQ(keep(nullptr, large, kNow).lost.at(0).why, "memoize: configmap \"m\" is full; nothing was kept");
}

TEST(RunMemo, WhatWasGivenOnceIsGivenAgain) {
  Bench b(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: t, arguments: {parameters: [{name: x, value: one}]}}
  - - {name: b, template: t, arguments: {parameters: [{name: x, value: one}]}}
  - - {name: c, template: t, arguments: {parameters: [{name: x, value: two}]}}
  - - {name: d, template: u, arguments: {parameters: [{name: x, value: "{{steps.b.outputs.parameters.y}}"}]}}
- name: t
  inputs: {parameters: [{name: x}]}
  memoize: {key: "k-{{inputs.parameters.x}}", cache: {configMap: {name: m}}}
  retryStrategy: {limit: 2}
  container: {image: i}
  outputs: {parameters: [{name: y, valueFrom: {path: /y}}]}
- name: u
  inputs: {parameters: [{name: x}]}
  container: {image: i, args: ["{{inputs.parameters.x}}"]}
)");
  b.end("wf[0].a(0)", Phase::Failed);
  b.again();
  b.end("wf[0].a(1)", Phase::Succeeded, "parameters: [{name: y, value: pear}]");
  EXPECT_EQ(b.phase("wf[1].b"), "Succeeded");
  EXPECT_EQ(api::to_text(*b.node("wf[1].b").memo), R"({"cacheName":"m","hit":true,"key":"k-one"})");
  EXPECT_THAT(b.running(), ElementsAre("wf[2].c(0)"));
  EXPECT_EQ(api::to_text(*b.node("wf[2].c").memo), R"({"cacheName":"m","hit":false,"key":"k-two"})");
  b.end("wf[2].c(0)");
  EXPECT_EQ(api::to_text(b.pods["wf[3].d"].at("container").at("args")), R"(["pear"])");
}

TEST(RunMemo, AKeyThatIsNoneEndsTheNode) {
  Bench b(R"(
entrypoint: t
templates:
- {name: t, memoize: {key: "{{workflow.name}} x", cache: {configMap: {name: m}}}, container: {image: i}}
)");
  EXPECT_EQ(b.run->message(), "memoize.key 'wf x' is not made of letters, digits and dashes");
}

}  // namespace
}  // namespace ingot::workflow
