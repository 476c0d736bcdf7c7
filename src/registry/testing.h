// A Tracker on a file of its own, for tests: requests as one call each, committed each.
// Thread rule: the test's thread.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "api/mlflow_error.h"
#include "registry/tracker.h"

namespace ingot::registry {

class TestTracking {
 public:
  TestTracking() {
    std::string name = (std::filesystem::temp_directory_path() / "ingot-registry-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    reopen();
  }
  ~TestTracking() { std::filesystem::remove_all(directory_); }
  TestTracking(const TestTracking&) = delete;
  TestTracking& operator=(const TestTracking&) = delete;

  // What is durable, read again.
  void reopen() {
    tracker.reset();
    auto opened = Tracker::open(directory_ + "/c1.db", now);
    ASSERT_TRUE(opened) << opened.error().message;
    tracker = std::move(*opened);
  }

  Result<std::string> send(std::string_view op, std::string_view body,
                           std::vector<std::pair<std::string, std::string>> origin = {}) {
    auto args = Args::read(body, {}, {});
    if (!args) return fail(args.error());
    Call call{
        .args = std::move(*args), .body_bytes = body.size(), .user = "ada", .origin = std::move(origin)};
    call.now_ms = ++now;
    call.random = {++dice_ * 0x9e3779b97f4a7c15, dice_ * 0xc2b2ae3d27d4eb4f};
    auto answer = tracker->handle(op, call);
    if (auto committed = tracker->commit(); !committed) return fail(committed.error());
    return answer;
  }
  // The answer, or {"error_code", "message"}.
  api::Json call(std::string_view op, std::string_view body,
                 std::vector<std::pair<std::string, std::string>> origin = {}) {
    const auto answer = send(op, body, std::move(origin));
    const auto value = api::parse_json(answer ? *answer : api::mlflow_error_text(answer.error()));
    EXPECT_TRUE(value) << (answer ? *answer : "");
    return value ? *value : api::Json();
  }
  std::string code(std::string_view op, std::string_view body) {
    const auto answer = send(op, body);
    return answer ? "" : std::string(api::mlflow_code(answer.error()).name);
  }
  std::string run(std::string_view more = "") {
    const api::Json made = call("runs/create", R"({"experiment_id":"0")" + std::string(more) + "}");
    return std::string(api::string_at(made, {"run", "info", "run_id"}));
  }
  api::Json get(const std::string& run) { return call("runs/get", R"({"run_id":")" + run + "\"}"); }
  // {"run_id": run, more…}
  static std::string of(const std::string& run, std::string_view more) {
    return R"({"run_id":")" + run + "\"," + std::string(more) + "}";
  }
  // The values of a list of {key, value} as "k=v …", in the order of keys.
  static std::string pairs(const api::JsonArray& list) {
    std::map<std::string, std::string> sorted;
    for (const api::Json& one : list) {
      const api::Json& value = one.at("value");
      sorted[std::string(api::string_at(one, {"key"}))] =
          value.is_string() ? std::string(value.get_string()) : api::to_text(value);
    }
    std::string out;
    for (const auto& [key, value] : sorted) out += (out.empty() ? "" : " ") + key + "=" + value;
    return out;
  }

  std::unique_ptr<Tracker> tracker;
  int64_t now = 1'700'000'000'000;

 private:
  std::string directory_;
  uint64_t dice_ = 0;
};

}  // namespace ingot::registry
