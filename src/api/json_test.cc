#include "api/json.h"

#include <gtest/gtest.h>

#include "api/json_text.h"
#include "api/object.h"

namespace ingot::api {
namespace {

Json of(std::string_view text) { return parse_json(text).value(); }

TEST(Same, IsEqualityWhateverTheOrderOfMembersAndTheKindOfNumber) {
  const Json a = of(R"({"a":[1,{"b":null}],"c":"x","d":{"e":1.5}})");
  EXPECT_TRUE(same(a, of(R"({"d":{"e":1.5},"c":"x","a":[1,{"b":null}]})")));
  EXPECT_TRUE(same(Json(uint64_t(3)), Json(int64_t(3))));
  for (const char* other :
       {R"({"a":[1,{"b":null}],"c":"x","d":{"e":1.6}})", R"({"a":[1,{"b":null}],"c":"x","f":{"e":1.5}})",
        R"({"a":[1,{"b":null}],"c":"x"})", R"({"a":[1,{}],"c":"x","d":{"e":1.5}})",
        R"({"a":[1],"c":"x","d":{"e":1.5}})", "[]"}) {
    EXPECT_FALSE(same(a, of(other))) << other;
    EXPECT_EQ(same(a, of(other)), a == of(other)) << other;
  }
}

TEST(AppendWith, SaysWhatSetWouldMakeOfACopy) {
  for (const char* before :
       {R"({"m":{"a":{"k":"old","l":1}},"s":[1,"{"]})", R"({"m":{"n":"{"},"s":1})", R"({"s":{}})",
        R"({"m":"no object"})", R"({"m":{"\"a":"\\","a":{}}})", R"({"m":3,"n":-15})", "{}", "[]"}) {
    Json after = of(before);
    set(after, {"m", "a", "k"}, Json("new \"value\""));
    std::string text = ">";
    append_with(text, before, {"m", "a", "k"}, Json("new \"value\""));
    EXPECT_EQ(text, ">" + to_text(after));
  }
}

// Whoever wrote it, and however: nodes go by this annotation.
TEST(AppendWith, ReplacesWhatAnAuthorWroteUnderTheSameName) {
  const std::string written = to_text(of(R"({"metadata":{"annotations":{"f.dev\u002fcluster":"other"}}})"));
  std::string text;
  append_with(text, written, {"metadata", "annotations", "f.dev/cluster"}, Json("own"));
  EXPECT_EQ(text, R"({"metadata":{"annotations":{"f.dev/cluster":"own"}}})");
}

TEST(ObjectParse, APartOutlivesTheWhole) {
  const Object object{
      .key = Key("c/pods/default/a"), .revision = {}, .json = R"({"spec":{"list":["one","two"]}})"};
  Json part = array_at(object.parse(), {"spec", "list"});
  part.as_array().emplace_back("three");
  EXPECT_EQ(to_text(part), R"(["one","two","three"])");
}

}  // namespace
}  // namespace ingot::api
