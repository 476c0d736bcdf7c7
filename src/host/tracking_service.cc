#include "host/tracking_service.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "api/mlflow_error.h"
#include "apiserver/mlflow.h"
#include "apiserver/status.h"
#include "host/crew.h"
#include "host/disk_file.h"
#include "host/tracked_blobs.h"
#include "registry/tracker.h"

namespace ingot::host {
namespace {

using apiserver::ExchangePtr;
using apiserver::MlflowTarget;
using apiserver::Reply;
using Told = TrackingService::Told;

constexpr std::string_view kModelFiles = "models/";
constexpr std::string_view kVersion = "3.17.2";  // of MLflow whose API this is
// One cluster's requests are handled for so long, or until their answers take so much, before others get their turn.
constexpr Duration kRound = std::chrono::milliseconds(50);
constexpr size_t kRoundBytes = 64u << 20;
// While memory is short, files larger than this are not opened, and what nobody asked for in this long is closed.
constexpr uintmax_t kSmallFile = 16u << 20;
constexpr Duration kShortIdle = std::chrono::seconds(10);
constexpr size_t kMostGone = 100'000;

int64_t milliseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Reply reply_with(Result<std::string> body) {
  if (!body) return apiserver::mlflow_error_reply(body.error());
  Reply reply;
  reply.body.push_back(std::make_shared<const std::string>(std::move(*body)));
  return reply;
}

struct Job {
  std::string op;
  registry::Call call;
  MlflowTarget target;  // its body and query are read off the loop
  Told done;            // on the loop
};

size_t quarter_of_machine() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  return std::max(size_t(1) << 30, size_t(std::max(pages, 0l)) * size_t(std::max(page, 0l)) / 4);
}

uintmax_t file_bytes(const std::string& path) {
  uintmax_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code none;
    const uintmax_t size = std::filesystem::file_size(path + suffix, none);
    if (!none) bytes += size;
  }
  return bytes;
}

// One cluster's requests that wait, and its Tracker, which is the crew's: one thread at a time.
struct Queue {
  ClusterId cluster;
  std::string path;
  std::mutex mutex;
  std::deque<Job> jobs;  // guarded, as all up to `used`
  size_t bytes = 0;
  bool scheduled = false, close = false, remove = false;
  Instant used{};
  std::unique_ptr<registry::Tracker> tracker;
  size_t held = 0;  // of memory, as it is counted in Shared
};
using QueuePtr = std::shared_ptr<Queue>;

}  // namespace

struct TrackingService::Shared : std::enable_shared_from_this<TrackingService::Shared> {
  Shared(env::Env& e, store::Shard& s, BlobService& b, TrackingOptions o)
      : env(e),
        shard(s),
        blobs(b),
        options(std::move(o)),
        memory(options.memory ? options.memory : quarter_of_machine()),
        crew(options.threads, "tracking") {}

  QueuePtr queue_of(const ClusterId&);
  void submit(const ClusterId&, Job);
  void schedule(const QueuePtr&);  // its mutex is held
  void run(const QueuePtr&);
  void answer(Queue&, std::deque<Job>&);
  Result<std::string> read_and_handle(registry::Tracker&, Job&);
  Result<void> open_tracker(Queue&, int64_t now_ms);
  registry::Room room_of(const Queue&) const;
  void count(Queue&);
  bool scarce() const { return held.load() > memory / 4 * 3; }
  void put_artifact(MlflowTarget, ExchangePtr);
  void get_artifact(MlflowTarget, ExchangePtr);
  void close_idle();
  void remove_cluster(const ClusterId&);
  void watch_tenants();

  env::Env& env;
  store::Shard& shard;
  BlobService& blobs;
  const TrackingOptions options;
  // The loop's.
  std::map<ClusterId, QueuePtr> queues;
  std::vector<std::pair<std::string, std::function<void(MlflowTarget, ExchangePtr)>>> mounted;
  env::TimerId timer = 0;
  uint64_t watch = 0;
  bool stopped = false;
  std::set<ClusterId> gone;  // deleted: nothing is written for them again
  const size_t memory;
  std::atomic<size_t> held = 0;
  Crew crew;
};

namespace {

// Tenants that go. Until the first look is over, those that are there: files of others are left from before.
struct TenantWatcher final : store::Watcher {
  std::function<void(const ClusterId&)> gone;
  std::function<void(const std::set<std::string>&)> looked;
  std::function<void()> ended;
  std::set<std::string> there;
  bool first = true;

  bool on_change(const store::Change& change) override {
    const std::string cluster(api::string_at(change.object->parse(), {"status", "cluster"}));
    if (first && !change.deleted) there.insert(cluster);
    if (change.deleted && !cluster.empty()) gone(ClusterId(cluster));
    return true;
  }
  void on_revision(Revision) override {
    if (std::exchange(first, false)) looked(there);
    there.clear();
  }
  void on_end(const Error&) override { ended(); }
};

}  // namespace

QueuePtr TrackingService::Shared::queue_of(const ClusterId& cluster) {
  QueuePtr& queue = queues[cluster];
  if (!queue) {
    queue = std::make_shared<Queue>();
    queue->cluster = cluster;
    queue->path = fmt::format("{}/{}{}", options.directory, cluster.value, kTrackingSuffix);
  }
  return queue;
}

void TrackingService::Shared::submit(const ClusterId& cluster, Job job) {
  job.call.now_ms = milliseconds(env.clock.wall());
  job.call.random = {env.entropy.next(), env.entropy.next()};
  if (gone.contains(cluster))
    return env.loop.post(
        [done = std::move(job.done)]() mutable { done(fail(Reason::NotFound, "the tenant was deleted")); });
  const QueuePtr queue = queue_of(cluster);
  const size_t bytes = job.target.body.size();
  {
    std::lock_guard lock(queue->mutex);
    const bool full = queue->jobs.size() >= options.waiting || queue->bytes + bytes > options.waiting_bytes;
    if (!full && !queue->remove) {
      queue->bytes += bytes;
      queue->used = env.clock.now();
      queue->jobs.push_back(std::move(job));
      return schedule(queue);
    }
  }
  env.loop.post([done = std::move(job.done)]() mutable {
    done(fail({.reason = Reason::TooManyRequests,
               .message = "too many requests wait for this cluster's tracking, please try again later",
               .retry_after_s = 1}));
  });
}

void TrackingService::Shared::schedule(const QueuePtr& queue) {
  if (std::exchange(queue->scheduled, true)) return;
  crew.post([self = shared_from_this(), queue] { self->run(queue); });
}

// Once for what waits now: other clusters get their turn between.
void TrackingService::Shared::run(const QueuePtr& queue) {
  std::deque<Job> jobs;
  bool close = false, remove = false;
  {
    std::lock_guard lock(queue->mutex);
    for (size_t n = 0; n < options.together && !queue->jobs.empty(); ++n) {
      queue->bytes -= queue->jobs.front().target.body.size();
      jobs.push_back(std::move(queue->jobs.front()));
      queue->jobs.pop_front();
    }
    close = std::exchange(queue->close, false);
    remove = queue->remove;
  }
  if (!jobs.empty()) answer(*queue, jobs);
  if (close || remove) queue->tracker = nullptr;
  count(*queue);
  if (remove)
    for (const char* suffix : {"", "-wal", "-journal", "-shm"}) {
      std::error_code ignored;
      std::filesystem::remove(queue->path + suffix, ignored);
    }
  std::lock_guard lock(queue->mutex);
  queue->scheduled = false;
  // What a long or large answer left for the next round.
  for (; !jobs.empty(); jobs.pop_back()) {
    queue->bytes += jobs.back().target.body.size();
    queue->jobs.push_front(std::move(jobs.back()));
  }
  if (!queue->jobs.empty() || queue->close || (queue->remove && !remove)) schedule(queue);
}

// Handles what can be handled within a moment, commits once, and lets the answers go; the rest stays in `jobs`.
void TrackingService::Shared::answer(Queue& queue, std::deque<Job>& jobs) {
  std::vector<std::pair<Told, Result<std::string>>> answers;
  answers.reserve(jobs.size());
  Result<void> good;
  if (!queue.tracker) good = open_tracker(queue, jobs.front().call.now_ms);
  if (good) queue.tracker->allow(room_of(queue));
  const Instant until = env.clock.now() + kRound;
  size_t bytes = 0;
  do {
    Job& job = jobs.front();
    answers.emplace_back(std::move(job.done), good ? read_and_handle(*queue.tracker, job)
                                                   : Result<std::string>(fail(good.error())));
    if (const Result<std::string>& told = answers.back().second; told) bytes += told->size();
    jobs.pop_front();
  } while (!jobs.empty() && bytes < kRoundBytes && env.clock.now() < until);
  if (good) good = queue.tracker->commit();
  if (!good) {
    env.log.error("tracking.failed", {{"cluster", queue.cluster.value}, {"error", good.error().message}});
    queue.tracker = nullptr;  // what is durable is read again
    for (auto& [done, result] : answers) result = fail(good.error());
  }
  env.loop.post([answers = std::move(answers)]() mutable {
    for (auto& [done, result] : answers) done(std::move(result));
  });
}

Result<std::string> TrackingService::Shared::read_and_handle(registry::Tracker& tracker, Job& job) {
  auto args = registry::Args::read(job.target.body, job.target.query, job.target.parts);
  if (!args) return fail(args.error());
  job.call.args = std::move(*args);
  job.call.body_bytes = job.target.body.size();
  return tracker.handle(job.op, job.call);
}

Result<void> TrackingService::Shared::open_tracker(Queue& queue, int64_t now_ms) {
  if (held.load() >= memory && file_bytes(queue.path) > kSmallFile)
    return fail({.reason = Reason::TooManyRequests,
                 .message = "the factory's memory for tracking is in use: try again in a moment",
                 .retry_after_s = 10});
  auto opened = registry::Tracker::open(queue.path, now_ms);
  if (!opened) return fail(opened.error());
  queue.tracker = std::move(*opened);
  count(queue);
  return {};
}

// What is left of all for this one, which has half of it at most; and whether its disk is used up.
registry::Room TrackingService::Shared::room_of(const Queue& queue) const {
  const size_t all = held.load(), left = memory > all ? memory - all : 0;
  registry::Room room{.memory = std::min(queue.held + left, memory / 2)};
  if (!options.blobs) return room;
  const auto usage = options.blobs->usage(queue.cluster);
  room.disk_full = usage && usage->limit &&
                   usage->bytes + int64_t(file_bytes(queue.path)) >= std::max<int64_t>(*usage->limit, 1);
  return room;
}

void TrackingService::Shared::count(Queue& queue) {
  const size_t now = queue.tracker ? queue.tracker->book().bytes() : 0;
  held += now - queue.held;
  queue.held = now;
}

void TrackingService::Shared::close_idle() {
  const Instant now = env.clock.now();
  const Duration patience = scarce() ? std::min(kShortIdle, options.idle) : options.idle;
  std::erase_if(queues, [&](const auto& entry) {
    const QueuePtr& queue = entry.second;
    std::lock_guard lock(queue->mutex);
    if (queue->scheduled || now - queue->used < patience) return false;
    if (!queue->tracker) return true;
    queue->close = true;
    schedule(queue);
    return false;
  });
  timer = env.loop.at(now + patience / 5, [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && !self->stopped) self->close_idle();
  });
}

void TrackingService::Shared::remove_cluster(const ClusterId& cluster) {
  if (gone.size() >= kMostGone) gone.erase(gone.begin());
  gone.insert(cluster);
  const QueuePtr queue = queue_of(cluster);
  std::lock_guard lock(queue->mutex);
  queue->remove = true;
  schedule(queue);
}

void TrackingService::Shared::watch_tenants() {
  auto watcher = std::make_shared<TenantWatcher>();
  watcher->gone = [this](const ClusterId& cluster) { remove_cluster(cluster); };
  watcher->looked = [this](const std::set<std::string>& there) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(options.directory, ignored)) {
      const std::string name = entry.path().filename();
      const std::string cluster = name.substr(0, name.find('.'));
      if (cluster != kRootCluster.value && !there.contains(cluster)) remove_cluster(ClusterId(cluster));
    }
  };
  // What went meanwhile is not among those that are there.
  watcher->ended = [this] {
    watch = 0;
    env.loop.post([weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && !self->stopped) self->watch_tenants();
    });
  };
  const auto watching =
      shard.watch({kRootCluster.value, "tenants.factory.ingot.dev", ""}, Revision{}, watcher);
  if (watching) watch = *watching;
}

TrackingService::TrackingService(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
TrackingService::~TrackingService() {
  shared_->crew.stop();
  for (auto& [cluster, queue] : shared_->queues) {
    std::lock_guard lock(queue->mutex);
    queue->jobs.clear();  // who waits for one is told that nobody answers
  }
}

Result<std::unique_ptr<TrackingService>> TrackingService::open(env::Env& env, store::Shard& shard,
                                                               BlobService& blobs, TrackingOptions options) {
  if (auto made = make_directory(options.directory, 0700); !made) return fail(made.error());
  auto shared = std::make_shared<Shared>(env, shard, blobs, std::move(options));
  shared->watch_tenants();
  shared->close_idle();
  return std::unique_ptr<TrackingService>(new TrackingService(std::move(shared)));
}

void TrackingService::stop() {
  shared_->stopped = true;
  if (shared_->timer) shared_->env.loop.cancel(shared_->timer);
  if (shared_->watch) shared_->shard.unwatch(shared_->watch);
}

void TrackingService::mount(std::string prefix, std::function<void(MlflowTarget, ExchangePtr)> serve) {
  shared_->mounted.emplace_back(std::move(prefix), std::move(serve));
}

void TrackingService::ask(const ClusterId& cluster, std::string op, std::string args, Told done) {
  Job job{.op = std::move(op), .done = std::move(done)};
  job.target.body = std::move(args);
  shared_->submit(cluster, std::move(job));
}

namespace {

// A place in the index, as JSON for the registry.
std::string place(std::string_view path, const env::BlobInfo& blob) {
  return api::to_text(api::JsonObject{{"path", path}, {"digest", blob.digest.text()}, {"bytes", blob.bytes}});
}

std::string part_of(const MlflowTarget& target, std::string_view name) {
  for (const auto& [known, value] : target.parts)
    if (known == name) return value;
  return {};
}

std::string query_of(const MlflowTarget& target, std::string_view name) {
  for (const auto& [known, value] : target.query)
    if (known == name) return value;
  return {};
}

}  // namespace

std::unique_ptr<controllers::BlobRoots> TrackingService::roots() {
  return tracked_blobs(
      shared_->env.loop, shared_->options.directory,
      [weak = std::weak_ptr(shared_)](const ClusterId& cluster, std::string op, std::string args, Told done) {
        const auto shared = weak.lock();
        if (!shared || shared->stopped) return;
        Job job{.op = std::move(op), .done = std::move(done)};
        job.target.body = std::move(args);
        shared->submit(cluster, std::move(job));
      });
}

// Whether it may lie there, then its bytes, then its place in the index.
void TrackingService::Shared::put_artifact(MlflowTarget target, ExchangePtr exchange) {
  Job may{.op = "proxy/put"};
  may.target.parts = target.parts;
  may.done = [self = shared_from_this(), target, exchange](Result<std::string> allowed) mutable {
    if (!allowed) return exchange->reply(reply_with(std::move(allowed)));
    apiserver::BlobTarget body{
        .cluster = target.cluster, .body_bytes = target.body_bytes, .body = std::move(target.body)};
    const std::string path = part_of(target, "path");
    self->blobs.take(std::move(body), exchange,
                     [self, exchange, path, cluster = target.cluster](Result<env::BlobInfo> blob) mutable {
                       if (!blob) return exchange->reply(reply_with(fail(blob.error())));
                       Job index{.op = "artifacts/stored"};
                       index.target.body = place(path, *blob);
                       index.done = [exchange](Result<std::string> stored) {
                         exchange->reply(reply_with(std::move(stored)));
                       };
                       self->submit(cluster, std::move(index));
                     });
  };
  submit(target.cluster, std::move(may));
}

// Its place in the index, then its bytes.
void TrackingService::Shared::get_artifact(MlflowTarget target, ExchangePtr exchange) {
  Job find{.op = target.op};
  find.target.parts = target.parts;
  find.target.query = target.query;
  find.done = [self = shared_from_this(), target, exchange](Result<std::string> found) mutable {
    if (!found) return exchange->reply(reply_with(std::move(found)));
    const auto value = api::parse_json(*found);
    auto digest = Digest::parse(value ? api::string_at(*value, {"digest"}) : std::string_view());
    if (!digest) return exchange->reply(reply_with(fail(digest.error())));
    self->blobs.serve({.op = apiserver::BlobTarget::Op::Read, .cluster = target.cluster, .digest = *digest},
                      std::move(exchange));
  };
  submit(target.cluster, std::move(find));
}

void TrackingService::serve(MlflowTarget target, ExchangePtr exchange) {
  if (target.op == "health" || target.op == "version") {
    Reply reply = apiserver::text_reply(200, target.op == "health" ? "OK" : std::string(kVersion));
    return exchange->reply(std::move(reply));
  }
  // Files of versions lie below models/, where no experiment is; they are shown and never put.
  const bool of_models = (target.op == "proxy/get" && part_of(target, "path").starts_with(kModelFiles)) ||
                         (target.op == "proxy/list" && query_of(target, "path").starts_with(kModelFiles));
  for (const auto& [prefix, serve] : shared_->mounted)
    if (target.op.starts_with(prefix) || (of_models && prefix == "model-versions/"))
      return serve(std::move(target), std::move(exchange));
  if (target.op == "proxy/put") return shared_->put_artifact(std::move(target), std::move(exchange));
  if (target.op == "proxy/get" || target.op == "artifacts/get")
    return shared_->get_artifact(std::move(target), std::move(exchange));
  Job job{.op = target.op};
  job.call.user = target.who.name;
  job.call.origin = std::move(target.origin);
  job.done = [exchange = std::move(exchange)](Result<std::string> body) mutable {
    exchange->reply(reply_with(std::move(body)));
  };
  const ClusterId cluster = target.cluster;
  job.target = std::move(target);
  shared_->submit(cluster, std::move(job));
}

}  // namespace ingot::host
