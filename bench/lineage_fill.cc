// ingot-lineage-fill FILE CLUSTER RUNS: the history of RUNS runs into a factory's file while no factory runs: each read one of 200
// data sets, ran from one of RUNS/10 commits with one of 50 images and held a GPU; each tenth registered a version of one of 20
// models. Rows are as the factory writes them.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/encoding.h"
#include "store/file.h"

namespace {

using namespace ingot;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "ingot-lineage-fill: %s\n", what.c_str());
  std::exit(1);
}

std::string digest(std::string_view of) { return "sha256:" + hex(sha256(of)); }

class Filler {
 public:
  Filler(store::File& file, std::string cluster, uint64_t sequence)
      : file_(file), cluster_(std::move(cluster)), sequence_(sequence) {}

  void run(int i, int runs) {
    const std::string uid = uuid(dice_(), dice_()), pod = uuid(dice_(), dice_()),
                      name = fmt::format("train-{}", i);
    const std::string commit =
        hex(sha256(fmt::format("commit {}", i % std::max(1, runs / 10)))).substr(0, 40);
    const int data = int(dice_() % 200), image = int(dice_() % 50);
    const std::string from = to_rfc3339(at_), to = to_rfc3339(at_ + std::chrono::seconds(600));
    const std::string of_run = fmt::format(
        R"("namespace":"default","run":{{"kind":"Workflow","name":"{}","uid":"{}"}},"commit":"{}","repository":"digits","url":"https://git.example/digits")",
        name, uid, commit);
    const std::string of_pod = fmt::format(
        R"("pod":"{0}-1","uid":"{1}","phase":"Succeeded","step":"train","node":"node-{2}","started":"{3}","finished":"{4}","images":[{{"container":"main","image":"train:{5}","digest":"{6}"}}])",
        name, pod, i % 64, from, to, image, digest(fmt::format("image {}", image)));
    if (i % 10 == 0) version(i, uid, pod, name, commit, data, image);
    row("lineage",
        fmt::format(R"({{"type":"run.pod",{},{},"datasets":[{{"name":"set{}-v1","manifest":"{}"}}]}})",
                    of_run, of_pod, data, digest(fmt::format("data {}", data))));
    row("lineage",
        fmt::format(
            R"({{"type":"run.workflow",{},"phase":"Succeeded","started":"{}","finished":"{}","template":"train","parameters":{{"epochs":"{}","lr":"0.001"}},"pods":[{{{}}}]}})",
            of_run, from, to, i % 30, of_pod));
    const std::string held = fmt::format(
        R"("tenant":"many","cluster":"{}","namespace":"default","pod":"{}-1","podUID":"{}","node":"node-{}","from":"{}","to":"{}","microseconds":600000000,"simulated":true,"currency":"USD","cost":"0.333333")",
        cluster_, name, pod, i % 64, from, to);
    row("ledger",
        fmt::format(R"({{"device":"GPU-{}","model":"H100-80GB","gpuHour":"2.000000",{}}})", i % 512, held));
    row("ledger", fmt::format(R"({{"device":"cpu","cpuMilli":4000,"memoryMiB":16384,{}}})", held));
    at_ += std::chrono::seconds(7);
    if (batch_.rows.size() >= 5'000) commit_rows();
  }
  void commit_rows() {
    if (auto done = file_.commit(std::exchange(batch_, {})); !done) die(done.error().error.message);
  }

 private:
  void version(int i, const std::string& uid, const std::string& pod, const std::string& name,
               const std::string& commit, int data, int image) {
    const int model = i / 10 % 20, number = i / 200 + 1;
    const std::string of =
        fmt::format(R"("model":"model-{}","version":{},"uid":"{}")", model, number, uuid(dice_(), dice_()));
    const std::string made = fmt::format(
        R"("namespace":"default","pod":"{}-1","podUid":"{}","workflow":"{}","workflowUid":"{}","node":"n1")",
        name, pod, name, uid);
    row("lineage",
        fmt::format(
            R"({{"type":"version.registered",{},"by":"ada","origin":"run","manifest":"{}","runId":"{:032x}","provenanceOf":{{{},"commit":"{}","repository":"digits","parameters":{{"hidden":"64","alpha":"0.0001"}},"metrics":{{"accuracy":"0.97"}}}}}})",
            of, digest(fmt::format("files {}", i)), i, made, commit));
    row("lineage",
        fmt::format(
            R"({{"type":"version.ready",{},"keyId":"{}","signature":"{}","provenance":"{}","build":{{"internalParameters":{{{},"run":"{:032x}"}},"externalParameters":{{"workflowParameters":{{"epochs":"3"}}}},"resolvedDependencies":[{{"name":"source","uri":"https://git.example/digits","digest":{{"gitCommit":"{}"}}}},{{"name":"data set version set{}-v1","digest":{{"sha256":"{}"}}}},{{"name":"image of container main","uri":"train:{}","digest":{{"sha256":"{}"}}}}]}}}})",
            of, hex(sha256("key")), digest(fmt::format("s{}", i)), digest(fmt::format("p{}", i)), made, i,
            commit, data, hex(sha256(fmt::format("data {}", data))), image,
            hex(sha256(fmt::format("image {}", image)))));
    row("lineage",
        fmt::format(
            R"({{"type":"alias.moved","model":"model-{}","alias":"production","to":{},"by":"grace"}})", model,
            number));
  }
  void row(std::string stream, std::string data) {
    batch_.rows.push_back(
        {sequence_++,
         {.stream = std::move(stream), .cluster = cluster_, .at = at_, .data = std::move(data)}});
  }

  store::File& file_;
  const std::string cluster_;
  uint64_t sequence_;
  store::Batch batch_;
  std::mt19937_64 dice_{7};
  WallTime at_{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) die("usage: ingot-lineage-fill FILE CLUSTER RUNS");
  store::Options options{.path = argv[1]};
  auto file = store::File::open("", options);
  if (!file) die(file.error().message);
  auto loaded = (*file)->load();
  if (!loaded) die(loaded.error().message);
  Filler filler(**file, argv[2], loaded->next_sequence);
  const int runs = std::atoi(argv[3]);
  for (int i = 0; i < runs; ++i) filler.run(i, runs);
  filler.commit_rows();
}
