#include "data/manifest.h"

#include <gmock/gmock.h>

#include "data/sweep.h"

namespace ingot::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ManifestFile file(std::string name, int64_t bytes = 1) { return {std::move(name), Digest::of("x"), bytes}; }

std::string fault(std::vector<ManifestFile> files) {
  const auto made = make_manifest(std::move(files));
  return made ? "" : made.error().message;
}
std::string fault(std::string_view text) {
  const auto parsed = parse_manifest(text);
  return parsed ? "" : parsed.error().message;
}

TEST(Manifest, HasOneEncoding) {
  const Manifest made = make_manifest({file("b", 2), file("a/c"), file("ä \"q\"")}).value();
  const std::string d = Digest::of("x").text();
  const std::string text = R"({"files":[{"name":"a/c","digest":")" + d +
                           R"(","size":1},{"name":"b","digest":")" + d +
                           R"(","size":2},{"name":"ä \"q\"","digest":")" + d + R"(","size":1}]})";
  EXPECT_EQ(to_text(made), text);
  EXPECT_EQ(made.bytes(), 4);
  const Manifest again = parse_manifest(text).value();
  EXPECT_EQ(to_text(again), text);
  EXPECT_EQ(to_text(make_manifest({}).value()), R"({"files":[]})");
}

TEST(Manifest, NamesStayBeneath) {
  for (const char* good : {"a", "a/b.csv", "..a", "a..", ".hidden", "ü/ß", "a b"})
    EXPECT_EQ(fault({file(good)}), "") << good;
  for (const char* bad : {"", "/a", "a/", "a//b", "..", "../a", "a/../b", ".", "./a", "a/.", "a\nb", "a\x7f",
                          "\xff", "\xc0\xaf", "\xed\xa0\x80"})
    EXPECT_NE(fault({file(bad)}), "") << bad;
  EXPECT_NE(fault({file(std::string("a\0b", 3))}), "");
  EXPECT_NE(fault({file(std::string(256, 'a'))}), "");
  EXPECT_NE(fault({file(std::string(1025, '/'))}), "");
}

TEST(Manifest, NoNameIsTwoThings) {
  EXPECT_THAT(fault({file("a"), file("a")}), HasSubstr("named twice"));
  EXPECT_THAT(fault({file("a"), file("a!"), file("a/b/c")}), HasSubstr("both a file and a directory"));
  EXPECT_THAT(fault({file("a/b"), file("a/b/c/d")}), HasSubstr("both a file and a directory"));
  EXPECT_EQ(fault({file("a/b"), file("a/c"), file("ab")}), "");
}

TEST(Manifest, SizesAreBounded) {
  EXPECT_NE(fault({file("a", -1)}), "");
  EXPECT_NE(fault({file("a", INT64_MAX)}), "");
  EXPECT_NE(fault({file("a", int64_t(1) << 50), file("b", int64_t(1) << 50)}), "");
}

TEST(Manifest, ReadsNothingElse) {
  const std::string d = Digest::of("x").text();
  const std::string a = R"({"name":"a","digest":")" + d + R"(","size":1})";
  const std::string b = R"({"name":"b","digest":")" + d + R"(","size":1})";
  EXPECT_EQ(fault(R"({"files":[)" + a + "," + b + "]}"), "");
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"files":{}})"),
        R"({"files":[)" + b + "," + a + "]}", R"({"files": [)" + a + "]}",
        R"({"files":[)" + a + R"(],"more":1})", R"({"files":[)" + a + "," + a + "]}",
        std::string(R"({"files":[{"name":"a","digest":"sha256:1","size":1}]})"),
        R"({"files":[1]})" + std::string(), R"({"files":[{"size":1,"name":"a","digest":")" + d + R"("}]})"})
    EXPECT_NE(fault(std::string_view(text)), "") << text;
}

TEST(Sweep, TakesWhatIsOldAndNamedByNobody) {
  using namespace std::chrono_literals;
  const WallTime now(10h);
  const Digest named = Digest::of("named"), young = Digest::of("young"), old = Digest::of("old"),
               edge = Digest::of("edge");
  const std::vector<env::BlobInfo> listing{
      {named, 1, now - 5h}, {young, 1, now - 59min}, {old, 1, now - 61min}, {edge, 1, now - 1h}};
  EXPECT_THAT(sweep(std::vector{named}, listing, now, 1h), ElementsAre(old));
  EXPECT_THAT(sweep({}, listing, now, 1h), ElementsAre(named, old));
  EXPECT_THAT(sweep({}, listing, now, 0h), ElementsAre(named, young, old, edge));
  EXPECT_THAT(sweep({}, {}, now, 1h), ElementsAre());
}

}  // namespace
}  // namespace ingot::data
