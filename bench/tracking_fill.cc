// ingot-tracking-fill FILE RUNS POINTS: a cluster's tracking file as a team leaves it, through the same handlers that requests go
// through: RUNS runs of one experiment with five metrics, five parameters and three tags each, and one run with POINTS
// points of the metric `loss`, whose id is printed.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "api/json.h"
#include "registry/tracker.h"

namespace {

using ingot::registry::Args;
using ingot::registry::Call;
using ingot::registry::Tracker;

class Filler {
 public:
  explicit Filler(std::unique_ptr<Tracker> tracker) : tracker_(std::move(tracker)) {}

  ingot::api::Json call(std::string_view op, const std::string& body) {
    auto args = Args::read(body, {}, {});
    if (!args) die(args.error().message);
    Call call{.args = std::move(*args), .body_bytes = body.size(), .user = "ada", .now_ms = now_++};
    call.random = {dice_(), dice_()};
    const auto answer = tracker_->handle(op, call);
    if (!answer) die(answer.error().message);
    if (++waiting_ >= 4'000) commit();
    return *ingot::api::parse_json(*answer);
  }
  std::string run(int i) {
    const std::string body = R"({"experiment_id":"0","start_time":)" + std::to_string(now_) +
                             R"(,"run_name":"run-)" + std::to_string(i) + "\"}";
    return std::string(ingot::api::string_at(call("runs/create", body), {"run", "info", "run_id"}));
  }
  void commit() {
    waiting_ = 0;
    if (const auto done = tracker_->commit(); !done) die(done.error().message);
  }
  uint64_t dice() { return dice_(); }
  const ingot::registry::Book& book() const { return tracker_->book(); }

  [[noreturn]] static void die(const std::string& what) {
    std::fprintf(stderr, "ingot-tracking-fill: %s\n", what.c_str());
    std::exit(1);
  }

 private:
  std::unique_ptr<Tracker> tracker_;
  std::mt19937_64 dice_{7};
  int64_t now_ = 1'700'000'000'000;
  int waiting_ = 0;
};

void fill_run(Filler& filler, int i) {
  const std::string run = filler.run(i);
  std::string metrics, params, tags;
  const auto real = [&] { return std::to_string(double(filler.dice() % 1'000'000) / 1e6); };
  for (const char* key : {"loss", "accuracy", "val_loss", "val_accuracy", "lr"})
    metrics += std::string(metrics.empty() ? "" : ",") + R"({"key":")" + key + R"(","value":)" + real() +
               R"(,"timestamp":1700000000000,"step":)" + std::to_string(filler.dice() % 1000) + "}";
  const auto pair = [](std::string& to, const char* key, const std::string& value) {
    to += std::string(to.empty() ? "" : ",") + R"({"key":")" + key + R"(","value":")" + value + "\"}";
  };
  pair(params, "lr", "0.00" + std::to_string(filler.dice() % 20));
  pair(params, "layers", std::to_string(filler.dice() % 12));
  pair(params, "optimizer", filler.dice() % 3 ? "adam" : "sgd");
  pair(params, "batch", std::to_string(16 << filler.dice() % 6));
  pair(params, "seed", std::to_string(filler.dice() % 100'000));
  pair(tags, "team", "team-" + std::to_string(filler.dice() % 40));
  pair(tags, "stage", filler.dice() % 10 ? "experiment" : "candidate");
  pair(tags, "host", "node-" + std::to_string(filler.dice() % 200));
  filler.call("runs/log-batch", R"({"run_id":")" + run + R"(","metrics":[)" + metrics + R"(],"params":[)" +
                                    params + R"(],"tags":[)" + tags + "]}");
}

void fill_points(Filler& filler, const std::string& run, int points) {
  for (int done = 0; done < points;) {
    std::string metrics;
    for (int i = 0; i < 1000 && done < points; ++i, ++done)
      metrics += std::string(i ? "," : "") + R"({"key":"loss","value":)" + std::to_string(1.0 / (done + 1)) +
                 R"(,"timestamp":)" + std::to_string(1'700'000'000'000 + done) + R"(,"step":)" +
                 std::to_string(done) + "}";
    filler.call("runs/log-batch", R"({"run_id":")" + run + R"(","metrics":[)" + metrics + "]}");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) Filler::die("usage: ingot-tracking-fill FILE RUNS POINTS");
  auto opened = Tracker::open(argv[1], 1'700'000'000'000);
  if (!opened) Filler::die(opened.error().message);
  Filler filler(std::move(*opened));
  for (int i = 0, n = std::atoi(argv[2]); i < n; ++i) fill_run(filler, i);
  const std::string run = filler.run(-1);
  fill_points(filler, run, std::atoi(argv[3]));
  filler.commit();
  std::printf("{\"run\": \"%s\", \"runs\": %zu, \"memory_bytes\": %zu}\n", run.c_str(),
              filler.book().runs().size(), filler.book().bytes());
}
