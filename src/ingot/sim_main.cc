// ingot-sim: seeded simulations of the whole. `--suite` is what `./dev test` runs: it prints ok/fail lines.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "sim/checks.h"
#include "sim/run.h"

namespace {

using ingot::sim::RunOptions;
using ingot::sim::RunReport;

struct Totals {
  uint64_t seeds = 0, operations = 0, acknowledged = 0, events = 0, steps = 0, least_operations = UINT64_MAX;
  int least_faults = 1 << 30, faults = 0;
  std::set<std::string> states, kinds;
  std::map<uint64_t, uint64_t> hashes;
  std::map<uint64_t, std::vector<std::string>> violations;

  void add(const RunReport& r) {
    ++seeds;
    operations += r.operations;
    acknowledged += r.acknowledged;
    events += r.events;
    steps += r.steps;
    faults += r.faults;
    least_operations = std::min(least_operations, r.operations);
    least_faults = std::min(least_faults, r.faults);
    states.insert(r.states.begin(), r.states.end());
    kinds.insert(r.kinds.begin(), r.kinds.end());
    hashes[r.seed] = r.hash;
    if (!r.violations.empty()) violations[r.seed] = r.violations;
  }
};

// Reports cross from a child as lines: a tag, a tab, a value; "end" closes one.
void send(std::FILE* out, const RunReport& r) {
  std::fprintf(out, "run\t%llu %llu %llu %llu %llu %d %zu\n", (unsigned long long)r.seed,
               (unsigned long long)r.hash, (unsigned long long)r.operations,
               (unsigned long long)r.acknowledged, (unsigned long long)r.events, r.faults, r.steps);
  for (const auto& s : r.states) std::fprintf(out, "state\t%s\n", s.c_str());
  for (const auto& s : r.kinds) std::fprintf(out, "kind\t%s\n", s.c_str());
  for (const auto& s : r.violations) std::fprintf(out, "violation\t%s\n", s.c_str());
  std::fprintf(out, "end\t\n");
  std::fflush(out);
}

void receive(const std::string& line, RunReport& r, Totals& totals) {
  const size_t tab = line.find('\t');
  if (tab == line.npos) return;
  const std::string tag = line.substr(0, tab), value = line.substr(tab + 1);
  if (tag == "run") {
    std::istringstream(value) >> r.seed >> r.hash >> r.operations >> r.acknowledged >> r.events >> r.faults >>
        r.steps;
  } else if (tag == "state") {
    r.states.insert(value);
  } else if (tag == "kind") {
    r.kinds.insert(value);
  } else if (tag == "violation") {
    r.violations.push_back(value);
  } else {
    totals.add(r);
    r = {};
  }
}

// Runs seeds [first, first + count) in one process a core. A child that dies is a violation of the seed it was at.
Totals run_many(uint64_t first, uint64_t count, const std::string& plant) {
  const unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  Totals totals;
  std::vector<std::pair<std::FILE*, pid_t>> children;
  for (unsigned job = 0; job < jobs; ++job) {
    int fds[2];
    if (pipe(fds) != 0) std::exit(1);
    const pid_t child = fork();
    if (child == 0) {
      close(fds[0]);
      std::FILE* out = fdopen(fds[1], "w");
      for (uint64_t seed = first + job; seed < first + count; seed += jobs) {
        std::fprintf(out, "start\t%llu\n", (unsigned long long)seed);
        std::fflush(out);
        RunOptions options;
        options.seed = seed;
        options.plant = plant;
        send(out, run_seed(options));
      }
      _exit(0);
    }
    close(fds[1]);
    children.emplace_back(fdopen(fds[0], "r"), child);
  }
  for (auto& [in, child] : children) {
    RunReport report;
    std::string at;
    char line[4096];
    while (std::fgets(line, sizeof line, in)) {
      std::string text(line);
      while (!text.empty() && text.back() == '\n') text.pop_back();
      if (text.starts_with("start\t"))
        at = text.substr(6);
      else
        receive(text, report, totals);
    }
    std::fclose(in);
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0 && !at.empty()) totals.violations[std::stoull(at)].push_back("the program died");
  }
  return totals;
}

void print_violations(const Totals& totals) {
  size_t shown = 0;
  for (const auto& [seed, violations] : totals.violations) {
    if (++shown > 10) {
      std::printf("  … and %zu more seeds\n", totals.violations.size() - 10);
      break;
    }
    for (const std::string& v : violations)
      std::printf("  seed %llu: %s\n", (unsigned long long)seed, v.c_str());
    std::printf("  replay: ./dev sim --seed %llu\n", (unsigned long long)seed);
  }
}

void print_coverage(const Totals& t) {
  const auto& reachable = ingot::sim::reachable_states();
  size_t hit = 0;
  std::string missed, unexpected;
  for (const std::string& s : reachable)
    if (t.states.contains(s))
      ++hit;
    else
      (missed += missed.empty() ? "" : "; ") += s;
  for (const std::string& s : t.states)
    if (!reachable.contains(s)) (unexpected += unexpected.empty() ? "" : "; ") += s;
  std::printf("  %llu seeds, %llu requests (%llu at least a seed), %d faults (%d at least), %llu events\n",
              (unsigned long long)t.seeds, (unsigned long long)t.operations,
              (unsigned long long)t.least_operations, t.faults, t.least_faults, (unsigned long long)t.events);
  std::printf("  steps of workflows that succeeded: %llu\n", (unsigned long long)t.steps);
  std::printf("  pod states covered: %zu of %zu%s%s\n", hit, reachable.size(),
              missed.empty() ? "" : "; not: ", missed.c_str());
  if (!unexpected.empty()) std::printf("  pod states beyond the map: %s\n", unexpected.c_str());
  std::printf("  kinds of fault: %zu of %zu\n", t.kinds.size(), ingot::sim::fault_kinds().size());
}

int replay(uint64_t seed, const std::string& plant) {
  RunOptions options;
  options.seed = seed;
  options.plant = plant;
  options.trace = true;
  const RunReport report = run_seed(options);
  for (const std::string& v : report.violations) std::printf("VIOLATION %s\n", v.c_str());
  std::printf("seed %llu: %llu requests, %d faults, hash %016llx, %s\n", (unsigned long long)seed,
              (unsigned long long)report.operations, report.faults, (unsigned long long)report.hash,
              report.violations.empty() ? "all checks hold" : "VIOLATED");
  return report.violations.empty() ? 0 : 1;
}

bool same_hash(const Totals& totals, uint64_t first, uint64_t count) {
  const Totals again = run_many(first, count, "");
  return std::all_of(again.hashes.begin(), again.hashes.end(),
                     [&](const auto& entry) { return totals.hashes.at(entry.first) == entry.second; });
}

// Whether the check that is meant for it sees the bug within these seeds.
bool finds(const ingot::sim::PlantedBug& bug, uint64_t seeds) {
  for (uint64_t first = 1; first <= seeds; first += 8) {
    const Totals planted = run_many(first, std::min<uint64_t>(8, seeds - first + 1), bug.point);
    for (const auto& [seed, violations] : planted.violations)
      for (const std::string& v : violations)
        if (v.find(bug.shows) != v.npos) {
          std::printf("  %s: seed %llu: %.160s\n", bug.name.c_str(), (unsigned long long)seed, v.c_str());
          return true;
        }
  }
  return false;
}

// Seeds that failed once, one a line, '#' starts the story: they stay, whatever range is run.
std::vector<uint64_t> read_kept(const std::string& path) {
  std::vector<uint64_t> kept;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (uint64_t seed = 0; std::istringstream(line) >> seed) kept.push_back(seed);
  return kept;
}

int suite(uint64_t seeds, const std::string& kept_file) {
  Totals totals = run_many(1, seeds, "");
  for (const uint64_t seed : read_kept(kept_file))
    if (seed > seeds) totals.add(ingot::sim::run_seed({.seed = seed}));
  print_coverage(totals);
  print_violations(totals);
  bool ok = totals.violations.empty() && totals.least_operations >= 200 && totals.least_faults >= 5;
  std::printf("%s %llu seeds hold every check\n", ok ? "ok" : "fail", (unsigned long long)seeds);
  if (totals.violations.empty()) {
    const bool same = same_hash(totals, 1, 6);
    std::printf("%s the same seed gives the same trace\n", same ? "ok" : "fail");
    ok = ok && same;
  }
  for (const auto& bug : ingot::sim::planted_bugs()) {
    const bool found = finds(bug, seeds);
    std::printf("%s planted bug is found: %s\n", found ? "ok" : "fail", bug.name.c_str());
    ok = ok && found;
  }
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("seeded simulations of the whole factory", "ingot-sim");
  uint64_t seeds = 300, seed = 0;
  std::string plant;
  std::string kept;
  bool whole = false;
  app.add_option("--seeds", seeds, "how many seeds, from 1")->check(CLI::Range(1, 1'000'000));
  app.add_option("--seed", seed, "replay one seed, with its trace");
  app.add_option("--plant", plant, "a fault point to fire always: a planted bug");
  app.add_option("--kept", kept, "with --suite: a file of seeds that failed once")->check(CLI::ExistingFile);
  app.add_flag("--suite", whole, "the test suite: seeds, determinism, planted bugs");
  CLI11_PARSE(app, argc, argv);
  if (seed) return replay(seed, plant);
  if (whole) return suite(seeds, kept);
  const Totals totals = run_many(1, seeds, plant);
  print_coverage(totals);
  print_violations(totals);
  std::printf("%s\n", totals.violations.empty() ? "all checks hold" : "VIOLATED");
  return totals.violations.empty() ? 0 : 1;
}
