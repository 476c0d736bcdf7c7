#include "api/patch.h"

#include <gtest/gtest.h>

namespace ingot::api {
namespace {

Json J(std::string_view text) {
  Result<Json> value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Json();
}

std::string text_or_error(const Result<Json>& result) {
  return result ? to_text(*result)
                : std::string(to_string(result.error().reason)) + ": " + result.error().message;
}

struct Case {
  const char *object, *patch, *result;
};

// RFC 6902 appendix A, and what hostile patches try.
TEST(JsonPatch, FollowsTheRfc) {
  for (const Case& c : {
           Case{R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])",
                R"({"foo":"bar","baz":"qux"})"},
           Case{R"({"foo":["bar","baz"]})", R"([{"op":"add","path":"/foo/1","value":"qux"}])",
                R"({"foo":["bar","qux","baz"]})"},
           Case{R"({"foo":["bar"]})", R"([{"op":"add","path":"/foo/-","value":["abc"]}])",
                R"({"foo":["bar",["abc"]]})"},
           Case{R"({"baz":"qux","foo":"bar"})", R"([{"op":"remove","path":"/baz"}])", R"({"foo":"bar"})"},
           Case{R"({"foo":["a","b","c"]})", R"([{"op":"remove","path":"/foo/1"}])", R"({"foo":["a","c"]})"},
           Case{R"({"baz":"qux"})", R"([{"op":"replace","path":"/baz","value":"boo"}])", R"({"baz":"boo"})"},
           Case{R"({"foo":{"bar":"baz","waldo":"fred"},"qux":{}})",
                R"([{"op":"move","from":"/foo/waldo","path":"/qux/thud"}])",
                R"({"foo":{"bar":"baz"},"qux":{"thud":"fred"}})"},
           Case{R"({"foo":["all","grass","cows","eat"]})",
                R"([{"op":"move","from":"/foo/1","path":"/foo/3"}])",
                R"({"foo":["all","cows","eat","grass"]})"},
           Case{R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])",
                R"({"a":{"b":1},"c":{"b":1}})"},
           Case{R"({"a/b":1,"m~n":2})",
                R"([{"op":"test","path":"/a~1b","value":1},{"op":"remove","path":"/m~0n"}])", R"({"a/b":1})"},
           Case{R"({"a":1})", R"([])", R"({"a":1})"},
       })
    EXPECT_EQ(text_or_error(json_patch(J(c.object), J(c.patch))), c.result) << c.patch;
}

TEST(JsonPatch, RefusesWhatDoesNotApply) {
  const Json object = J(R"({"a":{"b":[1]}})");
  for (const char* patch :
       {R"([{"op":"remove","path":"/x"}])", R"([{"op":"add","path":"/x/y","value":1}])",
        R"([{"op":"test","path":"/a","value":1}])", R"([{"op":"replace","path":"/a/c","value":1}])",
        R"([{"op":"add","path":"/a/b/3","value":1}])", R"([{"op":"add","path":"/a/b/01","value":1}])",
        R"([{"op":"remove","path":"/a/b/-"}])", R"([{"op":"remove","path":""}])",
        R"([{"op":"move","from":"/a","path":"/a/b/0"}])"}) {
    Result<Json> result = json_patch(object, J(patch));
    ASSERT_FALSE(result) << patch;
    EXPECT_EQ(result.error().reason, Reason::Invalid) << patch;
  }
  for (const char* patch : {R"({})", R"([1])", R"([{"op":"add","path":"/a"}])",
                            R"([{"op":"dance","path":"/a"}])", R"([{"op":"remove","path":"a"}])",
                            R"([{"op":"remove","path":"/~2"}])", R"([{"op":"move","path":"/a"}])"}) {
    Result<Json> result = json_patch(object, J(patch));
    ASSERT_FALSE(result) << patch;
    EXPECT_EQ(result.error().reason, Reason::BadRequest) << patch;
  }
}

TEST(JsonPatch, CopiesCannotExplode) {
  JsonArray doubling;
  for (int i = 0; i < 60; ++i)
    doubling.push_back({{"op", "copy"}, {"from", ""}, {"path", "/x" + std::to_string(i)}});
  Result<Json> result = json_patch(J(R"({"a":"some text"})"), doubling);
  ASSERT_FALSE(result);
  JsonArray many;
  for (int i = 0; i < 10'001; ++i) many.push_back({{"op", "test"}, {"path", ""}, {"value", 1}});
  result = json_patch(J("1"), many);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, Reason::RequestEntityTooLarge);
  JsonArray wide;
  const std::string big(100'000, 'x');
  for (int i = 0; i < 100; ++i)
    wide.push_back({{"op", "copy"}, {"from", "/a"}, {"path", "/c" + std::to_string(i)}});
  result = json_patch(Json{{"a", big}}, wide);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, Reason::RequestEntityTooLarge);
}

TEST(JsonPatch, MovingLargeListsAboutIsBounded) {
  JsonArray big(300'000, 0);
  JsonArray moves;
  for (int i = 0; i < 5000; ++i) moves.push_back({{"op", "move"}, {"from", "/a/0"}, {"path", "/a/-"}});
  Result<Json> result = json_patch(Json{{"a", big}}, moves);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, Reason::RequestEntityTooLarge);
}

TEST(MergePatch, FollowsTheRfc) {
  for (const Case& c : {
           Case{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
           Case{R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
           Case{R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
           Case{R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
           Case{R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
           Case{R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
           Case{R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
       })
    EXPECT_EQ(text_or_error(merge_patch(J(c.object), J(c.patch))), c.result) << c.patch;
  EXPECT_FALSE(merge_patch(J("{}"), J("[]")));
}

class StrategicPatch : public testing::Test {
 protected:
  std::string pod(const char* object, const char* patch) {
    return text_or_error(
        strategic_merge_patch(*registry->find("", "v1", "pods")->schema, J(object), J(patch)));
  }
  std::shared_ptr<const Registry> registry = Registry::builtin();
};

TEST_F(StrategicPatch, ListsMergeByKey) {
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}})",
                R"({"spec":{"containers":[{"name":"b","image":"3"}]}})"),
            R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"}]}})");
  // New items go before those only the server has.
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a"}]}})", R"({"spec":{"containers":[{"name":"n"}]}})"),
            R"({"spec":{"containers":[{"name":"n"},{"name":"a"}]}})");
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"x"}]}]}})",
                R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"y"}]}]}})"),
            R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"y"}]}]}})");
  // A list without merge strategy is replaced.
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a","args":["1","2"]}]}})",
                R"({"spec":{"containers":[{"name":"a","args":["3"]}]}})"),
            R"({"spec":{"containers":[{"name":"a","args":["3"]}]}})");
}

TEST_F(StrategicPatch, NullDeletesAndMapsMerge) {
  EXPECT_EQ(
      pod(R"({"metadata":{"labels":{"a":"1","b":"2"}}})", R"({"metadata":{"labels":{"a":null,"c":"3"}}})"),
      R"({"metadata":{"labels":{"b":"2","c":"3"}}})");
  EXPECT_EQ(pod(R"({"metadata":{}})", R"({"metadata":{"labels":{"a":null,"c":"3"}}})"),
            R"({"metadata":{"labels":{"c":"3"}}})");
}

TEST_F(StrategicPatch, PatchDirectives) {
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                R"({"spec":{"containers":[{"name":"a","$patch":"delete"}]}})"),
            R"({"spec":{"containers":[{"name":"b"}]}})");
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                R"({"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}})"),
            R"({"spec":{"containers":[{"name":"c"}]}})");
  EXPECT_EQ(pod(R"({"spec":{"nodeSelector":{"a":"1","b":"2"}}})",
                R"({"spec":{"nodeSelector":{"$patch":"replace","c":"3"}}})"),
            R"({"spec":{"nodeSelector":{"c":"3"}}})");
  EXPECT_EQ(pod(R"({"spec":{"nodeSelector":{"a":"1"}}})", R"({"spec":{"nodeSelector":{"$patch":"delete"}}})"),
            R"({"spec":{"nodeSelector":{}}})");
  EXPECT_EQ(pod(R"({"spec":{}})", R"({"spec":{"containers":[{"name":"a","$patch":"delete"}]}})"),
            R"({"spec":{"containers":[]}})");
  EXPECT_EQ(pod(R"({"spec":{}})", R"({"spec":{"$patch":"dance"}})").substr(0, 7), "Invalid");
}

TEST_F(StrategicPatch, RetainKeys) {
  EXPECT_EQ(
      pod(R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})",
          R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name","secret"],"secret":{"secretName":"s"}}]}})"),
      R"({"spec":{"volumes":[{"name":"v","secret":{"secretName":"s"}}]}})");
  EXPECT_EQ(pod(R"({"spec":{"volumes":[{"name":"v"}]}})",
                R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name"],"secret":{}}]}})")
                .substr(0, 10),
            "BadRequest");
}

TEST_F(StrategicPatch, PrimitiveLists) {
  EXPECT_EQ(pod(R"({"metadata":{"finalizers":["a","b","c"]}})",
                R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["b"]}})"),
            R"({"metadata":{"finalizers":["a","c"]}})");
  EXPECT_EQ(pod(R"({"metadata":{"finalizers":["a","b"]}})", R"({"metadata":{"finalizers":["c","a"]}})"),
            R"({"metadata":{"finalizers":["c","a","b"]}})");
  EXPECT_EQ(
      pod(R"({"metadata":{"finalizers":["a","b"]}})",
          R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"$setElementOrder/finalizers":["c","b"],"finalizers":["c"]}})"),
      R"({"metadata":{"finalizers":["c","b"]}})");
}

TEST_F(StrategicPatch, SetElementOrder) {
  EXPECT_EQ(
      pod(R"({"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}})",
          R"({"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"a"}],"containers":[{"name":"a","image":"x"}]}})"),
      R"({"spec":{"containers":[{"name":"b"},{"name":"c"},{"name":"a","image":"x"}]}})");
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}})"),
            R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})");
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a"}]}})",
                R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"z"}]}})")
                .substr(0, 10),
            "BadRequest");
  // What kubectl sends to delete one of two containers.
  EXPECT_EQ(
      pod(R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
          R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"b","$patch":"delete"}]}})"),
      R"({"spec":{"containers":[{"name":"a"}]}})");
}

TEST_F(StrategicPatch, BadPatchesAreRefused) {
  EXPECT_EQ(pod("{}", "[]").substr(0, 10), "BadRequest");
  EXPECT_EQ(pod(R"({"spec":{"containers":[{"name":"a"}]}})", R"({"spec":{"containers":[{"image":"x"}]}})")
                .substr(0, 7),
            "Invalid");
  EXPECT_EQ(
      pod(R"({"spec":{"containers":[{"name":"a"}]}})", R"({"spec":{"containers":["x"]}})").substr(0, 10),
      "BadRequest");
}

}  // namespace
}  // namespace ingot::api
