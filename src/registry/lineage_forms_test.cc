#include "registry/lineage_forms.h"

#include <gmock/gmock.h>

namespace ingot::registry {
namespace {

using api::Json;
using api::string_at;
using testing::HasSubstr;
using testing::Not;

const std::string kAnswer = R"({"of":"version/digits@1","nodes":[
  {"id":"commit/9a1c2e7f00","kind":"commit","repository":"digits","url":"https://git.example/digits"},
  {"id":"data/sha256:dd","kind":"data","names":["default/digits-v1"],"classification":"<script>&\"'"},
  {"id":"run/0a1b2c3d-0000-4000-8000-000000000001","kind":"run","run":"Workflow","name":"train","namespace":"default","phase":"Succeeded",
   "started":"2026-01-02T03:00:00Z","finished":"2026-01-02T03:00:10Z","commit":"9a1c2e7f00","template":"fit","cost":"0.0125"},
  {"id":"version/digits@1","kind":"version","model":"digits","version":1,"phase":"Ready","keyId":"k","gone":true}],
  "edges":[{"from":"commit/9a1c2e7f00","to":"run/0a1b2c3d-0000-4000-8000-000000000001"},
    {"from":"data/sha256:dd","to":"run/0a1b2c3d-0000-4000-8000-000000000001"},
    {"from":"run/0a1b2c3d-0000-4000-8000-000000000001","to":"version/digits@1"}]})";

TEST(LineageForms, AGraphIsOfOnePieceAndEscaped) {
  const std::string svg = lineage_svg(*api::parse_json(kAnswer));
  EXPECT_THAT(svg, testing::StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_THAT(svg, testing::EndsWith("</svg>\n"));
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;&amp;&quot;&#39;"));
  EXPECT_THAT(svg, HasSubstr(">digits v1<"));
  EXPECT_THAT(svg, HasSubstr("stroke-dasharray"));  // it is gone
  // Three columns, from left to right.
  EXPECT_THAT(svg, HasSubstr(R"(rect x="20" y="20")"));
  EXPECT_THAT(svg, HasSubstr(R"(rect x="330" y="20")"));
  EXPECT_THAT(svg, HasSubstr(R"(rect x="640" y="20")"));
}

TEST(LineageForms, ACircleAndNothingAreDrawnToo) {
  EXPECT_THAT(
      lineage_svg(*api::parse_json(
          R"({"nodes":[{"id":"run/a","kind":"run"},{"id":"data/b","kind":"data"}],"edges":[{"from":"run/a","to":"data/b"},
                  {"from":"data/b","to":"run/a"},{"from":"run/a","to":"run/none"}]})")),
      testing::EndsWith("</svg>\n"));
  EXPECT_THAT(lineage_svg(Json()), testing::EndsWith("</svg>\n"));
}

TEST(LineageForms, ARunIsTwoEvents) {
  const auto events = open_lineage(*api::parse_json(kAnswer), "vision");
  ASSERT_EQ(events.size(), 2u);
  const Json start = *api::parse_json(events[0]), end = *api::parse_json(events[1]);
  EXPECT_EQ(string_at(start, {"eventType"}), "START");
  EXPECT_EQ(string_at(end, {"eventType"}), "COMPLETE");
  EXPECT_EQ(string_at(end, {"eventTime"}), "2026-01-02T03:00:10Z");
  EXPECT_EQ(string_at(end, {"schemaURL"}),
            "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent");
  EXPECT_EQ(string_at(end, {"run", "runId"}), "0a1b2c3d-0000-4000-8000-000000000001");
  EXPECT_EQ(string_at(end, {"run", "facets", "ingot_execution", "cost"}), "0.0125");
  EXPECT_EQ(string_at(end, {"job", "namespace"}), "ingot://vision");
  EXPECT_EQ(string_at(end, {"job", "name"}), "default/fit");
  EXPECT_EQ(string_at(end, {"job", "facets", "sourceCodeLocation", "version"}), "9a1c2e7f00");
  const Json input = api::array_at(end, {"inputs"})[0], output = api::array_at(end, {"outputs"})[0];
  EXPECT_EQ(string_at(input, {"name"}), "datasets/default/digits");
  EXPECT_EQ(string_at(input, {"facets", "version", "datasetVersion"}), "sha256:dd");
  EXPECT_EQ(string_at(output, {"name"}), "models/digits");
  EXPECT_EQ(string_at(output, {"facets", "version", "datasetVersion"}), "1");
  for (const Json* facets :
       {api::find(end, {"run", "facets"}), api::find(end, {"job", "facets"}), api::find(input, {"facets"})})
    for (const auto& member : facets->get_object()) {
      EXPECT_NE(string_at(member.value(), {"_producer"}), "");
      EXPECT_THAT(std::string(string_at(member.value(), {"_schemaURL"})), testing::StartsWith("https://"));
    }
}

TEST(LineageForms, RunIdsAreUuidsAndARunThatGoesOnHasOneEvent) {
  const auto events = open_lineage(
      *api::parse_json(
          R"({"nodes":[{"id":"run/fe9bc56d0000400080000000000000ff","kind":"run","run":"Workflow","started":"2026-01-02T03:00:00Z"},
      {"id":"run/odd","kind":"run","run":"Pod","phase":"Failed","message":"no","started":"2026-01-03T03:00:00Z"}]})"),
      "vision");
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(string_at(*api::parse_json(events[0]), {"run", "runId"}), "fe9bc56d-0000-4000-8000-0000000000ff");
  const Json failed = *api::parse_json(events[2]);
  EXPECT_EQ(string_at(failed, {"eventType"}), "FAIL");
  EXPECT_EQ(string_at(failed, {"run", "runId"}).size(), 36u);
  EXPECT_EQ(string_at(failed, {"run", "facets", "errorMessage", "message"}), "no");
}

}  // namespace
}  // namespace ingot::registry
