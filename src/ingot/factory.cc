#include "ingot/factory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "apiserver/server.h"
#include "controllers/blob_keeper.h"
#include "controllers/device_health.h"
#include "controllers/event_keeper.h"
#include "controllers/manager.h"
#include "controllers/node_lifecycle.h"
#include "controllers/placement.h"
#include "host/artifacts.h"
#include "host/blob_files.h"
#include "host/blob_service.h"
#include "host/dataset_cache.h"
#include "host/git_remotes.h"
#include "host/gpu_sampler.h"
#include "host/http_server.h"
#include "host/instance.h"
#include "host/logs.h"
#include "host/pki.h"
#include "host/pod_ends.h"
#include "host/processors.h"
#include "host/real_env.h"
#include "host/side_lane.h"
#include "host/teardown.h"
#include "host/tracking_service.h"
#include "ingot/account_requests.h"
#include "ingot/expectation.h"
#include "ingot/machine.h"
#include "ingot/metrics.h"
#include "ingot/nodes.h"
#include "ingot/routes.h"
#include "ingot/run_judge.h"
#include "ingot/server_names.h"
#include "ingot/signing.h"
#include "ingot/webhooks.h"
#include "metering/ledger.h"
#include "pipelines/commit_states.h"
#include "pipelines/cron.h"
#include "pipelines/dataset_runs.h"
#include "pipelines/engine.h"
#include "pipelines/repositories.h"
#include "store/shard.h"

namespace ingot {
namespace {
constexpr Duration kPodsEnd = std::chrono::seconds(90);           // longest that a pod is waited for
constexpr Duration kNodesSlice = std::chrono::microseconds(150);  // of each round of the loop
constexpr Duration kGoodbye = std::chrono::seconds(2);            // for requests that are being answered

// host/ hands requests over without knowing the API server's inner type.
struct ServerDoor final : host::Door {
  apiserver::Server* server = nullptr;
  host::SideLane* nodes = nullptr;
  bool streams(std::string_view method, std::string_view target) const override {
    return apiserver::Server::takes_stream(method, target);
  }
  std::shared_ptr<void> prepare(apiserver::Request request) const override {
    return server->prepare(std::move(request));
  }
  void submit(std::shared_ptr<void> prepared, std::shared_ptr<host::HttpExchange> exchange) override {
    if (nodes) nodes->give_way();
    server->submit(std::static_pointer_cast<apiserver::Prepared>(std::move(prepared)), std::move(exchange));
  }
};

std::string endpoint(const std::string& address, uint16_t port) {
  const bool v6 = address.find(':') != address.npos;
  return v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

// Where clients of this machine reach what listens everywhere.
std::string reachable(const std::string& listen_address) {
  if (listen_address == "0.0.0.0") return "127.0.0.1";
  return listen_address == "::" ? "::1" : listen_address;
}

}  // namespace

struct Factory::Impl {
  explicit Impl(const FactoryOptions& o) : options(o) {}

  const FactoryOptions options;
  std::unique_ptr<host::Instance> instance;
  host::RealEnv real;
  std::unique_ptr<host::Pki> pki;
  const std::shared_ptr<const api::Registry> registry = api::Registry::builtin();
  std::unique_ptr<env::Blobs> blobs;
  std::unique_ptr<host::BlobService> blob_service;
  std::unique_ptr<host::TrackingService> tracking;
  std::unique_ptr<Signing> signing;
  std::unique_ptr<Webhooks> webhooks;
  std::unique_ptr<env::Git> git;
  std::unique_ptr<host::ThreadWorker> reader;  // of what comes from there
  std::unique_ptr<host::ThreadWorker> writer;  // of large replies
  std::unique_ptr<host::Artifacts> artifacts;
  std::unique_ptr<host::DatasetCache> dataset_cache;
  std::unique_ptr<host::ThreadWorker> sweeper;
  std::unique_ptr<controllers::BlobKeeper> blob_keeper;  // the loop's
  std::unique_ptr<store::Shard> shard;                   // the loop's
  std::unique_ptr<host::PodEnds> pod_ends;               // the loop's
  std::unique_ptr<host::FileLogs> logs;                  // the loop's
  std::unique_ptr<apiserver::Server> server;             // the loop's
  // The rest of the loop's: what works on the shard by itself.
  std::unique_ptr<controllers::Manager> manager;
  std::unique_ptr<controllers::Placement> placement;
  std::unique_ptr<controllers::NodeLifecycle> node_lifecycle;
  std::unique_ptr<controllers::EventKeeper> event_keeper;
  std::unique_ptr<controllers::DeviceHealth> device_health;
  std::unique_ptr<AccountRequests> account_requests;
  std::unique_ptr<pipelines::Engine> pipelines;
  std::unique_ptr<pipelines::CronKeeper> crons;
  std::unique_ptr<pipelines::Repositories> repositories;
  std::unique_ptr<pipelines::CommitStates> commit_states;
  std::unique_ptr<pipelines::DatasetRuns> dataset_runs;
  std::unique_ptr<metering::Ledger> ledger;
  gpu::Telemetry telemetry;
  std::unique_ptr<controllers::Idleness> idleness;
  std::unique_ptr<metering::GpuView> gpu_view;
  std::shared_ptr<const MetricSources> metric_sources;
  std::unique_ptr<Machine> machine;      // nullptr: --gpus none
  std::unique_ptr<host::SideLane> lane;  // what the nodes run in
  std::unique_ptr<env::Env> node_env;
  std::unique_ptr<Nodes> nodes;
  std::unique_ptr<host::GpuSampler> sampler;
  ServerDoor door;
  std::unique_ptr<host::HttpServer> http;
  uint16_t port = 0;
  std::string address, description = "no nodes";
  bool stopped = false;

  Result<void> open_store();
  Result<void> open_blobs();
  Result<void> open_git();
  Result<void> listen();
  Result<void> serve();
  Result<void> run_nodes();
  Result<void> open_machine();
  Result<void> start_machine();
  void sample(const std::vector<MachineNode>&);
  Result<void> publish();
  void clean_machine();
  void stop(bool keep_pods);
};

Result<void> Factory::Impl::open_store() {
  return real.loop.call([&]() -> Result<void> {
    auto opened = store::Shard::open(real.env, {.path = options.data + "/ingot.db"});
    if (!opened) return fail(opened.error());
    shard = std::move(*opened);
    return {};
  });
}

Result<void> Factory::Impl::open_blobs() {
  auto opened = host::open_blob_files(options.data + "/blobs");
  if (!opened) return fail(opened.error());
  blobs = std::move(*opened);
  blob_service = std::make_unique<host::BlobService>(real.loop, *blobs);
  artifacts = std::make_unique<host::Artifacts>(real.loop, *blobs);
  dataset_cache = std::make_unique<host::DatasetCache>(real.clock, real.loop, real.log, *blobs, options.data);
  sweeper = std::make_unique<host::ThreadWorker>(real.loop, "sweep");
  return real.loop.call([&]() -> Result<void> {
    auto tracks = host::TrackingService::open(
        real.env, *shard, *blob_service, {.directory = options.data + "/tracking", .blobs = blobs.get()});
    if (!tracks) return fail(tracks.error());
    tracking = std::move(*tracks);
    std::vector<std::unique_ptr<controllers::BlobRoots>> roots;
    for (const auto of :
         {controllers::dataset_roots, controllers::model_roots, controllers::model_bundle_roots,
          controllers::artifact_roots, controllers::scan_roots})
      roots.push_back(of());
    roots.push_back(tracking->roots());
    blob_keeper =
        std::make_unique<controllers::BlobKeeper>(real.env, *shard, *blobs, *sweeper, std::move(roots));
    return {};
  });
}

Result<void> Factory::Impl::open_git() {
  host::GitOptions git_options{.root = options.data + "/git", .file_root = options.git_root};
  for (const std::string& text : options.git_allow) {
    auto range = host::parse_address_range(text);
    if (!range) return fail(Reason::Invalid, "--git-allow: " + range.error().message);
    git_options.allowed.push_back(*range);
  }
  auto opened = host::open_git_remotes(real.loop, real.log, *blobs, std::move(git_options));
  if (!opened) return fail(opened.error());
  git = std::move(*opened);
  reader = std::make_unique<host::ThreadWorker>(real.loop, "reader");
  writer = std::make_unique<host::ThreadWorker>(real.loop, "writer");
  return {};
}

Result<void> Factory::Impl::listen() {
  auto names = server_names(options.listen_address,
                            machine ? std::vector{machine->api_address()} : std::vector<std::string>());
  auto pair = pki->server_certificate(names.dns, names.addresses);
  if (!pair) return fail(pair.error());
  auto tls = host::make_server_context({pair->certificate_pem, pair->key_pem, pki->ca_pem()});
  if (!tls) return fail(tls.error());
  http = std::make_unique<host::HttpServer>(real.clock, real.loop, real.log, door, std::move(*tls));
  auto bound = http->listen(options.listen_address, options.listen_port);
  if (!bound) return fail(bound.error());
  port = *bound;
  address = endpoint(reachable(options.listen_address), port);
  if (machine && options.listen_address != "0.0.0.0" && options.listen_address != "::") {
    if (auto inside = http->listen(machine->api_address(), port); !inside) return fail(inside.error());
  }
  return {};
}

Result<void> Factory::Impl::serve() {
  const std::string url = "https://" + address;
  real.loop.call([&] {
    pod_ends = std::make_unique<host::PodEnds>(real.loop, *shard);
    logs = std::make_unique<host::FileLogs>(real.clock, real.loop, *pod_ends, options.data + "/nodes");
    server = std::make_unique<apiserver::Server>(
        real.env, *shard, registry, *pki, *logs,
        apiserver::ServerOptions{.version = INGOT_VERSION, .external_url = url});
    server->keep_blobs_in(*blob_service);
    server->track_in(*tracking);
    server->write_by(*writer);
    mount_routes(*server, real.env, *shard, placement);
    server->expect_by(expectation_by(placement, real.clock));
    server->mount(metrics_route(metric_sources));
    webhooks->mount(*tracking);
    signing->mount(*server, *blobs, *blob_service, *tracking);
  });
  door.server = server.get();
  http->start();
  return {};
}

Result<void> Factory::Impl::run_nodes() {
  std::vector<MachineNode> real_nodes;
  if (machine) {
    auto described = machine_nodes(real.log, options.gpus, instance->record().id);
    if (!described) return fail(described.error());
    real_nodes = std::move(*described);
    if (auto ready = start_machine(); !ready) return ready;
  }
  auto hollow = hollow_nodes(options.hollow, instance->record().id);
  if (!hollow) return fail(hollow.error());
  auto running = real.loop.call([&]() -> Result<void> {
    manager = std::make_unique<controllers::Manager>(
        real.env, *shard, controllers::Facts{.registry = registry.get(), .ca_pem = pki->ca_pem()});
    placement = std::make_unique<controllers::Placement>(real.env, *shard);
    node_lifecycle = std::make_unique<controllers::NodeLifecycle>(real.env, *shard);
    event_keeper = std::make_unique<controllers::EventKeeper>(real.env, *shard);
    device_health = std::make_unique<controllers::DeviceHealth>(real.env, *shard);
    account_requests = std::make_unique<AccountRequests>(real.loop, *server);
    pipelines = std::make_unique<pipelines::Engine>(real.env, *shard, *registry, account_requests.get(),
                                                    run_judge(*placement));
    placement->on_gates([this] { return pipelines ? pipelines->judge_again() : void(); });
    crons = std::make_unique<pipelines::CronKeeper>(real.env, *shard, *registry);
    repositories = std::make_unique<pipelines::Repositories>(real.env, *shard, *registry, *git, *reader);
    commit_states = std::make_unique<pipelines::CommitStates>(real.env, *shard, *git);
    dataset_runs = std::make_unique<pipelines::DatasetRuns>(real.env, *shard, *registry);
    signing->run(*shard, *blobs);
    webhooks->run(*shard);
    ledger = std::make_unique<metering::Ledger>(real.env, *shard);
    idleness = std::make_unique<controllers::Idleness>(real.env, *shard, telemetry);
    gpu_view = std::make_unique<metering::GpuView>(real.env, *shard);
    metric_sources = std::make_shared<const MetricSources>(MetricSources{.env = real.env,
                                                                         .shard = *shard,
                                                                         .telemetry = telemetry,
                                                                         .gpus = *gpu_view,
                                                                         .device_health = *device_health,
                                                                         .node_lifecycle = *node_lifecycle,
                                                                         .idleness = *idleness,
                                                                         .placement = *placement,
                                                                         .ledger = *ledger,
                                                                         .pipelines = *pipelines,
                                                                         .repositories = *repositories});
    lane = std::make_unique<host::SideLane>(real.clock, real.loop, kNodesSlice);
    door.nodes = lane.get();
    node_env = std::make_unique<env::Env>(real.clock, *lane, real.worker, real.entropy, real.disk,
                                          real.faults, real.log);
    nodes = std::make_unique<Nodes>(*node_env, *server, telemetry);
    for (node::NodeConfig& config : *hollow) nodes->add_hollow(std::move(config), *artifacts);
    for (const MachineNode& described : real_nodes) {
      node::NodeConfig config = described.config;
      config.gpu_health.clean = options.gpu_return_after;
      config.gpu_health.longest = std::max(config.gpu_health.longest, options.gpu_return_after);
      auto files = machine->files(config.name);
      if (!files) return fail(files.error());
      config.host_ip = config.api_host = machine->api_address();
      config.api_port = port;
      config.ca_pem = pki->ca_pem();
      auto devices = machine->devices(config);
      if (!devices) return fail(devices.error());
      const std::string name = config.name;
      nodes->add(std::move(config), machine->runtime(name), std::move(*files), std::move(*devices));
    }
    description = nodes->describe();
    nodes->start();
    return {};
  });
  if (running) sample(real_nodes);
  return running;
}

void Factory::Impl::sample(const std::vector<MachineNode>& described) {
  std::vector<host::SampledNode> sampled;
  std::map<std::string, std::shared_ptr<SimulatedBoards>> simulated;
  for (const MachineNode& node : described) {
    if (node.config.gpus.boards.empty()) continue;
    host::SampledNode one{.name = node.config.name, .library = node.library, .describe = nullptr};
    one.instances = std::ranges::any_of(node.config.gpus.boards, &gpu::Board::mig_capable);
    if (node.boards) {
      if (one.instances) one.state = options.data + "/nodes/" + one.name + "/gpus";
      one.describe = [boards = node.boards] { return boards->describe(); };
      simulated[node.config.name] = node.boards;
    }
    sampled.push_back(std::move(one));
  }
  sampler = std::make_unique<host::GpuSampler>(
      real.loop, real.log, std::move(sampled),
      [this, simulated](const std::string& node, Result<std::vector<gpu::Sample>> samples) {
        if (!nodes) return;
        auto held = nodes->heard(node, std::move(samples));
        if (const auto boards = simulated.find(node); boards != simulated.end())
          boards->second->hold(std::move(held));
      });
}

// containerd answers within a second or two; what keeps it from that is its to say.
Result<void> Factory::Impl::start_machine() {
  std::promise<Result<void>> ready;
  auto answered = ready.get_future();
  auto started = real.loop.call([&] {
    return machine->start(port, [ready = std::move(ready)](Result<void> result) mutable {
      ready.set_value(std::move(result));
    });
  });
  if (!started) return started;
  return answered.get();
}

// Before the server listens: its certificate and its second address follow from the pods' network.
Result<void> Factory::Impl::open_machine() {
  if (options.gpus == "none") return {};
  auto opened = Machine::open(real.env, options.data, instance->record().id, *artifacts, *dataset_cache);
  if (!opened) return fail(opened.error());
  machine = std::move(*opened);
  return {};
}

// Where clients find it: the operator's kubeconfig and factory.json. All threads have been started by now.
Result<void> Factory::Impl::publish() {
  real.loop.call(host::keep_one_processor);
  auto pair = pki->operator_certificate();
  if (!pair) return fail(pair.error());
  const std::string text = host::kubeconfig({.server = "https://" + address + "/clusters/root",
                                             .cluster = "root",
                                             .user = "operator",
                                             .ca_pem = pki->ca_pem(),
                                             .certificate_pem = pair->certificate_pem,
                                             .key_pem = pair->key_pem});
  if (auto written = host::write_file(options.data + "/operator.kubeconfig", text, 0600); !written)
    return written;
  host::FactoryRecord record = instance->record();
  record.pid = ::getpid();
  record.start_ticks = host::process_start_ticks(record.pid);
  record.address = address;
  record.version = INGOT_VERSION;
  record.gpus = description;
  return instance->write(std::move(record));
}

void Factory::Impl::clean_machine() {
  real.loop.call([&] { machine->stop(); });
  for (const std::string& left : host::teardown(machine->paths(), machine->names()))
    real.log.error("machine.left_behind", {{"what", left}});
}

void Factory::Impl::stop(bool keep_pods) {
  if (std::exchange(stopped, true) || !instance) return;
  real.log.info("factory.stopping", {{"keepPods", keep_pods ? "true" : "false"}});
  if (nodes && !keep_pods) {
    // Agents need the API for their last words, and clients may watch them.
    // Shared: pods that end after we stopped waiting still say so.
    auto drained = std::make_shared<std::promise<void>>();
    real.loop.post([&, drained] { nodes->drain([drained] { drained->set_value(); }); });
    drained->get_future().wait_for(kPodsEnd);
  }
  sampler = nullptr;
  if (http) http->stop(kGoodbye);
  real.loop.call([&] {
    nodes = nullptr;
    door.nodes = nullptr;
    if (lane) lane->close();  // answers to the nodes are still on their way
  });
  if (machine && !keep_pods) clean_machine();
  real.loop.call([&] { machine = nullptr; });
  if (shard) {
    std::promise<void> drained;
    real.loop.post([&] { shard->drain([&](const Result<void>&) { drained.set_value(); }); });
    drained.get_future().get();
  }
  real.loop.call([&] {
    metric_sources = nullptr;
    gpu_view = nullptr;
    idleness = nullptr;
    ledger = nullptr;
    crons = nullptr;
    commit_states = nullptr;
    repositories = nullptr;
    dataset_runs = nullptr;
    if (webhooks) webhooks->rest();
    if (signing) signing->rest();
    pipelines = nullptr;
    account_requests = nullptr;
    device_health = nullptr;
    event_keeper = nullptr;
    node_lifecycle = nullptr;
    placement = nullptr;
    manager = nullptr;
    blob_keeper = nullptr;
    if (dataset_cache) dataset_cache->stop();
    if (tracking) tracking->stop();
    server = nullptr;
    logs = nullptr;
    pod_ends = nullptr;
    shard = nullptr;
    lane = nullptr;
  });
  signing = nullptr;
  tracking = nullptr;
  real.loop.call([] {});  // its last answers have been told
  git = nullptr;
  reader = nullptr;
  writer = nullptr;
  artifacts = nullptr;
  dataset_cache = nullptr;
  blob_service = nullptr;
  sweeper = nullptr;
  blobs = nullptr;
  if (instance) {
    host::FactoryRecord record = instance->record();
    record.pid = 0;
    record.keep_pods = keep_pods;
    if (!record.id.empty()) (void)instance->write(std::move(record));
  }
  real.log.info("factory.stopped");
}

Factory::Factory(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Factory::~Factory() { impl_->stop(true); }

Result<std::unique_ptr<Factory>> Factory::start(const FactoryOptions& options) {
  std::unique_ptr<Factory> factory(new Factory(std::make_unique<Impl>(options)));
  Impl& impl = *factory->impl_;
  auto instance = host::Instance::claim(options.data);
  if (!instance) return fail(instance.error());
  impl.instance = std::move(*instance);
  // Written before anything on the machine is named after it.
  if (impl.instance->record().id.empty()) {
    auto written = impl.instance->write({.id = fmt::format("{:04x}", impl.real.entropy.next() & 0xffff)});
    if (!written) return fail(written.error());
  }
  if (options.log_to_file) {
    if (auto opened = impl.real.log.open(options.data + "/ingot.log"); !opened) return fail(opened.error());
  }
  impl.real.log.info("factory.starting", {{"version", INGOT_VERSION}, {"data", options.data}});
  auto pki = host::Pki::open(options.data + "/pki", impl.real.clock, impl.real.entropy);
  if (!pki) return fail(pki.error());
  impl.pki = std::move(*pki);
  auto signing = Signing::open(options.data + "/pki/signing", impl.instance->record().id, impl.real);
  if (!signing) return fail(signing.error());
  impl.signing = std::move(*signing);
  auto webhooks = Webhooks::open(options, impl.real);
  if (!webhooks) return fail(webhooks.error());
  impl.webhooks = std::move(*webhooks);
  for (const auto step : {&Impl::open_store, &Impl::open_blobs, &Impl::open_git, &Impl::open_machine,
                          &Impl::listen, &Impl::serve, &Impl::run_nodes, &Impl::publish}) {
    if (auto done = (impl.*step)(); !done) return fail(done.error());
  }
  impl.real.log.info("factory.ready", {{"address", impl.address}});
  return factory;
}

std::string Factory::address() const { return impl_->address; }
std::string Factory::describe() const { return impl_->description; }
void Factory::stop(bool keep_pods) { impl_->stop(keep_pods); }

}  // namespace ingot
