#include "api/selector.h"

#include <gtest/gtest.h>

namespace ingot::api {
namespace {

const JsonObject kLabels = {{"app", "web"}, {"tier", "front"}, {"n", "5"}, {"empty", ""}};

TEST(LabelSelector, MatchesAsUpstreamDoes) {
  for (const char* text :
       {"", "app=web", "app==web", "app = web , tier=front", "app!=db", "nope!=x", "app in (db, web)",
        "tier notin (back)", "nope notin (x)", "app", "!nope", "! nope", "n>4", "n<6",
        "empty=", "empty in ()", "empty in (,x)", "app in (web,),!x/y"}) {
    Result<LabelSelector> selector = LabelSelector::parse(text);
    ASSERT_TRUE(selector) << text << ": " << selector.error().message;
    EXPECT_TRUE(selector->matches(kLabels)) << text;
  }
  for (const char* text : {"app=db", "app!=web", "app in (db)", "app notin (web)", "nope", "!app", "n>5",
                           "n<5", "nope>1", "app>1", "nope="}) {
    Result<LabelSelector> selector = LabelSelector::parse(text);
    ASSERT_TRUE(selector) << text;
    EXPECT_FALSE(selector->matches(kLabels)) << text;
  }
  EXPECT_TRUE(LabelSelector::parse("  ")->everything());
}

TEST(LabelSelector, RefusesNonsense) {
  for (const char* text : {"=", "a b", "a in", "a in x", "a in (x", "a in (x y)", "a,", ",a", "a=b=c", "!a=b",
                           "a>x", "a=%", "-a", "a in (b),,c", "a=b c", "x/y/z", "!", "a(", "a!b"})
    EXPECT_FALSE(LabelSelector::parse(text)) << text;
}

TEST(LabelSelector, FromAnObject) {
  Result<LabelSelector> selector = LabelSelector::from_object(*parse_json(
      R"({"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"In","values":["front"]},
                      {"key":"nope","operator":"DoesNotExist"},{"key":"n","operator":"Exists"},{"key":"app","operator":"NotIn","values":["x"]}]})"));
  ASSERT_TRUE(selector);
  EXPECT_TRUE(selector->matches(kLabels));
  EXPECT_FALSE(selector->matches({}));
  EXPECT_TRUE(LabelSelector::from_object(JsonObject())->everything());
  EXPECT_FALSE(LabelSelector::from_object(
      *parse_json(R"({"matchExpressions":[{"key":"a","operator":"Like","values":["b"]}]})")));
  EXPECT_FALSE(
      LabelSelector::from_object(*parse_json(R"({"matchExpressions":[{"key":"a","operator":"In"}]})")));
}

TEST(FieldSelector, ReadsAnyPath) {
  const Json pod = *parse_json(
      R"({"metadata":{"name":"p"},"spec":{"nodeName":"n1","hostNetwork":true,"priority":7},"status":{"phase":"Running"}})");
  for (const char* text : {"", "metadata.name=p", "status.phase==Running,spec.nodeName!=n2",
                           "spec.serviceAccountName=", "nope.x!=y", "spec.hostNetwork=true",
                           "spec.priority=7", ",metadata.name=p,"}) {
    Result<FieldSelector> selector = FieldSelector::parse(text);
    ASSERT_TRUE(selector) << text;
    EXPECT_TRUE(selector->matches(pod)) << text;
  }
  EXPECT_FALSE(FieldSelector::parse("status.phase!=Running")->matches(pod));
  EXPECT_FALSE(FieldSelector::parse("metadata.name=q")->matches(pod));
  EXPECT_EQ(FieldSelector::parse("a=b,metadata.name=p")->pinned("metadata.name"), "p");
  EXPECT_EQ(FieldSelector::parse("metadata.name!=p")->pinned("metadata.name"), "");
  EXPECT_EQ(FieldSelector::parse("a=x\\,y\\=z\\\\")->pinned("a"), "x,y=z\\");
  for (const char* text : {"a", "=b", "a!b", "a=b=c", "a=\\", "a=\\x"})
    EXPECT_FALSE(FieldSelector::parse(text)) << text;
}

}  // namespace
}  // namespace ingot::api
