#include "workflow/rows.h"

#include <gtest/gtest.h>

#include "workflow/depends.h"

namespace ingot::workflow {
namespace {

using api::Json;

Json json(std::string_view text) { return *api::parse_json(text); }

TEST(Rows, ChildrenFollowFromWhoCameAfter) {
  const auto shown = shown_nodes({
      json(R"({"metadata":{"resourceVersion":"1"},"id":"w","name":"w","startedAt":"1"})"),
      json(R"({"id":"w-2","name":"w.B","startedAt":"3","after":["w-1"],"parent":"w"})"),
      json(R"({"id":"w-1","name":"w.A","startedAt":"2","after":["w"]})"),
  });
  EXPECT_TRUE(api::same(shown.at("w"), json(R"({"id":"w","name":"w","startedAt":"1","children":["w-1"]})")));
  EXPECT_TRUE(api::same(shown.at("w-2"), json(R"({"id":"w-2","name":"w.B","startedAt":"3"})")));
}

TEST(Rows, WhatTheNameSaysIsNotStored) {
  for (
      const std::string_view text : {
          R"({"id":"w-1","name":"w.A","templateName":"one","templateScope":"local/w","phase":"Running"})",
          R"({"id":"w-1","name":"w.A","templateName":"one","templateScope":"namespaced/t","phase":"Running"})",
          R"({"id":"w-1","name":"w.A","templateScope":"local/w","phase":"Running"})",
          R"({"id":"w","name":"w","phase":"Running"})",
      }) {
    const Json node = json(text);
    const Json row = packed(node, "w");
    EXPECT_FALSE(api::find(row, {"id"})) << text;
    EXPECT_TRUE(api::same(unpacked(row, row_name("w", api::string_at(node, {"id"}))), node)) << text;
    // A row of an earlier version has it all.
    EXPECT_TRUE(api::same(unpacked(node, row_name("w", api::string_at(node, {"id"}))), node)) << text;
  }
  EXPECT_TRUE(api::same(
      packed(json(R"({"id":"w-1","name":"w.A","templateName":"one","templateScope":"local/w"})"), "w"),
      json(R"({"name":"w.A","templateName":"one"})")));
}

TEST(Rows, AnEditKeepsWhatClientsDoNotSee) {
  const Json row =
      json(R"({"metadata":{"resourceVersion":"1"},"id":"w-1","name":"w.A","phase":"Running","after":["w"]})");
  EXPECT_FALSE(row_from_shown(row, json(R"({"id":"w-1","name":"w.A","phase":"Running","children":["x"]})")));
  const auto edited = row_from_shown(
      row, json(R"({"id":"other","name":"w.X","phase":"Succeeded","boundaryID":"w-1","type":"DAG"})"));
  ASSERT_TRUE(edited);
  EXPECT_EQ(api::string_at(*edited, {"id"}), "w-1");
  EXPECT_EQ(api::string_at(*edited, {"name"}), "w.A");
  EXPECT_EQ(api::string_at(*edited, {"phase"}), "Succeeded");
  EXPECT_EQ(api::string_at(*edited, {"boundaryID"}), "");
  EXPECT_EQ(api::string_at(*edited, {"type"}), "");
  EXPECT_EQ(api::array_at(*edited, {"after"}).size(), 1u);
}

bool holds(std::string_view text, const std::map<std::string, TaskResult>& ended) {
  const auto depends = Depends::parse(text);
  EXPECT_TRUE(depends) << depends.error();
  const auto is = [&](size_t i, TaskResult r) {
    const auto at = ended.find(depends->names()[i]);
    return at != ended.end() && at->second == r;
  };
  return depends->holds(is,
                        [&](size_t i) { return is(i, TaskResult::Succeeded) || is(i, TaskResult::Skipped); });
}

TEST(Depends, AndBindsTighterThanOr) {
  const std::map<std::string, TaskResult> ended{
      {"A", TaskResult::Failed}, {"B-1", TaskResult::Succeeded}, {"C", TaskResult::Omitted}};
  EXPECT_TRUE(holds("B-1", ended));
  EXPECT_FALSE(holds("A", ended));
  EXPECT_TRUE(holds("A.Failed", ended));
  EXPECT_TRUE(holds("B-1 || A && A", ended));
  EXPECT_FALSE(holds("(B-1 || A) && A", ended));
  EXPECT_TRUE(holds("!A && !(C.Succeeded || A.Succeeded)", ended));
}

TEST(Depends, WhatIsWrongWithIt) {
  EXPECT_EQ(Depends::parse("A.Fine").error(), "task result 'Fine' for task 'A' is invalid");
  EXPECT_EQ(Depends::parse("A &&").error(), "ends where a task's name is expected");
  EXPECT_EQ(Depends::parse("(A").error(), "has a parenthesis that is not closed");
  EXPECT_EQ(Depends::parse("A B").error(), "has an unexpected \"B\"");
  EXPECT_EQ(Depends::parse(std::string(1000, '(')).error(), "is nested too deeply");
}

}  // namespace
}  // namespace ingot::workflow
