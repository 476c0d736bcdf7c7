#include "sim/plane.h"

namespace ingot::sim {

Plane::Process::Process(World& world, Disk& disk, FaultPlan& faults) : ports(world, disk, faults, "plane") {}

Plane::Plane(World& world, Disk& disk, FaultPlan& faults, Network& network)
    : world_(world), disk_(disk), faults_(faults), network_(network) {}
Plane::~Plane() { kill(); }

bool Plane::start() {
  if (process_) return true;
  auto p = std::make_unique<Process>(world_, disk_, faults_);
  store::Options options;
  options.path = "ingot.db";
  options.history_changes = 500;  // small, so that old revisions expire and watchers have to list again
  options.ballast_bytes = 0;
  auto shard = store::Shard::open(p->ports.env(), options);
  if (!shard) {
    world_.trace("plane cannot open: " + shard.error().message);
    return false;
  }
  p->shard = std::move(*shard);
  env::Env& env = p->ports.env();
  p->server = std::make_unique<apiserver::Server>(
      env, *p->shard, registry_, p->authority, p->logs,
      apiserver::ServerOptions{.version = "sim", .external_url = "https://sim:6443"});
  p->manager = std::make_unique<controllers::Manager>(
      env, *p->shard, controllers::Facts{.registry = registry_.get(), .ca_pem = p->authority.ca_pem()});
  p->placement = std::make_unique<controllers::Placement>(env, *p->shard);
  p->nodes = std::make_unique<controllers::NodeLifecycle>(env, *p->shard);
  p->events = std::make_unique<controllers::EventKeeper>(env, *p->shard);
  p->devices = std::make_unique<controllers::DeviceHealth>(env, *p->shard);
  p->pipelines = std::make_unique<pipelines::Engine>(
      env, *p->shard, *registry_, nullptr,
      [&placement = *p->placement](const store::Turn& turn,
                                   const pipelines::RunToJudge& run) -> std::optional<pipelines::RunSaid> {
        auto said = placement.judge_run(turn, {run.key, run.workflow, run.spec, run.templates});
        if (!said) return std::nullopt;
        return pipelines::RunSaid{said->concerned, said->held, said->row.data, said->row.unique};
      });
  p->placement->on_gates([&pipelines = *p->pipelines] { pipelines.judge_again(); });
  p->ledger = std::make_unique<metering::Ledger>(env, *p->shard);
  process_ = std::move(p);
  network_.attach(process_->server.get());
  world_.trace("plane started at revision " + std::to_string(process_->shard->stats().revision.value));
  return true;
}

void Plane::kill() {
  if (!process_) return;
  network_.attach(nullptr);
  process_->ports.kill();
  disk_.abandon();
  process_.reset();
  world_.trace("plane killed");
}

void Plane::power_loss() {
  kill();
  disk_.crash();
  world_.trace("plane lost power");
}

}  // namespace ingot::sim
