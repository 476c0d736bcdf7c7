#include "ingot/factory.h"

#include <fmt/format.h>
#include <unistd.h>

#include "apiserver/server.h"
#include "host/http_server.h"
#include "host/instance.h"
#include "host/logs.h"
#include "host/pki.h"
#include "host/pod_ends.h"
#include "host/real_env.h"
#include "ingot/routes.h"
#include "ingot/server_names.h"
#include "store/shard.h"

namespace ingot {
namespace {

constexpr Duration kGoodbye = std::chrono::seconds(2);  // for requests that are being answered

// host/ hands requests over without knowing the API server's inner type.
struct ServerDoor final : host::Door {
  apiserver::Server* server = nullptr;
  std::shared_ptr<void> prepare(apiserver::Request request) const override {
    return server->prepare(std::move(request));
  }
  void submit(std::shared_ptr<void> prepared, std::shared_ptr<host::HttpExchange> exchange) override {
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
  std::unique_ptr<store::Shard> shard;        // the loop's
  std::unique_ptr<host::PodEnds> pod_ends;    // the loop's
  std::unique_ptr<host::FileLogs> logs;       // the loop's
  std::unique_ptr<apiserver::Server> server;  // the loop's
  ServerDoor door;
  std::unique_ptr<host::HttpServer> http;
  std::string address, description = "no nodes";
  bool stopped = false;

  Result<void> open_store();
  Result<void> listen();
  Result<void> serve();
  Result<void> publish();
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

Result<void> Factory::Impl::listen() {
  auto names = server_names(options.listen_address);
  auto pair = pki->server_certificate(names.dns, names.addresses);
  if (!pair) return fail(pair.error());
  auto tls = host::make_server_context({pair->certificate_pem, pair->key_pem, pki->ca_pem()});
  if (!tls) return fail(tls.error());
  http = std::make_unique<host::HttpServer>(real.clock, real.loop, real.log, door, std::move(*tls));
  auto port = http->listen(options.listen_address, options.listen_port);
  if (!port) return fail(port.error());
  address = endpoint(reachable(options.listen_address), *port);
  return {};
}

Result<void> Factory::Impl::serve() {
  const std::string url = "https://" + address;
  real.loop.call([&] {
    pod_ends = std::make_unique<host::PodEnds>(real.loop, *shard);
    logs = std::make_unique<host::FileLogs>(real.clock, real.loop, *pod_ends, options.data + "/nodes");
    server = std::make_unique<apiserver::Server>(
        real.env, *shard, api::Registry::builtin(), *pki, *logs,
        apiserver::ServerOptions{.version = INGOT_VERSION, .external_url = url});
    server->mount(credentials_route(*shard, *pki, url));
    server->mount(usage_route(real.env, *shard));
  });
  door.server = server.get();
  http->start();
  return {};
}

// Where clients find it: the operator's kubeconfig and factory.json.
Result<void> Factory::Impl::publish() {
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
  if (record.id.empty()) record.id = fmt::format("{:04x}", real.entropy.next() & 0xffff);
  record.pid = ::getpid();
  record.start_ticks = host::process_start_ticks(record.pid);
  record.address = address;
  record.version = INGOT_VERSION;
  record.gpus = description;
  return instance->write(std::move(record));
}

void Factory::Impl::stop(bool keep_pods) {
  if (std::exchange(stopped, true) || !instance) return;
  real.log.info("factory.stopping", {{"keepPods", keep_pods ? "true" : "false"}});
  if (http) http->stop(kGoodbye);
  if (shard) {
    std::promise<void> drained;
    real.loop.post([&] { shard->drain([&](const Result<void>&) { drained.set_value(); }); });
    drained.get_future().get();
  }
  real.loop.call([&] {
    server = nullptr;
    logs = nullptr;
    pod_ends = nullptr;
    shard = nullptr;
  });
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
  if (options.log_to_file) {
    if (auto opened = impl.real.log.open(options.data + "/ingot.log"); !opened) return fail(opened.error());
  }
  impl.real.log.info("factory.starting", {{"version", INGOT_VERSION}, {"data", options.data}});
  auto pki = host::Pki::open(options.data + "/pki", impl.real.clock, impl.real.entropy);
  if (!pki) return fail(pki.error());
  impl.pki = std::move(*pki);
  for (const auto step : {&Impl::open_store, &Impl::listen, &Impl::serve, &Impl::publish}) {
    if (auto done = (impl.*step)(); !done) return fail(done.error());
  }
  impl.real.log.info("factory.ready", {{"address", impl.address}});
  return factory;
}

std::string Factory::address() const { return impl_->address; }
std::string Factory::describe() const { return impl_->description; }
void Factory::stop(bool keep_pods) { impl_->stop(keep_pods); }

}  // namespace ingot
