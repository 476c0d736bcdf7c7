// Figures of the store alone, on the disk of the directory given (default: the current one):
//   puts/s of 1 KiB objects through turns, each with one audit row, 64 in flight, durable before the next is sent;
//   bytes of memory beside key and JSON for each small object, and the time to open a file of 120,000 of them.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/assert.h"
#include "env/testing.h"
#include "store/shard.h"

namespace ingot::store {
namespace {
namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

// A thread that runs tasks in order; timers are not needed here.
class ThreadLoop final : public env::Loop {
 public:
  void post(env::Task task) override {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(task));
    }
    wake_.notify_one();
  }
  env::TimerId at(Instant, env::Task) override { return 1; }
  void cancel(env::TimerId) override {}
  void run() {
    while (!stopped_) {
      std::deque<env::Task> tasks;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return !queue_.empty(); });
        tasks.swap(queue_);
      }
      for (env::Task& task : tasks) task();
    }
  }
  void stop() {
    post([this] { stopped_ = true; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<env::Task> queue_;
  bool stopped_ = false;
};

class ThreadWorker final : public env::Worker {
 public:
  explicit ThreadWorker(env::Loop& loop) : loop_(loop), thread_([this] { queue_.run(); }) {}
  ~ThreadWorker() override {
    queue_.stop();
    thread_.join();
  }
  void run(env::Task work, env::Task done) override {
    queue_.post([this, work = std::move(work), done = std::move(done)]() mutable {
      work();
      loop_.post(std::move(done));
    });
  }

 private:
  env::Loop& loop_;
  ThreadLoop queue_;
  std::thread thread_;
};

struct World {
  env::ManualClock clock;
  ThreadLoop loop;
  ThreadWorker worker{loop};
  env::SeededEntropy entropy;
  env::RealDisk disk;
  env::NoFaults faults;
  env::NullLog log;
  env::Env env{clock, loop, worker, entropy, disk, faults, log};
};

double seconds(Steady::time_point since) {
  return std::chrono::duration<double>(Steady::now() - since).count();
}

Json object_of(std::string_view name, size_t bytes) {
  return Json{{"apiVersion", "v1"},
              {"kind", "ConfigMap"},
              {"metadata", {{"name", std::string(name).c_str()}, {"namespace", "default"}}},
              {"data", {{"payload", std::string(bytes, 'x').c_str()}}}};
}

// `clients` that each send their next put once the last one is durable.
class Clients {
 public:
  Clients(World& world, Shard& shard, int puts, int keys)
      : world_(world), shard_(shard), left_(puts), keys_(keys) {}
  double run(int clients) {
    const auto start = Steady::now();
    for (; clients > 0; --clients) send();
    world_.loop.run();
    return seconds(start);
  }

 private:
  void send() {
    if (left_-- <= 0) return;
    ++waiting_;
    const auto taken = shard_.submit([this, n = left_](Turn& turn) {
      const std::string name = "configmap-" + std::to_string(n % keys_);
      const auto stored = turn.put(Key(ClusterId("c1"), "configmaps", "default", name), object_of(name, 800));
      turn.append(
          {"audit", "", "c1", world_.clock.wall(),
           R"({"who":"alice@vision","verb":"create","object":")" + name + R"(","decision":"allow"})"});
      turn.then((*stored)->revision, [this](const Result<void>& r) {
        ASSERT(r.has_value());
        --waiting_;
        send();
        if (waiting_ == 0) world_.loop.stop();
      });
    });
    ASSERT(taken.has_value());
  }
  World& world_;
  Shard& shard_;
  int left_, keys_, waiting_ = 0;
};

void puts(const std::string& directory, const char* what, int count, int keys) {
  World world;
  Options options;
  options.path = directory + "/puts.db";
  auto shard = std::move(*Shard::open(world.env, options));
  const double took = Clients(world, *shard, count, keys).run(64);
  const Stats stats = shard->stats();
  const auto wal = fs::file_size(options.path + "-wal");
  std::printf("%-24s %8.0f puts/s   %6.1f puts a commit   log %.1f MiB\n", what, count / took,
              double(count) / double(stats.commits), double(wal) / (1 << 20));
  shard.reset();
  for (const char* file : {"puts.db", "ballast"}) fs::remove(directory + "/" + file);
}

void tenants(const std::string& directory, int tenants, int each) {
  Options options;
  options.path = directory + "/tenants.db";
  options.queue_inputs = size_t(tenants) + 1;
  size_t text = 0;
  {
    World world;
    auto shard = std::move(*Shard::open(world.env, options));
    for (int t = 0; t < tenants; ++t)
      ASSERT(shard->submit([=](Turn& turn) {
        for (int i = 0; i < each; ++i) {
          const std::string name = "kube-root-ca-" + std::to_string(i);
          (void)turn.put(Key(ClusterId("t" + std::to_string(t)), "configmaps", "default", name),
                         object_of(name, 200));
        }
      }));
    shard->drain([&](const Result<void>&) { world.loop.stop(); });
    world.loop.run();
  }
  const size_t before = mallinfo2().uordblks;
  const auto start = Steady::now();
  World world;
  auto shard = std::move(*Shard::open(world.env, options));
  const double took = seconds(start);
  const size_t after = mallinfo2().uordblks;
  ASSERT(shard->submit([&](Turn& turn) {
    turn.range("", "", [&](const ObjectPtr& o) {
      text += o->key.text().size() + o->json.size();
      return true;
    });
    const auto walk = Steady::now();
    size_t n = 0;
    for (int t = 0; t < 1000; ++t)
      turn.range("t" + std::to_string(t) + "/", "", [&](const ObjectPtr&) { return ++n; });
    std::printf("%-24s %8.1f us\n", "range of one tenant", seconds(walk) * 1e3);
    world.loop.stop();
  }));
  world.loop.run();
  const auto objects = double(shard->stats().objects);
  std::printf("%-24s %8.2f s for %.0f objects\n", "open", took, objects);
  std::printf("%-24s %8.0f bytes an object beside its key and JSON (%.0f)\n", "memory",
              (double(after - before) - double(text)) / objects, double(text) / objects);
  shard.reset();
  for (const char* file : {"tenants.db", "ballast"}) fs::remove(directory + "/" + file);
}

// What the disk itself gives: appended 4 KiB blocks, each synced.
void syncs(const std::string& directory) {
  const std::string path = directory + "/syncs";
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  const std::string block(4096, 'x');
  const auto start = Steady::now();
  int n = 0;
  for (; n < 2000; ++n)
    ASSERT(::pwrite(fd, block.data(), block.size(), n % 256 * 4096) == 4096 && ::fdatasync(fd) == 0);
  std::printf("%-24s %8.0f /s\n", "fdatasync of 4 KiB", n / seconds(start));
  ::close(fd);
  fs::remove(path);
}

}  // namespace
}  // namespace ingot::store

int main(int argc, char** argv) {
  std::string directory = std::string(argc > 1 ? argv[1] : ".") + "/store-bench-XXXXXX";
  if (!mkdtemp(directory.data())) {
    std::perror(directory.c_str());
    return 1;
  }
  using namespace ingot::store;
  syncs(directory);
  puts(directory, "creates", 100'000, 1 << 30);
  puts(directory, "updates of 10,000", 200'000, 10'000);
  tenants(directory, 10'000, 12);
  fs::remove_all(directory);
}
