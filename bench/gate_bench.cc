// A verdict on a pod among many gates: build/release/gate_bench [GATES] prints one JSON object. The gates are of all kinds that
// judge pods, a tenth of them for everybody and the others spread over fifty tenants and ten queues; the pods are of all tenants,
// with three images, a data set and a scan of each image. A verdict is all that placement does: facts are gathered from the
// pod's JSON, and the gates are asked.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "policy/gates.h"

namespace ingot::policy {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr int kTenants = 50, kQueues = 10, kImages = 200, kQuestions = 20'000;

api::Json json(const std::string& text) { return *api::parse_json(text); }

std::string digest(int i) { return fmt::format("sha256:{:064x}", i); }

// Of this thread alone: what else the machine does does not count. It waits for nothing.
double thread_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) * 1e6 + double(t.tv_nsec) / 1e3;
}

std::string rule(int kind) {
  switch (kind) {
    case 0:
      return R"("security":{"registries":["docker.io/team/*","registry.example"]})";
    case 1:
      return R"("security":{"scan":{"maxAge":"720h","maxSeverity":"high"}})";
    case 2:
      return R"("security":{"podSecurity":"baseline"})";
    case 3:
      return R"("privacy":{"clearance":"confidential","regions":["eu"]})";
    default:
      return R"("budget":{"maxCost":"500.00"})";
  }
}

void fill(GateSet& set, Images& images, int gates) {
  for (int i = 0; i < gates; ++i) {
    std::string match;
    if (i % 10 == 1)
      match = fmt::format(R"("queues":["queue-{}"])", i / 10 % kQueues);
    else if (i % 10 != 0)
      match = fmt::format(R"("tenants":["team-{}"])", i % kTenants);
    const std::string name = fmt::format("gate-{}", i);
    const api::Json gate =
        json(fmt::format(R"({{"spec":{{"match":{{{}}},"rules":[{{"name":"a",{}}},{{"name":"b",{}}}]}}}})",
                         match, rule(i % 5), rule((i + 1) % 5)));
    set.set_gate(name, &gate);
  }
  for (int i = 0; i < kImages; ++i) {
    images.put(json(fmt::format(R"({{"spec":{{"tenant":"","reference":"team/image-{}:1","digest":"{}"}}}})",
                                i, digest(i))));
    const api::Json scan =
        json(fmt::format(R"({{"spec":{{"digest":"{}","scannedAt":"{}","findings":{{"low":7,"medium":2}}}}}})",
                         digest(i), to_rfc3339(kNow - std::chrono::hours(24))));
    set.set_scan(fmt::format("scan-{}", i), &scan);
  }
}

int run(int gates) {
  GateSet set;
  Images images;
  fill(set, images, gates);
  std::mt19937 random(7);
  const auto dataset = [](std::string_view) { return std::optional(DatasetFact{Clearance::Internal, "eu"}); };
  std::vector<double> took;
  size_t asked = 0, held = 0;
  for (int i = 0; i < kQuestions; ++i) {
    const api::Json pod = json(fmt::format(
        R"({{"metadata":{{"name":"p"}},"spec":{{"containers":[{{"name":"a","image":"team/image-{}:1"}},{{"name":"b","image":"team/image-{}:1"}}],
            "initContainers":[{{"name":"i","image":"team/image-{}:1"}}],
            "volumes":[{{"csi":{{"driver":"datasets.ingot.dev","volumeAttributes":{{"dataset":"d","version":"1"}}}}}}]}}}})",
        random() % kImages, random() % kImages, random() % kImages));
    const double begin = thread_us();
    Facts facts;
    facts.tenant = fmt::format("team-{}", random() % kTenants);
    facts.ns = "default";
    facts.name = "p";
    facts.queues = {fmt::format("queue-{}", random() % kQueues), "lab"};
    facts.cost_micros = 1'000'000;
    facts.currency = "USD";
    add_pod(facts, pod, {images, dataset});
    const Verdict verdict = set.judge(facts, kNow);
    took.push_back(thread_us() - begin);
    asked += verdict.gates.size();
    held += verdict.holds();
  }
  std::ranges::sort(took);
  std::printf("{\"id\":\"gate_us\",\"gates\":%d,\"p50\":%.1f,\"p99\":%.1f,\"asked\":%.1f,\"held\":%zu}\n",
              gates, took[took.size() / 2], took[took.size() * 99 / 100], double(asked) / kQuestions, held);
  return held == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ingot::policy

int main(int argc, char** argv) { return ingot::policy::run(argc > 1 ? std::atoi(argv[1]) : 1'000); }
