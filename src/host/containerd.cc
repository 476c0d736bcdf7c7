#include "host/containerd.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "host/pidfd.h"

#include <filesystem>
#include <map>
#include <thread>

#include "api/json.h"
#include "containerd_events.pb.h"
#include "cri.pb.h"
#include "host/containerd_config.h"
#include "host/images.h"
#include "host/processors.h"
#include "host/thread_name.h"

namespace ingot::host {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReadyWithin = 60s;
constexpr Duration kBackoffFirst = 50ms, kBackoffMost = 10s;
constexpr Duration kSteadyAfter = 30s;  // a containerd that lived this long starts its backoff anew

constexpr size_t kLongestSocketPath = 107;  // unix(7)

// CAP_SYS_RESOURCE, without which no oom_score_adj may be lowered.
bool may_lower_oom_score() {
  auto status = read_file("/proc/self/status");
  size_t at = status ? status->find("CapEff:") : std::string::npos;
  if (at == std::string::npos) return false;
  return std::strtoull(status->c_str() + at + 7, nullptr, 16) >> 24 & 1;
}

// Overlays do not stack on overlays: a data directory on one gets plain copies.
std::string snapshotter_for(const std::string& directory) {
  constexpr long kOverlayMagic = 0x794c7630;
  struct statfs about{};
  bool overlay = statfs(directory.c_str(), &about) == 0 && about.f_type == kOverlayMagic;
  return overlay ? "native" : "overlayfs";
}

Result<void> make_directories(const MachinePaths& paths) {
  for (const std::string& directory : {paths.containerd(), paths.root(), paths.state(),
                                       paths.containerd() + "/tmp", paths.cni_conf(), paths.cni_ipam()}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
      return fail(Reason::InternalError, fmt::format("cannot make {}: {}", directory, error.message()));
    chmod(directory.c_str(), directory == paths.state() || directory == paths.containerd() ? 0711 : 0700);
  }
  return {};
}

Result<void> save_process(const MachinePaths& paths, const ProcessIdentity& identity,
                          const std::string& config) {
  api::JsonObject record;
  record["pid"] = identity.pid;
  record["startTicks"] = identity.start_ticks;
  record["bootId"] = identity.boot_id;
  record["config"] = config;
  return write_file(paths.process(), api::to_text(record), 0600);
}

struct Recorded {
  ProcessIdentity identity;
  std::string config;
};
std::optional<Recorded> recorded_process(const MachinePaths& paths) {
  auto text = read_file(paths.process());
  auto json = text ? api::parse_json(*text) : Result<api::Json>(fail(text.error()));
  if (!json) return {};
  return Recorded{.identity = {.pid = int(api::int_at(*json, {"pid"}).value_or(0)),
                               .start_ticks = uint64_t(api::int_at(*json, {"startTicks"}).value_or(0)),
                               .boot_id = std::string(api::string_at(*json, {"bootId"}))},
                  .config = std::string(api::string_at(*json, {"config"}))};
}

template <class Message>
std::string bytes_of(const Message& message) {
  return message.SerializeAsString();
}

}  // namespace

Result<ContainerPrograms> find_container_programs() {
  if (geteuid() != 0) return fail(Reason::Forbidden, "running containers needs root: start ingot with sudo");
  ContainerPrograms found{
      .containerd = find_program("containerd"), .ctr = find_program("ctr"), .runc = find_program("runc")};
  for (const char* directory : {"/usr/lib/cni", "/opt/cni/bin"})
    if (found.cni_bin_dir.empty() && access((std::string(directory) + "/ptp").c_str(), X_OK) == 0 &&
        access((std::string(directory) + "/host-local").c_str(), X_OK) == 0)
      found.cni_bin_dir = directory;
  std::string missing;
  if (found.containerd.empty() || found.ctr.empty() || find_program("containerd-shim-runc-v2").empty())
    missing += " containerd";
  if (found.runc.empty()) missing += " runc";
  if (found.cni_bin_dir.empty()) missing += " containernetworking-plugins";
  if (!missing.empty())
    return fail(Reason::NotFound,
                "Debian packages are missing for running containers: apt-get install" + missing);
  return found;
}

// Impl lives on the loop; `watcher` is a thread that sleeps until containerd ends or the supervisor does.
struct Containerd::Impl {
  env::Env& env;
  Options options;
  std::string config;
  PauseImage pause = make_pause_image();
  std::unique_ptr<ContainerdRpc> rpc;
  std::shared_ptr<char> alive = std::make_shared<char>();

  ProcessIdentity process;
  Fd process_fd, stop_event{eventfd(0, EFD_CLOEXEC)};
  bool running = false, was_adopted = false, stopping = false;
  std::thread watcher, importer;
  Instant started_at{};
  Duration backoff = kBackoffFirst;

  bool ready = false, pause_checked = false, restarted = false;
  Instant ready_deadline{};
  uint64_t generation = 0;  // of containerd processes: answers about an earlier one are ignored
  std::vector<std::move_only_function<void(Result<void>)>> waiting;
  uint64_t next_observer = 1;
  std::map<uint64_t, std::function<void(const Event&)>> observers;
  std::unique_ptr<ContainerdRpc::Stream> events;

  Impl(env::Env& e, Options o) : env(e), options(std::move(o)) {}
  ~Impl() {
    stop_watching();
    if (importer.joinable()) importer.join();
  }

  // Tasks on the loop that must not run after the destructor.
  env::Task guarded(env::Task task) {
    return [weak = std::weak_ptr(alive), task = std::move(task)]() mutable {
      if (!weak.expired()) task();
    };
  }
  void later(Duration after, env::Task task) {
    env.loop.at(env.clock.now() + after, guarded(std::move(task)));
  }

  Result<void> adopt_or_start();
  bool adopt();
  Result<void> start();
  void watch();
  void stop_watching();
  void died();
  void restart();
  void check_ready();
  void check_pause();
  void import_pause();
  void became_ready();
  void gave_up(Error);
  void subscribe();
  void event(const std::string& bytes);
  void tell(const Event& event) {
    for (auto& [id, observer] : observers) observer(event);
  }
};

Result<void> Containerd::Impl::adopt_or_start() {
  if (adopt()) {
    was_adopted = true;
    env.log.info("containerd.adopted", {{"pid", process.pid}});
  } else if (auto started = start(); !started) {
    return started;
  }
  watch();
  return {};
}

// True when the recorded process is still the one it was, is our containerd, and runs with today's configuration.
bool Containerd::Impl::adopt() {
  auto recorded = recorded_process(options.paths);
  if (!recorded) return false;
  auto fd = open_process(recorded->identity);
  if (!fd) return false;
  if (command_line(recorded->identity.pid).find(options.paths.config()) == std::string::npos) return false;
  if (recorded->config == config) {
    process = recorded->identity;
    process_fd = std::move(*fd);
    running = true;
    started_at = env.clock.now();
    return true;
  }
  env.log.info("containerd.reconfigured", {{"pid", recorded->identity.pid}});
  pidfd_send_signal(fd->get(), SIGTERM, nullptr, 0);
  if (!wait_process(fd->get(), 10s)) {
    pidfd_send_signal(fd->get(), SIGKILL, nullptr, 0);
    wait_process(fd->get(), 10s);
  }
  return false;
}

Result<void> Containerd::Impl::start() {
  constexpr uint64_t kLongestLog = 16 << 20;
  struct stat log{};
  if (stat(options.paths.log().c_str(), &log) == 0 && uint64_t(log.st_size) > kLongestLog)
    rename(options.paths.log().c_str(), (options.paths.log() + ".1").c_str());
  auto identity =
      start_daemon({options.programs.containerd, "--config", options.paths.config()}, options.paths.log(),
                   [this](const ProcessIdentity& id) { return save_process(options.paths, id, config); });
  if (!identity) return fail(identity.error());
  process = *identity;
  process_fd = Fd(pidfd_open(process.pid, 0));
  if (!process_fd) return fail(Reason::InternalError, "cannot watch containerd");
  running = true;
  started_at = env.clock.now();
  env.log.info("containerd.started", {{"pid", process.pid}});
  return {};
}

void Containerd::Impl::watch() {
  const AnyProcessor any;
  watcher =
      std::thread([this, pidfd = process_fd.get(), stop = stop_event.get(), weak = std::weak_ptr(alive)] {
        name_thread("containerd");
        pollfd watched[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = stop, .events = POLLIN}};
        while (poll(watched, 2, -1) < 0) {
        }
        if (watched[1].revents) return;
        wait_process(pidfd, 0s);  // reaps it
        env.loop.post([this, weak] {
          if (!weak.expired()) died();
        });
      });
}

void Containerd::Impl::stop_watching() {
  if (!watcher.joinable()) return;
  uint64_t one = 1;
  if (write(stop_event.get(), &one, sizeof one) == sizeof one) watcher.join();
}

void Containerd::Impl::died() {
  watcher.join();
  process_fd = Fd();
  running = ready = false;
  restarted = true;
  ++generation;
  events.reset();
  if (stopping) return;
  if (env.clock.now() - started_at > kSteadyAfter) backoff = kBackoffFirst;
  env.log.warn("containerd.died", {{"pid", process.pid}, {"retry_ms", backoff / 1ms}});
  later(backoff, [this] { restart(); });
  backoff = std::min(backoff * 2, kBackoffMost);
}

void Containerd::Impl::restart() {
  if (stopping || running) return;
  if (auto started = start(); !started) {
    env.log.error("containerd.not_started", {{"error", started.error().message}});
    later(backoff, [this] { restart(); });
    backoff = std::min(backoff * 2, kBackoffMost);
    return;
  }
  watch();
  ready_deadline = env.clock.now() + kReadyWithin;
  check_ready();
}

// The socket opens before the CRI has read its state back, and there is no event for that: it is asked again.
void Containerd::Impl::check_ready() {
  rpc->call("/runtime.v1.RuntimeService/Version", bytes_of(runtime::v1::VersionRequest()), 10s,
            [this, at = generation](Result<std::string> answer) {
              if (at != generation || stopping) return;
              if (answer) return check_pause();
              if (env.clock.now() > ready_deadline) return gave_up(answer.error());
              later(5ms, [this, at] {
                if (at == generation) check_ready();
              });
            });
}

void Containerd::Impl::check_pause() {
  if (pause_checked) return became_ready();
  runtime::v1::ImageStatusRequest request;
  request.mutable_image()->set_image(pause.reference);
  rpc->call("/runtime.v1.ImageService/ImageStatus", bytes_of(request), 10s,
            [this, at = generation](Result<std::string> answer) {
              if (at != generation || stopping) return;
              if (!answer) return gave_up(answer.error());
              runtime::v1::ImageStatusResponse status;
              if (!status.ParseFromString(*answer))
                return gave_up(Error{.message = "containerd: malformed answer"});
              if (!status.has_image()) return import_pause();
              pause_checked = true;
              became_ready();
            });
}

void Containerd::Impl::import_pause() {
  if (importer.joinable()) importer.join();
  const AnyProcessor any;
  importer = std::thread([this, at = generation, weak = std::weak_ptr(alive)] {
    name_thread("pause-image");
    const std::string path = options.paths.containerd() + "/pause.tar";
    Result<void> result = write_file(path, pause.archive, 0600);
    if (result) {
      auto imported = run_child({options.programs.ctr, "--address", options.paths.socket(), "--namespace",
                                 "k8s.io", "images", "import", path},
                                60s);
      if (!imported) result = fail(imported.error());
    }
    unlink(path.c_str());
    env.loop.post([this, weak, at, result = std::move(result)] {
      if (weak.expired() || at != generation || stopping) return;
      if (!result) return gave_up(result.error());
      pause_checked = true;
      became_ready();
    });
  });
}

void Containerd::Impl::became_ready() {
  ready = true;
  subscribe();
  auto callbacks = std::exchange(waiting, {});
  for (auto& callback : callbacks) callback({});
  if (std::exchange(restarted, false)) tell({.kind = Event::Kind::Restarted});
}

void Containerd::Impl::gave_up(Error error) {
  env.log.error("containerd.not_ready", {{"error", error.message}});
  error.message = fmt::format("{} (see {})", error.message, options.paths.log());
  auto callbacks = std::exchange(waiting, {});
  for (auto& callback : callbacks) callback(fail(error));
  ready_deadline = env.clock.now() + kReadyWithin;
  later(1s, [this, at = generation] {
    if (at == generation && !stopping && !ready) check_ready();
  });
}

void Containerd::Impl::subscribe() {
  containerd::services::events::v1::SubscribeRequest request;
  request.add_filters(R"(topic=="/tasks/exit")");
  request.add_filters(R"(topic=="/tasks/oom")");
  events = rpc->subscribe(
      "/containerd.services.events.v1.Events/Subscribe", bytes_of(request),
      [this](std::string bytes) { event(bytes); },
      [this, at = generation](Error error) {
        if (at != generation || stopping) return;  // its death is seen by the watcher
        env.log.warn("containerd.events_ended", {{"error", error.message}});
        restarted = true;
        later(100ms, [this, at] {
          if (at == generation && !stopping) check_ready();
        });
      });
}

void Containerd::Impl::event(const std::string& bytes) {
  containerd::services::events::v1::Envelope envelope;
  if (!envelope.ParseFromString(bytes)) return;
  if (envelope.topic() == "/tasks/exit") {
    containerd::services::events::v1::TaskExit exit;
    if (exit.ParseFromString(envelope.event().value()) && exit.id() == exit.container_id())
      tell({.kind = Event::Kind::Exit, .container = exit.container_id()});
  } else if (envelope.topic() == "/tasks/oom") {
    containerd::services::events::v1::TaskOOM oom;
    if (oom.ParseFromString(envelope.event().value()))
      tell({.kind = Event::Kind::Oom, .container = oom.container_id()});
  }
}

Containerd::Containerd(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Containerd::~Containerd() = default;

Result<std::unique_ptr<Containerd>> Containerd::open(env::Env& env, Options options) {
  const MachinePaths& paths = options.paths;
  if (paths.socket().size() > kLongestSocketPath)
    return fail(Reason::Invalid,
                fmt::format("{}: a socket's path may have {} bytes; choose a shorter data directory",
                            paths.socket(), kLongestSocketPath));
  if (auto made = make_directories(paths); !made) return fail(made.error());
  auto impl = std::make_unique<Impl>(env, options);
  impl->config = containerd_config({.paths = paths,
                                    .names = options.names,
                                    .cni_bin_dir = options.programs.cni_bin_dir,
                                    .pause_image = impl->pause.reference,
                                    .snapshotter = snapshotter_for(paths.root()),
                                    .restrict_oom_score_adj = !may_lower_oom_score()});
  for (const auto& [path, text] :
       {std::pair(paths.config(), impl->config),
        std::pair(paths.cni_conf() + "/10-ingot.conflist",
                  cni_config(paths, options.names, options.pod_range, options.mtu))})
    if (auto written = write_file(path, text, 0600); !written) return fail(written.error());
  if (auto started = impl->adopt_or_start(); !started) return fail(started.error());
  impl->rpc = std::make_unique<ContainerdRpc>(env.loop, paths.socket());
  impl->ready_deadline = env.clock.now() + kReadyWithin;
  impl->check_ready();
  return std::unique_ptr<Containerd>(new Containerd(std::move(impl)));
}

void Containerd::when_ready(std::move_only_function<void(Result<void>)> callback) {
  if (!impl_->ready) return impl_->waiting.push_back(std::move(callback));
  impl_->env.loop.post(impl_->guarded([callback = std::move(callback)]() mutable { callback({}); }));
}

uint64_t Containerd::add_observer(std::function<void(const Event&)> observer) {
  impl_->observers[impl_->next_observer] = std::move(observer);
  return impl_->next_observer++;
}
void Containerd::remove_observer(uint64_t id) { impl_->observers.erase(id); }
ContainerdRpc& Containerd::rpc() { return *impl_->rpc; }
const Containerd::Options& Containerd::options() const { return impl_->options; }
int Containerd::pid() const { return impl_->running ? impl_->process.pid : 0; }
bool Containerd::adopted() const { return impl_->was_adopted; }

void Containerd::stop(Duration deadline) {
  impl_->stopping = true;
  impl_->events.reset();
  if (!impl_->running) return;
  impl_->stop_watching();
  pidfd_send_signal(impl_->process_fd.get(), SIGTERM, nullptr, 0);
  if (!wait_process(impl_->process_fd.get(), deadline)) {
    pidfd_send_signal(impl_->process_fd.get(), SIGKILL, nullptr, 0);
    wait_process(impl_->process_fd.get(), deadline);
  }
  impl_->running = false;
  unlink(impl_->options.paths.process().c_str());
}

}  // namespace ingot::host
