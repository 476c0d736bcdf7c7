#include "host/gpu_sampler.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "host/samples.h"
#include "host/thread_name.h"
#include "host/worker.h"

namespace ingot::host {
namespace {

using std::chrono::steady_clock;
using Time = steady_clock::time_point;

constexpr size_t kMostAnswer = 1u << 20;
constexpr size_t kMostUnended = 8;  // children that were killed and are not gone

}  // namespace

class GpuSampler::Impl {
 public:
  Impl(env::Loop& loop, env::Log& log, std::vector<SampledNode> nodes, Heard heard, GpuSamplerOptions options)
      : loop_(loop), log_(log), options_(options), heard_(std::make_shared<Heard>(std::move(heard))) {
    const Time now = steady_clock::now();
    for (SampledNode& node : nodes) children_.push_back({.node = std::move(node), .next = now});
    stop_fd_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!children_.empty()) thread_ = std::thread([this] { run(); });
  }
  ~Impl() {
    const uint64_t one = 1;
    stopping_ = true;
    (void)!::write(stop_fd_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Child {
    SampledNode node;
    Time next;              // when to ask, or to start
    WorkerProcess process;  // pid −1: none
    std::string outgoing, incoming;
    std::string described;  // what this process was told
    bool asked = false;
    Time deadline{};
    Duration pause{};
  };

  void run() {
    name_thread("gpu-samples");
    std::vector<pollfd> fds;
    while (!stopping_) {
      const Time now = steady_clock::now();
      reap();
      for (Child& child : children_) act(child, now);
      wait(fds);
      for (size_t i = 0; i < children_.size(); ++i) {
        Child& child = children_[i];
        if (child.process.pid < 0) continue;
        if (fds[1 + 2 * i].revents & POLLOUT) send(child);
        if (child.process.pid >= 0 && fds[2 + 2 * i].revents & (POLLIN | POLLHUP)) receive(child);
      }
    }
    for (Child& child : children_) end(child);
    for (const pid_t pid : unended_) ::waitpid(pid, nullptr, WNOHANG);
  }

  // Until a child has something, a time has come, or it is over.
  void wait(std::vector<pollfd>& fds) {
    Time until = steady_clock::now() + std::chrono::seconds(1);  // also for children that end late
    fds.assign(1, {stop_fd_.get(), POLLIN, 0});
    for (const Child& child : children_) {
      const bool runs = child.process.pid >= 0;
      fds.push_back({runs && !child.outgoing.empty() ? child.process.in.get() : -1, POLLOUT, 0});
      fds.push_back({runs ? child.process.out.get() : -1, POLLIN, 0});
      until = std::min(until, child.asked ? child.deadline : child.next);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
    ::poll(fds.data(), fds.size(), int(std::max<int64_t>(left.count(), 0)));
  }

  void act(Child& child, Time now) {
    if (child.asked) {
      if (now >= child.deadline) failed(child, "the look at its GPUs did not come back in time");
      return;
    }
    if (now < child.next) return;
    if (child.process.pid < 0 && !start(child)) return;
    if (child.node.describe) describe(child, child.node.describe());
    child.outgoing += "look\n";
    child.asked = true;
    child.deadline = now + options_.deadline;
    child.next = now + options_.every;
    send(child);
  }

  static void describe(Child& child, std::string text) {
    if (text == child.described) return;
    child.outgoing += "describe " + std::to_string(text.size()) + "\n" + text;
    child.described = std::move(text);
  }

  bool start(Child& child) {
    if (unended_.size() >= kMostUnended) {
      failed(child, "the driver hangs in too many workers that cannot be ended");
      return false;
    }
    WorkerJob job{
        .arguments = {child.node.instances ? "gpu-sample-instances" : "gpu-sample", child.node.library},
        .environment = {}};
    if (child.node.describe) {
      child.described = child.node.describe();
      job.environment.emplace_back("INGOT_GPU_DESCRIPTION_TEXT", child.described);
    }
    if (!child.node.state.empty()) {
      job.environment.emplace_back("INGOT_GPU_STATE", child.node.state);
      child.described.clear();  // what happens to the boards is not in the file
    }
    auto process = start_worker(job);
    if (!process) {
      failed(child, process.error().message);
      return false;
    }
    child.process = std::move(*process);
    return true;
  }

  void send(Child& child) {
    if (child.outgoing.empty()) return;
    const ssize_t n = ::write(child.process.in.get(), child.outgoing.data(), child.outgoing.size());
    if (n > 0) child.outgoing.erase(0, size_t(n));
    if (n < 0 && errno != EAGAIN && errno != EINTR) failed(child, "its sampling worker ended");
  }

  void receive(Child& child) {
    char buffer[16 * 1024];
    const ssize_t n = ::read(child.process.out.get(), buffer, sizeof buffer);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return failed(child, "its sampling worker ended");
    child.incoming.append(buffer, size_t(n));
    const size_t end = child.incoming.find('\n');
    if (end == child.incoming.npos) {
      if (child.incoming.size() > kMostAnswer) failed(child, "its sampling worker says too much");
      return;
    }
    auto samples = samples_from_json(child.incoming.substr(0, end));
    child.incoming.clear();  // it was asked for one line
    if (!samples) return failed(child, samples.error().message);
    child.asked = false;
    child.pause = {};
    tell(child, std::move(samples));
  }

  void failed(Child& child, const std::string& why) {
    end(child);
    child.pause = std::clamp<Duration>(child.pause * 2, options_.first_pause, options_.longest_pause);
    child.next = steady_clock::now() + child.pause;
    log_.warn("gpu.sampler_failed", {{"node", child.node.name}, {"why", why}});
    tell(child, fail(Reason::Timeout, why));
  }

  void end(Child& child) {
    if (child.process.pid >= 0) {
      ::kill(-child.process.pid, SIGKILL);
      unended_.push_back(child.process.pid);
    }
    child.process = {};
    child.asked = false;
    child.outgoing.clear();
    child.incoming.clear();
  }

  void reap() {
    std::erase_if(unended_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  }

  void tell(const Child& child, Result<std::vector<gpu::Sample>> heard) {
    loop_.post(
        [to = std::weak_ptr<Heard>(heard_), node = child.node.name, heard = std::move(heard)]() mutable {
          if (const auto listener = to.lock()) (*listener)(node, std::move(heard));
        });
  }

  env::Loop& loop_;
  env::Log& log_;
  const GpuSamplerOptions options_;
  const std::shared_ptr<Heard> heard_;
  std::vector<Child> children_;  // the thread's own
  std::vector<pid_t> unended_;   // the thread's own
  Fd stop_fd_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

GpuSampler::GpuSampler(env::Loop& loop, env::Log& log, std::vector<SampledNode> nodes, Heard heard,
                       GpuSamplerOptions options)
    : impl_(std::make_unique<Impl>(loop, log, std::move(nodes), std::move(heard), options)) {}
GpuSampler::~GpuSampler() = default;

}  // namespace ingot::host
