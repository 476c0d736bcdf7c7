#include <cmath>

#include "registry/history.h"
#include "registry/paths.h"
#include "registry/testing.h"

namespace ingot::registry {
namespace {
using api::array_at;
using api::string_at;
using T = TestTracking;

TEST(Tracking, ANewClusterHasADefaultExperiment) {
  T t;
  const auto found = t.call("experiments/get", R"({"experiment_id":"0"})");
  EXPECT_EQ(string_at(found, {"experiment", "name"}), "Default");
  EXPECT_EQ(string_at(found, {"experiment", "lifecycle_stage"}), "active");
}

TEST(Tracking, WhatWasLoggedIsThereAfterARestart) {
  T t;
  const std::string run = t.run(R"(,"run_name":"first","tags":[{"key":"team","value":"vision"}])");
  EXPECT_EQ(
      t.code("runs/log-batch", T::of(run, R"("metrics":[{"key":"loss","value":0.5,"timestamp":5,"step":1},
      {"key":"loss","value":"NaN","timestamp":6,"step":2},{"key":"vast","value":"-Infinity","timestamp":6}],
      "params":[{"key":"lr","value":"0.1"}],"tags":[{"key":"x","value":"y"}])")),
      "");
  EXPECT_EQ(t.code("runs/update", T::of(run, R"("status":"FINISHED","end_time":99)")), "");
  const api::Json before = t.get(run);
  t.reopen();
  const api::Json after = t.get(run);
  EXPECT_EQ(api::to_text(before), api::to_text(after));
  EXPECT_EQ(T::pairs(array_at(after, {"run", "data", "metrics"})), "loss=NaN vast=-Infinity");
  EXPECT_EQ(T::pairs(array_at(after, {"run", "data", "tags"})), "mlflow.runName=first team=vision x=y");
  EXPECT_EQ(string_at(after, {"run", "info", "status"}), "FINISHED");
  EXPECT_EQ(string_at(after, {"run", "info", "user_id"}), "ada");
}

TEST(Tracking, ABatchIsTakenWholeOrNotAtAll) {
  T t;
  const std::string run = t.run();
  EXPECT_EQ(t.code("runs/log-parameter", T::of(run, R"("key":"lr","value":"1")")), "");
  EXPECT_EQ(t.code("runs/log-parameter", T::of(run, R"("key":"lr","value":"1")")), "");
  EXPECT_EQ(t.code("runs/log-parameter", T::of(run, R"("key":"lr","value":"2")")), "INVALID_PARAMETER_VALUE");
  for (const char* bad :
       {R"("metrics":[{"key":"a","value":1}],"params":[{"key":"lr","value":"3"}])",
        R"("metrics":[{"key":"a","value":1}],"params":[{"key":"p","value":"1"},{"key":"p","value":"2"}])",
        R"("metrics":[{"key":"a","value":1},{"key":"","value":1}])",
        R"("metrics":[{"key":"a","value":1},{"key":"b","value":"much"}])",
        R"("metrics":[{"key":"a","value":1}],"tags":[{"key":"ingot.dev/commit","value":"x"}])"})
    EXPECT_EQ(t.code("runs/log-batch", T::of(run, bad)), "INVALID_PARAMETER_VALUE") << bad;
  EXPECT_TRUE(array_at(t.get(run), {"run", "data", "metrics"}).empty());
}

TEST(Tracking, KeysAndValuesHaveBounds) {
  T t;
  const std::string run = t.run();
  const auto tag = [&](const std::string& key, const std::string& value) {
    return t.code("runs/set-tag", T::of(run, R"("key":")" + key + R"(","value":")" + value + "\""));
  };
  EXPECT_EQ(tag(std::string(250, 'k'), std::string(8000, 'v')), "");
  EXPECT_EQ(tag(std::string(251, 'k'), "v"), "INVALID_PARAMETER_VALUE");
  for (const char* bad : {"../up", "a//b", "/a", "a/./b", "a/..", "semi;colon", "."})
    EXPECT_EQ(tag(bad, "v"), "INVALID_PARAMETER_VALUE") << bad;
  EXPECT_EQ(tag("a/b c:d.e-f_9", "v"), "");
  std::string many;
  for (int i = 0; i < 101; ++i)
    many += (i ? "," : "") + (R"({"key":"k)" + std::to_string(i) + R"(","value":"v"})");
  EXPECT_EQ(t.code("runs/log-batch", T::of(run, "\"params\":[" + many + "]")), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(t.code("runs/log-batch", std::string(1'000'001, ' ') + "{}"), "BAD_REQUEST");
}

TEST(Tracking, WhatARunSaysTooLongIsCutBetweenCharacters) {
  T t;
  const std::string run = t.run();
  std::string kana, kept;
  for (int i = 0; i < 6001; ++i) kana += "あ";
  for (int i = 0; i < 6000; ++i) kept += "あ";
  for (int twice = 0; twice < 2; ++twice)
    EXPECT_EQ(t.code("runs/log-parameter", T::of(run, R"("key":"p","value":")" + kana + "\"")), "");
  EXPECT_EQ(t.code("runs/log-batch",
                   T::of(run, R"("tags":[{"key":"t","value":")" + std::string(8001, 'v') + "\"}]")),
            "");
  const api::Json after = t.get(run);
  EXPECT_EQ(T::pairs(array_at(after, {"run", "data", "params"})), "p=" + kept);
  EXPECT_EQ(string_at(array_at(after, {"run", "data", "tags"})[1], {"value"}).size(), 8000u);
}

TEST(Tracking, TheNewestPointIsByStepThenTime) {
  T t;
  const std::string run = t.run();
  const auto log = [&](int step, int time, double value) {
    return t.code("runs/log-metric",
                  T::of(run, R"("key":"m","value":)" + std::to_string(value) + R"(,"timestamp":)" +
                                 std::to_string(time) + R"(,"step":)" + std::to_string(step)));
  };
  EXPECT_EQ(log(5, 100, 1), "");
  EXPECT_EQ(log(4, 900, 2), "");  // a clock that is ahead
  EXPECT_EQ(log(5, 99, 3), "");
  EXPECT_EQ(log(5, 100, 1), "");  // once more
  EXPECT_EQ(T::pairs(array_at(t.get(run), {"run", "data", "metrics"})), "m=1E0");
  const auto history = t.call("metrics/get-history", T::of(run, R"("metric_key":"m")"));
  EXPECT_EQ(array_at(history, {"metrics"}).size(), 4u);
  const auto page = t.call("metrics/get-history", T::of(run, R"("metric_key":"m","max_results":3)"));
  const auto rest =
      t.call("metrics/get-history", T::of(run, R"("metric_key":"m","page_token":")" +
                                                   std::string(string_at(page, {"next_page_token"})) + "\""));
  EXPECT_EQ(array_at(page, {"metrics"}).size(), 3u);
  EXPECT_EQ(array_at(rest, {"metrics"}).size(), 1u);
  EXPECT_EQ(t.code("metrics/get-history", T::of(run, R"("metric_key":"m","page_token":"????")")),
            "INVALID_PARAMETER_VALUE");
}

TEST(Tracking, AHistoryIsThinnedOutEvenlyAndKeepsItsEnds) {
  std::vector<store::TrackedPoint> points;
  for (int i = 999; i >= 0; --i) points.push_back({i, i, double(i)});
  auto all = points;
  EXPECT_EQ(sample(all, {}, {}, 2000).size(), 1000u);
  auto some = sample(points, {}, {}, 10);
  ASSERT_EQ(some.size(), 10u);
  EXPECT_EQ(some.front().step, 0);
  EXPECT_EQ(some[1].step, 100);
  EXPECT_EQ(some.back().step, 999);
  some = sample(points, 10, 19, 5);
  ASSERT_EQ(some.size(), 5u);
  EXPECT_EQ(some.front().step, 10);
  EXPECT_EQ(some.back().step, 19);
  std::vector<store::TrackedPoint> same(100, {0, 0, std::nan("")});  // all at one step
  EXPECT_EQ(sample(same, {}, {}, 7).size(), 7u);
}

TEST(Tracking, ALongHistoryIsReadPieceByPieceAsAWholeOne) {
  T t;
  const std::string run = t.run();
  const auto batch = [&](int from, int to, int by) {
    std::string metrics;
    for (int i = from; i != to; i += by)
      metrics += (metrics.empty() ? "" : ",") + std::string(R"({"key":"m","value":)") +
                 std::to_string(i % 7) + R"(,"timestamp":)" + std::to_string(i / 2) + R"(,"step":)" +
                 std::to_string(i) + "}";
    EXPECT_EQ(t.code("runs/log-batch", T::of(run, "\"metrics\":[" + metrics + "]")), "");
  };
  for (int i = 0; i < 5'000; i += 1'000) batch(i, i + 1'000, 1);
  store::TrackingFile& file = t.tracker->file();
  EXPECT_GT(*file.count_points(0, "m"), 2'000);
  EXPECT_EQ(*file.count_points(0, "n"), 0);
  constexpr int64_t kNone = -1;  // nothing may be held
  for (const auto& [from, most] :
       {std::pair<size_t, size_t>{0, 10}, {4'990, 10}, {4'995, 10}, {9'000, 10}, {0, 9'000}}) {
    const auto whole = page_by_time(file, 0, "m", from, most),
               pieces = page_by_time(file, 0, "m", from, most, kNone);
    ASSERT_TRUE(whole && pieces);
    EXPECT_EQ(whole->points, pieces->points) << from;
    EXPECT_EQ(whole->more, pieces->more) << from;
    EXPECT_EQ(whole->more, from + most < 5'000) << from;
  }
  for (const size_t most : {1u, 7u, 2'500u, 9'000u}) {
    EXPECT_EQ(*sampled(file, 0, "m", {}, {}, most), *sampled(file, 0, "m", {}, {}, most, kNone)) << most;
    EXPECT_EQ(*sampled(file, 0, "m", 100, 399, most), *sampled(file, 0, "m", 100, 399, most, 500)) << most;
  }
  batch(200, 100, -1);  // behind time, and backwards
  EXPECT_EQ(api::mlflow_code(page_by_time(file, 0, "m", 0, 10, kNone).error()).name, "RESOURCE_EXHAUSTED");
  EXPECT_EQ(api::mlflow_code(sampled(file, 0, "m", {}, {}, 10, kNone).error()).name, "RESOURCE_EXHAUSTED");
  EXPECT_EQ(*sampled(file, 0, "m", 100, 199, 10), *sampled(file, 0, "m", 100, 199, 10, 500));
  EXPECT_EQ(page_by_time(file, 0, "m", 0, 9'000)->points.size(), 5'100u);
}

TEST(Tracking, WhereARunComesFromIsTheFactorysToSay) {
  T t;
  const auto made =
      t.call("runs/create", R"({"experiment_id":"0"})", {{"pod", "train-1"}, {"commit", "abc"}});
  const std::string run(string_at(made, {"run", "info", "run_id"}));
  const std::string tags = T::pairs(array_at(made, {"run", "data", "tags"}));
  EXPECT_NE(tags.find("ingot.dev/commit=abc"), tags.npos) << tags;
  EXPECT_NE(tags.find("ingot.dev/pod=train-1"), tags.npos) << tags;
  EXPECT_EQ(t.code("runs/set-tag", T::of(run, R"("key":"ingot.dev/commit","value":"other")")),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(t.code("runs/delete-tag", T::of(run, R"("key":"ingot.dev/commit")")), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(t.code("runs/create", R"({"experiment_id":"0","tags":[{"key":"ingot.dev/pod","value":"x"}]})"),
            "INVALID_PARAMETER_VALUE");
}

TEST(Tracking, WhatIsDeletedTakesNothingUntilItIsRestored) {
  T t;
  const auto made = t.call("experiments/create", R"({"name":"e","tags":[{"key":"a","value":"b"}]})");
  const std::string id(string_at(made, {"experiment_id"})), body = R"({"experiment_id":")" + id + "\"}";
  const auto run_made = t.call("runs/create", body);
  const std::string run(string_at(run_made, {"run", "info", "run_id"}));
  EXPECT_EQ(t.code("experiments/delete", body), "");
  EXPECT_EQ(t.code("experiments/delete", body), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(t.code("runs/create", body), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(t.code("runs/log-metric", T::of(run, R"("key":"m","value":1)")), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(t.code("runs/restore", T::of(run, R"("x":1)")), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(t.code("experiments/create", R"({"name":"e"})"), "RESOURCE_ALREADY_EXISTS");
  t.reopen();
  EXPECT_EQ(t.code("experiments/restore", body), "");
  EXPECT_EQ(t.code("runs/log-metric", T::of(run, R"("key":"m","value":1)")), "");
  EXPECT_EQ(t.code("experiments/update", R"({"experiment_id":")" + id + R"(","new_name":"Default"})"),
            "RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(t.code("experiments/update", R"({"experiment_id":")" + id + R"(","new_name":"f"})"), "");
  EXPECT_EQ(t.code("experiments/get-by-name", R"({"experiment_name":"e"})"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(t.code("experiments/create", R"({"name":"e"})"), "");
}

TEST(Tracking, LoggedModelsAndDataSets) {
  T t;
  const std::string run = t.run();
  const auto made = t.call("logged-models/create", R"({"experiment_id":"0","name":"net","source_run_id":")" +
                                                       run + R"(","params":[{"key":"d","value":"4"}]})");
  const std::string id(string_at(made, {"model", "info", "model_id"}));
  const std::string of = R"({"model_id":")" + id + "\"";
  EXPECT_EQ(string_at(made, {"model", "info", "status"}), "LOGGED_MODEL_PENDING");
  EXPECT_EQ(t.code("runs/log-metric",
                   T::of(run, R"("key":"acc","value":0.9,"dataset_name":"train","model_id":")" + id + "\"")),
            "");
  EXPECT_EQ(t.code("runs/log-metric", T::of(run, R"("key":"acc","value":0.9,"model_id":"m-none")")),
            "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(t.code("logged-models/finalize", of + R"(,"status":"LOGGED_MODEL_READY"})"), "");
  EXPECT_EQ(t.code("logged-models/finalize", of + R"(,"status":"PERFECT"})"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(t.code("runs/log-inputs",
                   T::of(run, R"("datasets":[{"tags":[{"key":"mlflow.data.context","value":"training"}],
      "dataset":{"name":"train","digest":"d1","source_type":"local","source":"{}"}}])")),
            "");
  EXPECT_EQ(t.code("runs/outputs", T::of(run, R"("models":[{"model_id":")" + id + R"(","step":3}])")), "");
  t.reopen();
  const auto found = t.call("logged-models/search",
                            R"({"experiment_ids":["0"],"filter":"metrics.acc > 0.5 AND status = 'READY'",
      "datasets":[{"dataset_name":"train"}],"order_by":[{"field_name":"metrics.acc","ascending":false}]})");
  ASSERT_EQ(array_at(found, {"models"}).size(), 1u) << api::to_text(found);
  EXPECT_EQ(T::pairs(array_at(array_at(found, {"models"})[0], {"data", "params"})), "d=4");
  const auto datasets = t.call("experiments/search-datasets", R"({"experiment_ids":["0"]})");
  EXPECT_EQ(
      api::to_text(datasets),
      R"({"dataset_summaries":[{"experiment_id":"0","name":"train","digest":"d1","context":"training"}]})");
  const auto runs = t.call("runs/search", R"({"experiment_ids":["0"],"filter":"dataset.name = 'train'"})");
  EXPECT_EQ(array_at(runs, {"runs"}).size(), 1u);
  EXPECT_EQ(t.code("logged-models/delete", of + "}"), "");
  EXPECT_EQ(t.code("logged-models/get", of + "}"), "RESOURCE_DOES_NOT_EXIST");
}

TEST(Tracking, ArtifactsAreListedAsDirectories) {
  T t;
  const std::string run = t.run(), root = "0/" + run + "/artifacts/";
  const std::string digest = "sha256:" + std::string(64, 'a');
  const auto put = [&](const std::string& path) {
    return t.code("artifacts/stored", R"({"path":")" + path + R"(","digest":")" + digest + R"(","bytes":7})");
  };
  for (const char* path : {"a.txt", "model/MLmodel", "model/data/x", "model/data/y", "model-2/z"})
    EXPECT_EQ(put(root + path), "");
  const auto list = [&](std::string_view path) {
    std::string out;
    const auto found = t.call("artifacts/list", T::of(run, R"("path":")" + std::string(path) + "\""));
    for (const auto& file : array_at(found, {"files"}))
      out += std::string(string_at(file, {"path"})) + (api::bool_at(file, {"is_dir"}) ? "/ " : " ");
    return out;
  };
  EXPECT_EQ(list(""), "a.txt model-2/ model/ ");
  EXPECT_EQ(list("model"), "model/MLmodel model/data/ ");
  EXPECT_EQ(list("nowhere"), "");
  EXPECT_EQ(t.code("artifacts/list", T::of(run, R"("path":"../..")")), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(put("7/x/artifacts/y"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(put("0"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(t.code("proxy/delete", R"({"path":")" + root + "model\"}"), "");
  EXPECT_EQ(list(""), "a.txt model-2/ ");
  EXPECT_EQ(t.code("proxy/get", R"({"path":")" + root + "model/data/x\"}"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(t.code("proxy/get", R"({"path":")" + root + "a.txt\"}"), "");
}

TEST(Tracking, AllThatIsSaidIsCounted) {
  T t;
  const std::string run = t.run(), text(4'000, 'x');
  const auto grows = [&](std::string_view op, const std::string& body) {
    const size_t before = t.tracker->book().bytes();
    EXPECT_EQ(t.code(op, body), "") << op;
    const size_t after = t.tracker->book().bytes();
    EXPECT_GT(after, before + text.size()) << op;
    t.reopen();
    EXPECT_NEAR(double(t.tracker->book().bytes()), double(after), 1'000) << op;
  };
  grows("experiments/set-experiment-tag", R"({"experiment_id":"0","key":"k","value":")" + text + "\"}");
  grows("runs/log-parameter", T::of(run, R"("key":"p","value":")" + text + "\""));
  grows(
      "runs/log-inputs",
      T::of(run,
            R"("datasets":[{"dataset":{"name":"d","digest":"1","source_type":"s","source":"s","profile":")" +
                text + R"("},"tags":[]}])"));
  const auto made = t.call("logged-models/create", R"({"experiment_id":"0","name":"m"})");
  const std::string model(string_at(made, {"model", "info", "model_id"}));
  grows("logged-models/set-tags",
        R"({"model_id":")" + model + R"(","tags":[{"key":"t","value":")" + text + "\"}]}");
  grows("logged-models/log-params",
        R"({"model_id":")" + model + R"(","params":[{"key":"t","value":")" + text + "\"}]}");
  // What is taken away is no longer counted.
  const size_t before = t.tracker->book().bytes();
  EXPECT_EQ(t.code("experiments/delete-experiment-tag", R"({"experiment_id":"0","key":"k"})"), "");
  EXPECT_LT(t.tracker->book().bytes() + text.size(), before);
}

TEST(Tracking, WithoutRoomNothingGrowsAndAllIsRead) {
  T t;
  const std::string run = t.run();
  const auto made = t.call("logged-models/create", R"({"experiment_id":"0","name":"m"})");
  const std::string model(string_at(made, {"model", "info", "model_id"}));
  for (const Room& room : {Room{.memory = 1}, Room{.disk_full = true}}) {
    t.tracker->allow(room);
    for (const auto& [op, body] : std::vector<std::pair<std::string, std::string>>{
             {"experiments/create", R"({"name":"more"})"},
             {"experiments/set-experiment-tag", R"({"experiment_id":"0","key":"k","value":"v"})"},
             {"runs/create", R"({"experiment_id":"0"})"},
             {"runs/log-metric", T::of(run, R"("key":"m","value":1)")},
             {"runs/log-parameter", T::of(run, R"("key":"p","value":"1")")},
             {"runs/set-tag", T::of(run, R"("key":"t","value":"1")")},
             {"runs/log-batch", T::of(run, R"("metrics":[{"key":"loss","value":0.5,"timestamp":5}])")},
             {"logged-models/create", R"({"experiment_id":"0","name":"n"})"},
             {"logged-models/set-tags",
              R"({"model_id":")" + model + R"(","tags":[{"key":"t","value":"v"}]})"},
             {"logged-models/log-params",
              R"({"model_id":")" + model + R"(","params":[{"key":"t","value":"v"}]})"},
             {"runs/outputs", T::of(run, R"("models":[{"model_id":")" + model + R"(","step":1}])")}})
      EXPECT_EQ(t.code(op, body), "RESOURCE_EXHAUSTED") << op;
    EXPECT_EQ(t.code("runs/get", T::of(run, R"("x":1)")), "");
    EXPECT_EQ(t.code("runs/update", T::of(run, R"("status":"FINISHED","end_time":99)")), "");
  }
  t.tracker->allow({});
  EXPECT_EQ(t.code("runs/set-tag", T::of(run, R"("key":"t","value":"1")")), "");
}

TEST(Paths, WhatLeavesItsPlaceIsNoPath) {
  for (const char* good : {"a", "a/b", "a b/ü", "100%", "a%20b", "..a/b..", "100%.txt", "%zz"})
    EXPECT_TRUE(check_path(good)) << good;
  for (const char* bad : {"", "/a", "a/", "a//b", ".", "..", "a/../b", "%2e%2e/a", "a/%2E%2e", "a%2f..",
                          "%252e%252e/x", "a\\b", "a%5cb", "%25252e%25252e", "%2525252525252525252e%2e",
                          "%2e%2e/%zz", "%zz/%2e%2e/x", "%/%2e/x", "a%5cb%"})
    EXPECT_FALSE(check_path(bad)) << bad;
  EXPECT_FALSE(check_path(std::string("a\0b", 3)));
  EXPECT_FALSE(check_path(std::string(1001, 'a')));
  EXPECT_EQ(*path_of_uri("mlflow-artifacts:/1/r/artifacts"), "1/r/artifacts");
  EXPECT_EQ(*path_of_uri("mlflow-artifacts://host:1/1/r"), "1/r");
  EXPECT_FALSE(path_of_uri("file:///etc/passwd"));
  EXPECT_FALSE(path_of_uri("mlflow-artifacts:/../x"));
}

TEST(Wire, NumbersComeAsNumbersTextsAndPythonsBareWords) {
  const auto args = Args::read(
      R"({"a":NaN,"b":-Infinity,"c":"12","d":12.0,"e":"NaN said \" NaN","f":1.5,"n":null})", {}, {});
  ASSERT_TRUE(args);
  EXPECT_TRUE(std::isnan(**args->real("a")));
  EXPECT_EQ(**args->real("b"), -INFINITY);
  EXPECT_EQ(**args->number("c"), 12);
  EXPECT_EQ(**args->number("d"), 12);
  EXPECT_EQ(*args->text("e"), "NaN said \" NaN");
  EXPECT_FALSE(args->number("f"));
  EXPECT_FALSE(args->number("e"));
  EXPECT_FALSE(args->has("n"));
  EXPECT_FALSE(Args::read("[1]", {}, {}));
  EXPECT_FALSE(Args::read("{\"a\":", {}, {}));
  const auto query = Args::read("", {{"run_ids", "a"}, {"run_ids", "b"}, {"x", "1"}}, {{"model_id", "m"}});
  EXPECT_EQ(query->texts("run_ids")->size(), 2u);
  EXPECT_EQ(query->texts("x")->size(), 1u);
  EXPECT_EQ(Out().open('{').field("a", "q\"\n\x01").key("b").real(1).close('}').take(),
            R"({"a":"q\"\u000a\u0001","b":1.0})");
}

}  // namespace
}  // namespace ingot::registry
