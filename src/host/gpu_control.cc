#include "host/gpu_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <thread>

#include "gpu/description.h"
#include "host/disk_file.h"
#include "host/inventory.h"
#include "host/processors.h"
#include "host/thread_name.h"
#include "host/worker.h"

namespace ingot::host {
namespace {

class GpuControl final : public node::DeviceControl {
 public:
  GpuControl(env::Loop& loop, GpuControlOptions options) : loop_(loop), options_(std::move(options)) {}
  ~GpuControl() override { cancelled_ = true; }  // and the threads are joined

  void read(node::Callback<gpu::Inventory> done) override {
    act<gpu::Inventory>(options_.nvml, {"gpu-list"}, inventory_from_json, std::move(done));
  }
  void make_instance(const std::string& board, const std::string& profile, int start,
                     node::Callback<gpu::MigDevice> done) override {
    act<gpu::MigDevice>(options_.nvml, {"gpu-make", board, profile, std::to_string(start)},
                        mig_device_from_json, std::move(done));
  }
  void destroy_instance(const std::string& board, int start, node::Callback<void> done) override {
    act<void>(options_.nvml, {"gpu-destroy", board, std::to_string(start)}, nothing, std::move(done));
  }
  void make_whole(const std::string& board, node::Callback<void> done) override {
    act<void>(options_.nvml, {"gpu-whole", board}, nothing, std::move(done));
  }
  void clear(const std::string& device, node::Callback<std::string> done) override {
    act<std::string>(options_.cuda, {"gpu-clear", device}, line, std::move(done));
  }
  void load(node::Callback<std::string> done) override {
    off_loop<std::string>(
        [path = notes()] {
          Result<std::string> text = read_file(path, 1 << 20);
          if (!text && text.error().reason == Reason::NotFound) return Result<std::string>("");
          return text;
        },
        std::move(done));
  }
  void store(std::string text, node::Callback<void> done) override {
    off_loop<void>([path = notes(), text = std::move(text)] { return write_file(path, text, 0600); },
                   std::move(done));
  }

 private:
  static Result<void> nothing(const std::string&) { return {}; }
  static Result<std::string> line(const std::string& text) { return text.substr(0, text.find('\n')); }
  std::string notes() const { return options_.directory + "/devices.json"; }

  // arguments: the act and what it acts on; the library goes between.
  template <class T, class Read>
  void act(const std::string& library, std::vector<std::string> arguments, Read read,
           node::Callback<T> done) {
    arguments.insert(arguments.begin() + 1, library);
    WorkerJob job{.arguments = std::move(arguments), .deadline = options_.deadline, .cancelled = &cancelled_};
    if (!options_.description.empty()) job.environment = {{"INGOT_GPU_STATE", options_.directory + "/gpus"}};
    off_loop<T>(
        [job = std::move(job), read]() -> Result<T> {
          const Result<std::string> answer = run_worker(job);
          if (!answer && answer.error().reason == Reason::Timeout)
            return fail(Reason::Timeout, fmt::format("{} gave no answer within {} ms",
                                                     job.arguments.front() == "gpu-clear" ? "CUDA" : "NVML",
                                                     job.deadline / std::chrono::milliseconds(1)));
          if (!answer) return std::unexpected(answer.error());
          return read(*answer);
        },
        std::move(done));
  }

  template <class T, class Work>
  void off_loop(Work work, node::Callback<T> done) {
    std::erase_if(threads_, [](const Running& r) { return r.over->load(); });
    auto over = std::make_shared<std::atomic<bool>>(false);
    const AnyProcessor any;
    std::jthread thread([&loop = loop_, alive = std::weak_ptr(alive_), over, work = std::move(work),
                         done = std::move(done)]() mutable {
      name_thread("gpu-control");
      Result<T> result = work();
      loop.post([alive, done = std::move(done), result = std::move(result)]() mutable {
        if (!alive.expired()) done(std::move(result));
      });
      *over = true;
    });
    threads_.push_back({std::move(over), std::move(thread)});
  }

  struct Running {
    std::shared_ptr<std::atomic<bool>> over;
    std::jthread thread;
  };
  env::Loop& loop_;
  const GpuControlOptions options_;
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::list<Running> threads_;  // last: joined first
};

// What was done to the boards that are still described.
gpu::Description carried_over(gpu::Description now, const gpu::Description& before) {
  for (gpu::SimulatedBoard& board : now.nodes.front().boards)
    for (const gpu::SimulatedBoard& old : before.nodes.front().boards)
      if (old.uuid == board.uuid && old.model == board.model) {
        board.mig_enabled = old.mig_enabled;
        board.instances = old.instances;
        board.memory = old.memory;
      }
  return now;
}

Result<void> prepare_state(const GpuControlOptions& options) {
  auto described = gpu::parse_description(options.description, "");
  if (!described || described->nodes.size() != 1)
    return fail(Reason::InternalError, "the node's description of simulated GPUs cannot be read");
  const std::string path = options.directory + "/gpus";
  if (const auto text = read_file(path, 64 << 10)) {
    const auto before = gpu::parse_description(*text, "");
    if (before && before->nodes.size() == 1) described = carried_over(std::move(*described), *before);
  }
  return write_file(path, gpu::to_text(*described, described->nodes.front()), 0600);
}

}  // namespace

Result<std::unique_ptr<node::DeviceControl>> make_gpu_control(env::Loop& loop, GpuControlOptions options) {
  if (auto made = make_directory(options.directory, 0700); !made) return fail(made.error());
  if (!options.description.empty())
    if (auto ready = prepare_state(options); !ready) return fail(ready.error());
  return std::make_unique<GpuControl>(loop, std::move(options));
}

}  // namespace ingot::host
