#include <random>

#include "registry/search.h"
#include "registry/testing.h"

namespace ingot::registry {
namespace {
using T = TestTracking;

std::string parsed(std::string_view text, const Grammar& grammar = run_grammar()) {
  const auto clauses = parse_filter(text, grammar);
  return clauses ? std::to_string(clauses->size()) : clauses.error().message;
}

TEST(Filter, KnowsMlflowsWords) {
  for (const char* one :
       {"metrics.acc > 0.5", "metric.`a b/c` <= -1e-3", "params.lr = '0.1'", "parameter.lr != \"x\"",
        "tags.mlflow.parentRunId ILIKE '%A_'", "tag.\"x.y\" like 'q%'", "status = 'FINISHED'",
        "attributes.start_time >= 1700000000000", "attr.run_id IN ('a', 'b')", "run_name not  in ('x')",
        "created > 5", "dataset.name = 'train'", "params.a IS NULL", "tags.b is not null"})
    EXPECT_EQ(parsed(one), "1") << one;
  EXPECT_EQ(parsed("metrics.a>1 and params.b='AND' AND tags.c != 'it''s'"), "3");
  EXPECT_EQ(parsed(""), "0");
}

TEST(Filter, RefusesWhatItDoesNotKnow) {
  for (const char* bad : {"metrics.a",
                          "metrics.a > ",
                          "metrics.a > 'x'",
                          "params.a > '1'",
                          "params.a = 1",
                          "metrics.a LIKE 'x'",
                          "metrics.a > 1 OR metrics.b > 1",
                          "(metrics.a > 1)",
                          "nothing.a = 'x'",
                          "attributes.colour = 'red'",
                          "params.a = 'open",
                          "metrics.a > 1 AND",
                          "params.a IN ('x')",
                          "run_id IN ()",
                          "run_id IN ('a'",
                          "metrics.a IS NULL",
                          "dataset.colour = 'x'",
                          "metrics.a = nan",
                          "metrics.a == 1",
                          "; DROP TABLE runs"})
    EXPECT_FALSE(parse_filter(bad, run_grammar())) << bad;
  EXPECT_FALSE(parse_filter(std::string(kMostFilter + 1, ' '), run_grammar()));
  std::string many = "metrics.a > 1";
  for (size_t i = 0; i < kMostClauses; ++i) many += " AND metrics.a > 1";
  EXPECT_FALSE(parse_filter(many, run_grammar()));
  EXPECT_FALSE(parse_filter("metrics.a > 1", experiment_grammar()));
  EXPECT_FALSE(parse_orders({"metrics.a DESC", "metric.a"}, run_grammar()));
  EXPECT_FALSE(parse_orders({"metrics.a SIDEWAYS"}, run_grammar()));
}

TEST(Filter, LikeIsSqls) {
  uint64_t work = 0;
  const auto fits = [&](std::string_view text, std::string_view pattern) {
    return like(text, pattern, false, work);
  };
  EXPECT_TRUE(fits("resnet50", "res%"));
  EXPECT_TRUE(fits("resnet50", "%net__"));
  EXPECT_TRUE(fits("", "%"));
  EXPECT_FALSE(fits("", "_"));
  EXPECT_FALSE(fits("resnet50", "res"));
  EXPECT_TRUE(fits("a%b", "a%b"));
  EXPECT_TRUE(like("ResNet", "%snet", true, work));
  EXPECT_FALSE(fits("ResNet", "%snet"));
  // What would explode elsewhere is bounded by text times pattern.
  work = 0;
  std::string explosive;
  for (int i = 0; i < 30; ++i) explosive += "%a";
  EXPECT_FALSE(fits(std::string(2000, 'a'), explosive + "%b"));
  EXPECT_LT(work, 2000u * 62u);
}

// Against the plainest search there is.
class Plain {
 public:
  struct Row {
    std::string id, name;
    double metric = 0;
    bool has_metric = false, nan = false;
    std::string param, tag;
    int64_t started = 0;
  };
  std::vector<Row> rows;
};

TEST(Search, FindsWhatAPlainLookFinds) {
  T t;
  Plain plain;
  std::mt19937 dice(7);
  for (int i = 0; i < 300; ++i) {
    Plain::Row row{.name = "r" + std::to_string(i), .started = int64_t(dice() % 50)};
    row.id = t.run(R"(,"run_name":")" + row.name + R"(","start_time":)" + std::to_string(row.started));
    row.has_metric = dice() % 4 != 0;
    row.nan = row.has_metric && dice() % 10 == 0;
    row.metric = int(dice() % 20) - 10;
    row.param = std::to_string(dice() % 3);
    if (dice() % 2) row.tag = dice() % 2 ? "Even" : "odd";
    std::string body = R"("params":[{"key":"p","value":")" + row.param + "\"}]";
    if (row.has_metric)
      body +=
          R"(,"metrics":[{"key":"m","value":)" + (row.nan ? "\"NaN\"" : std::to_string(row.metric)) + "}]";
    if (!row.tag.empty()) body += R"(,"tags":[{"key":"t","value":")" + row.tag + "\"}]";
    ASSERT_EQ(t.code("runs/log-batch", T::of(row.id, body)), "");
    plain.rows.push_back(row);
  }
  struct Case {
    const char* filter;
    std::function<bool(const Plain::Row&)> fits;
  };
  const Case cases[] = {
      {"metrics.m > 3", [](const auto& r) { return r.has_metric && !r.nan && r.metric > 3; }},
      {"metrics.m != 3", [](const auto& r) { return r.has_metric && (r.nan || r.metric != 3); }},
      {"metrics.m <= 0 AND params.p = '1'",
       [](const auto& r) { return r.has_metric && !r.nan && r.metric <= 0 && r.param == "1"; }},
      {"tags.t = 'odd'", [](const auto& r) { return r.tag == "odd"; }},
      {"tags.t != 'odd'", [](const auto& r) { return r.tag == "Even"; }},
      {"tags.t IS NULL", [](const auto& r) { return r.tag.empty(); }},
      {"tags.t ILIKE 'e%'", [](const auto& r) { return r.tag == "Even"; }},
      {"tags.t LIKE 'e%'", [](const auto&) { return false; }},
      {"params.q = '1'", [](const auto&) { return false; }},
      {"start_time < 10 AND run_name LIKE 'r1%'",
       [](const auto& r) { return r.started < 10 && r.name.starts_with("r1"); }},
      {"status = 'RUNNING' AND user_id = 'ada'", [](const auto&) { return true; }},
      {"status != 'RUNNING'", [](const auto&) { return false; }},
  };
  for (const auto reopened : {false, true}) {
    if (reopened) t.reopen();
    for (const Case& c : cases) {
      RunQuery query{.experiments = {0}, .clauses = *parse_filter(c.filter, run_grammar()), .most = 1000};
      const auto page = search_runs(const_cast<Book&>(t.tracker->book()), query);
      ASSERT_TRUE(page);
      std::set<std::string> found, wanted;
      for (const uint32_t row : page->rows) found.insert(to_text(t.tracker->book().runs()[row].id));
      for (const auto& row : plain.rows)
        if (c.fits(row)) wanted.insert(row.id);
      EXPECT_EQ(found, wanted) << c.filter;
    }
  }
  // Order: values, then NaN, then nothing, either way; the youngest first among equals; pages join.
  for (const bool up : {true, false}) {
    std::vector<Plain::Row> sorted = plain.rows;
    std::ranges::sort(sorted, [&](const auto& a, const auto& b) {
      const int ra = !a.has_metric ? 2 : a.nan, rb = !b.has_metric ? 2 : b.nan;
      if (ra != rb) return ra < rb;
      if (ra == 0 && a.metric != b.metric) return up ? a.metric < b.metric : a.metric > b.metric;
      if (a.started != b.started) return a.started > b.started;
      return a.id < b.id;
    });
    std::vector<std::string> found, wanted;
    for (const auto& row : sorted) wanted.push_back(row.id);
    for (size_t offset = 0; offset < 300; offset += 70) {
      RunQuery query{.experiments = {0}, .offset = offset, .most = 70};
      query.orders = *parse_orders({up ? "metrics.m ASC" : "metrics.m DESC"}, run_grammar());
      const auto page = search_runs(const_cast<Book&>(t.tracker->book()), query);
      ASSERT_TRUE(page);
      EXPECT_EQ(page->more, offset + 70 < 300);
      for (const uint32_t row : page->rows) found.push_back(to_text(t.tracker->book().runs()[row].id));
    }
    EXPECT_EQ(found, wanted) << up;
  }
  const auto by_text = t.call(
      "runs/search",
      R"({"experiment_ids":["0"],"order_by":["tags.t DESC","params.p","metrics.m DESC"],"max_results":300})");
  std::string last = "z";
  for (const auto& run : api::array_at(by_text, {"runs"})) {
    std::string tag;
    for (const auto& one : api::array_at(run, {"data", "tags"}))
      if (api::string_at(one, {"key"}) == "t") tag = api::string_at(one, {"value"});
    EXPECT_LE(tag, last);
    last = tag;
  }
}

TEST(Search, AChangeIsFoundAtOnce) {
  T t;
  const std::string run = t.run();
  const auto count = [&](const std::string& filter) {
    const auto found = t.call("runs/search", R"({"experiment_ids":["0"],"filter":")" + filter + "\"}");
    return api::array_at(found, {"runs"}).size();
  };
  EXPECT_EQ(count("metrics.m > 1"), 0u);
  EXPECT_EQ(t.code("runs/log-metric", T::of(run, R"("key":"m","value":2)")), "");
  EXPECT_EQ(count("metrics.m > 1"), 1u);
  EXPECT_EQ(t.code("runs/set-tag", T::of(run, R"("key":"t","value":"a")")), "");
  EXPECT_EQ(count("tags.t = 'a'"), 1u);
  EXPECT_EQ(t.code("runs/set-tag", T::of(run, R"("key":"t","value":"b")")), "");
  EXPECT_EQ(count("tags.t = 'a'"), 0u);
  EXPECT_EQ(t.code("runs/delete-tag", T::of(run, R"("key":"t")")), "");
  EXPECT_EQ(count("tags.t IS NULL"), 1u);
  EXPECT_EQ(t.code("runs/delete", T::of(run, R"("x":1)")), "");
  EXPECT_EQ(count(""), 0u);
}

}  // namespace
}  // namespace ingot::registry
