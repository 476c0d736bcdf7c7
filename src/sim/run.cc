#include "sim/run.h"

#include <cstdio>
#include <functional>
#include <memory>

#include "node/list_watch.h"
#include "sim/checks.h"
#include "sim/machine.h"
#include "sim/plane.h"
#include "sim/scene.h"

namespace ingot::sim {
namespace {
using namespace std::chrono_literals;

constexpr int kNodes = 3, kGpus = 4;

class Run {
 public:
  explicit Run(const RunOptions& options)
      : options_(options),
        world_(options.seed),
        disk_(world_),
        faults_(world_),
        network_(world_),
        truth_(world_),
        plane_(world_, disk_, faults_, network_),
        operator_(world_, disk_, faults_, "operator"),
        operator_link_(network_, operator_.process()),
        operator_api_(operator_.env(), operator_link_),
        scene_(world_, diary_.violations, [this](auto... what) { return call(std::move(what)...); }) {
    world_.print_trace(options.trace);
    report_.seed = options.seed;
  }
  ~Run() {
    plane_.kill();
    world_.clear();  // what is queued holds files of the disk
  }

  RunReport go() {
    build();
    if (diary_.violations.empty()) {
      live();
      settle();
      judge();
    }
    report_.violations = diary_.violations;
    report_.hash = world_.hash();
    report_.events = world_.events();
    report_.operations = diary_.operations;
    report_.acknowledged = diary_.acknowledged;
    report_.virtual_s = double(world_.now().time_since_epoch().count()) * 1e-9;
    return std::move(report_);
  }

 private:
  // The operator's requests, as everybody's, go through the network; only the identity differs.
  struct OperatorLink final : node::Transport {
    OperatorLink(Network& n, ProcessPtr p) : network(n), process(std::move(p)) {}
    apiserver::Request request(node::Call c) const {
      apiserver::Request r;
      r.method = std::move(c.method);
      r.target = std::move(c.path);
      r.body = std::move(c.body);
      r.content_type = std::move(c.content_type);
      r.accept = "application/json";
      r.identity = apiserver::Identity{.name = "operator",
                                       .groups = {"ingot:operators", "system:authenticated"},
                                       .uid = {},
                                       .home = kRootCluster};
      return r;
    }
    void call(node::Call c, std::move_only_function<void(Result<node::Answer>)> done) override {
      network.call(process, request(std::move(c)), std::move(done));
    }
    std::unique_ptr<node::Watch> stream(std::string path, std::function<void(std::string_view)> line,
                                        std::function<void(Result<int>)> closed) override {
      return network.stream(process, request({.method = "GET", .path = std::move(path), .body = {}}),
                            std::move(line), std::move(closed));
    }
    Network& network;
    ProcessPtr process;
  };

  void violate(std::string what) { diary_.violate(std::move(what)); }

  // A call of the operator, waited for in virtual time.
  Result<node::Answer> call(std::string method, std::string path, std::string body = {},
                            std::string type = "application/json") {
    std::optional<Result<node::Answer>> got;
    operator_api_.call({.method = std::move(method),
                        .path = std::move(path),
                        .body = std::move(body),
                        .content_type = std::move(type)},
                       [&](Result<node::Answer> answer) { got = std::move(answer); });
    world_.run_while(world_.now() + 30s, [&] { return got.has_value(); });
    if (!got) return fail(Reason::Timeout, "no answer in 30 s");
    return std::move(*got);
  }

  void build() {
    if (!plane_.start()) return violate("the control plane does not start on an empty disk");
    auto homes = scene_.make();
    if (!homes) return;
    homes_ = *std::move(homes);
    for (int i = 0; i < kNodes; ++i)
      machines_.push_back(std::make_unique<Machine>(world_, disk_, faults_, network_, truth_,
                                                    "node-" + std::to_string(i), kGpus));
    if (!scene_.give_node("node-2")) return violate("node-2 does not come");
    pods_watch_ = operator_api_.watch("/clusters/*/api/v1/pods", pods_replay_);
    maps_watch_ = operator_api_.watch("/clusters/*/api/v1/configmaps", maps_replay_);
    for (const TenantHome& home : homes_) {
      std::vector<TenantHome> others;
      for (const TenantHome& other : homes_)
        if (other.name != home.name) others.push_back(other);
      for (const char* person : {"ada", "grace"})
        users_.push_back(std::make_unique<User>(world_, network_, disk_, faults_, diary_, home, others,
                                                std::string(person) + "-" + home.name));
    }
  }

  void live() {
    std::vector<std::string> clusters;
    for (const TenantHome& home : homes_) clusters.push_back(home.cluster);
    scheduling_ = std::make_unique<SchedulingChecks>(diary_.violations, clusters);
    state_ = std::make_unique<StateChecks>(diary_.violations, std::move(clusters));
    workflows_ = std::make_unique<WorkflowChecks>(diary_.violations);
    budget_ = std::make_unique<BudgetChecks>(diary_.violations, Scene::kBudgeted, Scene::kAmount);
    watch_changes();
    if (!options_.plant.empty()) faults_.set(options_.plant, 1.0);
    for (auto& user : users_) user->start();
    glance();
    const Instant end = world_.now() + 20min;
    while (world_.now() < end &&
           (diary_.operations < options_.operations || report_.faults < options_.faults)) {
      world_.run_until(world_.now() + world_.random().between(300ms, 2s));
      misfortune();
      start_plane();
    }
    for (auto& user : users_) user->stop();
  }

  void start_plane() {
    if (!plane_.runs() && plane_.start()) watch_changes();
  }
  void watch_changes() {
    if (auto* shard = plane_.shard())
      (void)shard->watch(
          {}, shard->stats().durable,
          std::make_shared<ChangeWatcher>(*state_, *scheduling_, *workflows_, *budget_, truth_));
  }

  // Looks at the whole state now and then, inside a turn like everybody.
  void glance() {
    if (auto* shard = plane_.shard()) (void)shard->submit([this](store::Turn& turn) { look_at(turn); });
    world_.at(world_.now() + world_.random().between(100ms, 900ms), operator_.process(),
              [this] { glance(); });
  }

  void look_at(store::Turn& turn) {
    state_->look(turn, truth_, world_.now());
    scheduling_->look(turn);
  }

  void note(const char* kind) {
    ++report_.faults;
    report_.kinds.insert(kind);
    world_.trace(std::string("misfortune ") + kind);
  }

  void misfortune() {
    Random& r = world_.random();
    Machine& machine = *machines_[r.below(machines_.size())];
    switch (r.below(9)) {
      case 0:
        note("plane killed");
        return plane_.kill();
      case 1:
        note("power lost");
        return plane_.power_loss();
      case 2:
        note("network troubled");
        return network_.trouble(0.05 + 0.2 * double(r.below(100)) / 100, r.between(1ms, 2s));
      case 3:
        note("disk troubled");
        return disk_.trouble(0.0005 + 0.005 * double(r.below(100)) / 100);
      case 4:
        note("agent crashed");
        machine.crash_agent();
        return machine.start_agent();
      case 5:
        note("machine power cycled");
        return machine.power_cycle();
      case 6:
        note("containers fail");
        return faults_.set("node.container.fail", 0.3);
      case 7: {
        note("board failed");
        if (r.chance(0.3)) return machine.mend_boards();
        const size_t board = r.below(kGpus);
        return r.chance(0.5) ? machine.lose_board(board) : machine.report_xid(board, 79);
      }
      default:
        network_.trouble(0, 0ns);
        disk_.trouble(0);
        faults_.set("node.container.fail", 0);
        faults_.set("node.sandbox.fail", r.chance(0.5) ? 0.2 : 0);
        note("sandboxes fail");
    }
  }

  // The faults end; everything must come to rest by itself.
  void settle() {
    network_.trouble(0, 0ns);
    disk_.trouble(0);
    faults_.set("node.container.fail", 0);
    faults_.set("node.sandbox.fail", 0);
    for (auto& machine : machines_) {
      machine->start_agent();
      machine->mend_boards();
    }
    start_plane();
    budget_->lift();
    scene_.let_all_run();
    // Everybody who still waits may send somebody away, and be made again himself, but not over and over.
    (void)look([this](store::Turn& turn) { look_at(turn); });
    const size_t before = scheduling_->evictions(), most = 2 * scheduling_->unfinished() + 4;
    const Instant end = world_.now() + 60min;
    while (world_.now() < end) {
      world_.run_until(world_.now() + 10s);
      start_plane();
      std::vector<std::string> restless;
      if (!look([&](store::Turn& turn) {
            check_rest(turn, restless);
            check_workflows_rest(turn, restless);
          }))
        continue;
      last_restless_ = std::move(restless);
      if (last_restless_.empty()) break;
    }
    if (const size_t n = scheduling_->evictions() - before; n > most)
      violate("reclaim does not converge: " + std::to_string(n) +
              " pods were sent away after the last fault, of " + std::to_string((most - 4) / 2) +
              " that were left");
    for (std::string& what : last_restless_) violate(std::move(what));
    if (options_.trace && !last_restless_.empty()) dump();
  }

  // What is left, for whoever replays the seed.
  void dump() {
    look([](store::Turn& turn) {
      turn.range("", "", [](const store::ObjectPtr& object) {
        const std::string_view resource = object->key.resource();
        if (resource == "pods" || resource == "allocations.factory.ingot.dev")
          std::printf("LEFT %s %s\n", object->key.text().c_str(), object->json.c_str());
        return true;
      });
    });
  }

  // Runs `what` in a turn of its own; false when the plane does not answer.
  bool look(std::function<void(store::Turn&)> what) {
    auto* shard = plane_.shard();
    bool done = false;
    if (!shard || !shard->submit([&](store::Turn& turn) {
          what(turn);
          done = true;
        }))
      return false;
    return world_.run_while(world_.now() + 5s, [&] { return done; });
  }

  void judge() {
    world_.run_until(world_.now() + 30s);  // watchers that broke have listed again
    if (!look([this](store::Turn& turn) {
          look_at(turn);
          compare(turn, "pods", *pods_replay_);
          compare(turn, "configmaps", *maps_replay_);
        }))
      violate("the control plane does not answer at the end");
    ledger();
    for (auto& user : users_) {
      bool done = false;
      user->audit([&] { done = true; });
      if (!world_.run_while(world_.now() + 5min, [&] { return done; })) violate("an audit that does not end");
    }
    counters();
    const auto share = [&](const std::string& a, const std::string& b) { return state_->share(a, b); };
    for (const std::string& what : truth_.held_twice(share)) violate(what);
    report_.states = state_->states();
    report_.steps = workflows_->succeeded();
  }

  void compare(store::Turn& turn, std::string_view resource, const Replay& replay) {
    std::map<std::string, std::string> there;
    turn.range("", "", [&](const store::ObjectPtr& object) {
      if (object->key.resource() == resource)
        there[std::string(object->key.cluster()) + "/" + std::string(object->key.ns()) + "/" +
              std::string(object->key.name())] = std::to_string(object->revision.value);
      return true;
    });
    if (there == replay.objects()) return;
    for (const auto& [key, revision] : there)
      if (const auto it = replay.objects().find(key); it == replay.objects().end() || it->second != revision)
        return violate("list and watch differ: " + std::string(resource) + " " + key + " is at " + revision +
                       ", the watch says " + (it == replay.objects().end() ? "gone" : it->second));
    violate("list and watch differ: the watch has " + std::string(resource) + " that are gone");
  }

  void ledger() {
    auto* shard = plane_.shard();
    if (!shard) return;
    const auto budget = scene_.budget();
    if (!budget) violate("acknowledged and lost: the Budget");
    bool done = false;
    shard->rows({.stream = "ledger", .cluster = "", .since = {}, .until = {}, .after = 0, .limit = 100'000},
                [&](Result<std::vector<store::StoredRow>> rows) {
                  done = true;
                  if (!rows) return violate("the ledger cannot be read: " + rows.error().message);
                  check_ledger(*rows, truth_, *state_, diary_.violations);
                  if (budget) budget_->compare(*budget, *rows);
                });
    if (!world_.run_while(world_.now() + 10s, [&] { return done; })) violate("the ledger is not answered");
  }

  void counters() {
    for (const TenantHome& home : homes_) {
      const uint64_t acked = diary_.counters_acked[home.name], tried = diary_.counters_tried[home.name];
      const auto got =
          call("GET", "/clusters/" + home.name + "/api/v1/namespaces/default/configmaps/counter");
      if (!got || got->code != 200) {
        if (acked) violate("acknowledged and lost: the counter of " + home.name);
        continue;
      }
      const auto object = api::parse_json(got->body);
      const uint64_t value = std::stoull("0" + std::string(api::string_at(*object, {"data", "value"})));
      if (value < acked || value > tried)
        violate("lost update: " + home.name + " counted " + std::to_string(value) + ", acknowledged " +
                std::to_string(acked) + " of " + std::to_string(tried));
    }
  }

  RunOptions options_;
  RunReport report_;
  World world_;
  Disk disk_;
  FaultPlan faults_;
  Network network_;
  Truth truth_;
  Diary diary_;
  Plane plane_;
  Ports operator_;
  OperatorLink operator_link_;
  node::ListWatchApi operator_api_;
  Scene scene_;
  std::vector<TenantHome> homes_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<std::unique_ptr<User>> users_;
  std::shared_ptr<Replay> pods_replay_ = std::make_shared<Replay>(),
                          maps_replay_ = std::make_shared<Replay>();
  std::unique_ptr<node::Watch> pods_watch_, maps_watch_;
  std::unique_ptr<StateChecks> state_;
  std::unique_ptr<SchedulingChecks> scheduling_;
  std::unique_ptr<WorkflowChecks> workflows_;
  std::unique_ptr<BudgetChecks> budget_;
  std::vector<std::string> last_restless_;
};

}  // namespace

RunReport run_seed(const RunOptions& options) { return Run(options).go(); }

std::vector<std::string> fault_kinds() {
  return {"plane killed",         "power lost",      "network troubled", "disk troubled", "agent crashed",
          "machine power cycled", "containers fail", "board failed",     "sandboxes fail"};
}

const std::vector<PlantedBug>& planted_bugs() {
  static const std::vector<PlantedBug> kBugs{
      {"a lost update", "apiserver.update.ignore_revision", "lost update"},
      {"a skipped fsync", "store.commit.skip_sync", "acknowledged and lost"},
      {"a double grant", "placement.double_grant", "twice"},
      {"a leaked read across tenants", "apiserver.read.other_cluster", "read across tenants"},
      {"a pod left on a faulty board", "device_health.skip", "not drained"},
      {"a partial gang", "scheduler.partial_gang", "partial gang"},
      {"a forgotten limit", "placement.forget_limit", "quota exceeded"},
      {"a pool open to all", "placement.forget_pool", "pool entered"},
      {"gates that nobody asks", "placement.ignore_gates", "gate passed"},
      {"a budget that nobody asks", "placement.ignore_budgets", "budget passed"},
      {"a row of the ledger that no budget counts", "budgets.skip_row", "budget miscounted"},
      {"a queue open to all", "placement.any_queue", "queue not open"},
      {"equals that preempt each other", "scheduler.preempt_equals", "preemption loop"},
      {"equals that never come to rest", "scheduler.preempt_equals", "does not converge"},
      {"a shared claim charged to nobody", "placement.charge_nobody", "twice"},
      {"a run that forgets its nodes", "pipelines.forget_nodes", "a step twice"},
      {"a holding that is not metered", "metering.skip_row", "held and not metered"},
  };
  return kBugs;
}

}  // namespace ingot::sim
