#include "expr/template.h"

#include <gmock/gmock.h>

#include "expr/testing.h"

namespace ingot::expr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = FillError::Kind;

constexpr std::string_view kNamed = R"({
  "inputs.parameters.message": "hello world", "inputs.parameters.n": "3", "workflow.name": "w-1", "foo": "bar",
  "quote": "say \"hi\"\n", "tasks.skipped.outputs.parameters.msg": null, "tasks.empty.outputs.parameters.msg": ""})";
constexpr std::string_view kOutputs[] = {"tasks", "steps"};
constexpr FillOptions kStrict, kAllowed{.allow_unresolved = true},
    kOutputsRequired{.allow_unresolved = true, .required = kOutputs};

std::string told(const FillError& error) {
  static constexpr std::string_view kKinds[] = {"missing ", "absent ", "failed "};
  return std::string(kKinds[size_t(error.kind)]) + error.name;
}
std::string fill(std::string_view text, const FillOptions& options = kStrict) {
  const auto compiled = Template::compile(text);
  if (!compiled) return compiled.error();
  int64_t steps = 100'000;
  const auto filled = compiled->fill(variables(kNamed), steps, options);
  return filled ? *filled : told(filled.error());
}

TEST(Template, FillsTags) {
  const Case kCases[] = {
      {"no tags", "no tags"},
      {"{{foo}}", "bar"},
      {"a {{ inputs.parameters.message }} b {{foo}}", "a hello world b bar"},
      {"{{quote}}", "say \"hi\"\n"},
      {"{{tasks.empty.outputs.parameters.msg}}", ""},
      {"{{foo", "a tag is not closed: {{foo"},
      {"foo}}", "foo}}"},
      {"{{= foo}}", "bar"},
      {"test {{= sprig.trunc(5, inputs.parameters.message) }}", "test hello"},
      {"{{=asInt(inputs.parameters.n) * 10}}", "30"},
      {"{{=asInt(inputs.parameters.n) / 2}}", "1.5"},
      {"{{=foo == 'bar'}}", "true"},
      {"{{=[1, 'a', 2.0]}}", R"([1,"a",2])"},
      {"{{={b: foo, a: nil} }}", R"({"a":null,"b":"bar"})"},
      {"{{=['<']}}", R"(["\u003c"])"},
      {"{{='<\"'}}", "<\""},
      {"{{=workflow.name + '-' + foo}}", "w-1-bar"},
      {"{{=!}}", "{{=!}}: 1:2: unexpected end of the expression"},
      {"{{=now()}}", "{{=now()}}: 1:1: now: what an expression gives must not depend on the clock"},
  };
  for (const auto& [text, filled] : kCases) EXPECT_EQ(fill(text), filled) << text;
}

TEST(Template, WhatIsNotThere) {
  struct {
    std::string_view text, strict, allowed, outputs_required;
  } const kCases[] = {
      {"{{nothing}}", "missing nothing", "{{nothing}}", "{{nothing}}"},
      {"{{ nothing }}", "missing nothing", "{{ nothing }}", "{{ nothing }}"},
      {"{{tasks.a.outputs.result}}", "missing tasks.a.outputs.result", "{{tasks.a.outputs.result}}",
       "missing tasks.a.outputs.result"},
      {"{{tasksA.x}}", "missing tasksA.x", "{{tasksA.x}}", "{{tasksA.x}}"},
      {"{{tasks.a.outputs.artifacts.x}}", "missing tasks.a.outputs.artifacts.x",
       "{{tasks.a.outputs.artifacts.x}}", "{{tasks.a.outputs.artifacts.x}}"},
      {"{{=nothing}}", "missing nothing", "{{=nothing}}", "{{=nothing}}"},
      {"{{=tasks.a.outputs.result}}", "missing tasks.a.outputs.result", "{{=tasks.a.outputs.result}}",
       "missing tasks.a.outputs.result"},
      {"{{=sprig.int(retries)}}", "missing retries", "{{=sprig.int(retries)}}", "{{=sprig.int(retries)}}"},
      {"{{=workflow.status == 'Failed' ? 1 : 2}}", "missing workflow.status",
       "{{=workflow.status == 'Failed' ? 1 : 2}}", "{{=workflow.status == 'Failed' ? 1 : 2}}"},
      // A member that is not there is nil where others of its kind are.
      {"{{=inputs.parameters.later == nil}}", "missing inputs.parameters.later", "true", "true"},
      {"{{=inputs.parameters.later ?? 'd'}}", "d", "d", "d"},
      {"{{=foo + 1}}", "failed =foo + 1", "{{=foo + 1}}", "failed =foo + 1"},
      {"{{=nil}}", "failed =nil", "{{=nil}}", "failed =nil"},
      // An optional output that was not made.
      {"{{tasks.skipped.outputs.parameters.msg}}", "absent tasks.skipped.outputs.parameters.msg",
       "absent tasks.skipped.outputs.parameters.msg", "absent tasks.skipped.outputs.parameters.msg"},
      {"{{=tasks.skipped.outputs.parameters.msg ?? 'd'}}", "d", "d", "d"},
      {"{{=tasks.empty.outputs.parameters.msg ?? 'd'}}", "", "", ""},
      {"{{=tasks.skipped.outputs.parameters.msg}}", "failed =tasks.skipped.outputs.parameters.msg",
       "{{=tasks.skipped.outputs.parameters.msg}}", "failed =tasks.skipped.outputs.parameters.msg"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(fill(c.text, kStrict), c.strict) << c.text;
    EXPECT_EQ(fill(c.text, kAllowed), c.allowed) << c.text;
    EXPECT_EQ(fill(c.text, kOutputsRequired), c.outputs_required) << c.text;
  }
}

TEST(Template, TagsInTags) {
  EXPECT_EQ(fill("{{outer-{{foo}}}}", kAllowed), "{{outer-bar}}") << "the next pass fills the outer";
  EXPECT_EQ(fill("{{- with secret \"{{inputs.parameters.message}}\" -}} {{ .Data }} {{- end }}", kAllowed),
            "{{- with secret \"hello world\" -}} {{ .Data }} {{- end }}");
  EXPECT_EQ(fill("{{- with {{ {{ }} secret \"{{foo}}\" -}} }}", kAllowed),
            "{{- with {{ {{ }} secret \"bar\" -}} }}");
  EXPECT_EQ(fill("{{a-{{tasks.skipped.outputs.parameters.msg}}}}", kAllowed),
            "absent tasks.skipped.outputs.parameters.msg");
}

TEST(Template, NamesWhatItReads) {
  const auto t = Template::compile("{{ foo }}{{=item.a ?? b.c}}{{foo}}{{x-{{y}}}}");
  ASSERT_TRUE(t);
  EXPECT_THAT(t->tags(), ElementsAre("foo", "=item.a ?? b.c", "y"));
  EXPECT_THAT(t->names(), ElementsAre("foo", "item.a", "b.c", "y"));
  EXPECT_THAT(t->required_names(), ElementsAre("foo", "item", "b.c", "y"));
}

TEST(Template, FillsJson) {
  Json json = *api::parse_json(
      R"({"args": ["{{quote}}", 1, null, {"{{foo}}": "{{=asInt(inputs.parameters.n)}}"}], "x": "{{foo}} {{y"})");
  int64_t steps = 100'000;
  ASSERT_TRUE(fill_json(json, variables(kNamed), steps, kAllowed));
  EXPECT_EQ(api::to_text(json), R"({"args":["say \"hi\"\n",1,null,{"bar":"3"}],"x":"bar {{y"})");
  const auto strict = fill_json(json, variables(kNamed), steps, kStrict);
  ASSERT_FALSE(strict);
  EXPECT_THAT(strict.error().message, HasSubstr("a tag is not closed"));
  Json bad("{{=foo +}}");
  EXPECT_FALSE(fill_json(bad, variables(kNamed), steps, kAllowed)) << "it will never mean anything";
}

TEST(Template, IsBounded) {
  EXPECT_EQ(fill("{{foo}}{{foo}}", {.max_bytes = 5}), "failed ");
  Json many = JsonArray(100, Json("{{=map(1..1000, #)}}"));
  int64_t steps = 20'000;
  const auto filled = fill_json(many, variables(kNamed), steps, kAllowed);
  ASSERT_FALSE(filled) << "spent steps are no reason to leave a tag";
  EXPECT_THAT(filled.error().message, HasSubstr("more steps than are allowed"));
}

TEST(Variables, NestByTheirPoints) {
  const Variables v =
      variables(R"({"a.b": "1", "a.c.d": "2", "a.c": "lost", "e": {"f": 18446744073709551615}})");
  EXPECT_EQ(*json_text(v.nested()), R"({"a":{"b":"1","c":{"d":"2"}},"e":{"f":18446744073709552000}})");
  EXPECT_TRUE(v.has("a.c.d"));
  EXPECT_TRUE(v.has("e.f"));
  EXPECT_FALSE(v.has("a.b.c"));
  EXPECT_EQ(text_of(*v.find("a.c")), "lost");
  EXPECT_EQ(v.find("a"), nullptr);
}

}  // namespace
}  // namespace ingot::expr
