// ingot-cri-start: containerd's own time to start a pod, asked directly over CRI: RunPodSandbox, CreateContainer,
// StartContainer with the same configuration Ingot uses, one pod after another. The peer of pod_start_over_ms.
// Prints a JSON array of {sandbox_ms, create_ms, start_ms}.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <future>
#include <string>

#include "base/encoding.h"
#include "host/containerd_rpc.h"
#include "host/cri_convert.h"
#include "host/loop.h"
#include "host/real_env.h"

namespace {
using namespace ingot;
using namespace std::chrono_literals;
namespace v1 = runtime::v1;

class Cri {
 public:
  Cri(host::ThreadLoop& loop, const std::string& socket) : loop_(loop) {
    loop_.call([&] { rpc_ = std::make_unique<host::ContainerdRpc>(loop_, socket); });
  }
  ~Cri() {
    loop_.call([&] { rpc_.reset(); });
  }

  template <class Reply, class Request>
  Reply call(const char* method, const Request& request) {
    std::promise<Result<std::string>> promise;
    loop_.post([&] {
      rpc_->call(method, request.SerializeAsString(), 60s,
                 [&](Result<std::string> answer) { promise.set_value(std::move(answer)); });
    });
    const Result<std::string> answer = promise.get_future().get();
    Reply reply;
    if (!answer || !reply.ParseFromString(*answer)) {
      std::fprintf(stderr, "%s: %s\n", method, answer ? "malformed" : answer.error().message.c_str());
      std::exit(1);
    }
    return reply;
  }

 private:
  host::ThreadLoop& loop_;
  std::unique_ptr<host::ContainerdRpc> rpc_;
};

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// One pod: started, timed, removed.
std::string start_one(Cri& cri, const host::MachineNames& names, const std::string& image,
                      const std::string& logs, int i) {
  node::SandboxSpec sandbox;
  sandbox.pod_uid = uuid(uint64_t(getpid()), uint64_t(i));
  sandbox.pod_name = "bench-" + std::to_string(i);
  sandbox.pod_namespace = "default";
  sandbox.cluster = "bench";
  sandbox.hostname = sandbox.pod_name;
  sandbox.log_directory = logs;
  node::ContainerSpec container;
  container.name = "main";
  container.image = image;
  container.command = {"sleep", "600"};
  container.log_path = "main-" + std::to_string(i) + ".log";

  const auto config = host::sandbox_config(names, "bench", sandbox);
  if (!config) std::exit(1);
  const auto t0 = std::chrono::steady_clock::now();
  v1::RunPodSandboxRequest run;
  *run.mutable_config() = *config;
  const std::string id =
      cri.call<v1::RunPodSandboxResponse>("/runtime.v1.RuntimeService/RunPodSandbox", run).pod_sandbox_id();
  const double sandbox_ms = ms_since(t0);
  const auto t1 = std::chrono::steady_clock::now();
  v1::CreateContainerRequest create;
  create.set_pod_sandbox_id(id);
  *create.mutable_config() = host::container_config("bench", sandbox, container);
  *create.mutable_sandbox_config() = *config;
  const std::string made =
      cri.call<v1::CreateContainerResponse>("/runtime.v1.RuntimeService/CreateContainer", create)
          .container_id();
  const double create_ms = ms_since(t1);
  const auto t2 = std::chrono::steady_clock::now();
  v1::StartContainerRequest start;
  start.set_container_id(made);
  cri.call<v1::StartContainerResponse>("/runtime.v1.RuntimeService/StartContainer", start);
  const double start_ms = ms_since(t2);

  v1::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id(id);
  cri.call<v1::StopPodSandboxResponse>("/runtime.v1.RuntimeService/StopPodSandbox", stop);
  v1::RemovePodSandboxRequest remove;
  remove.set_pod_sandbox_id(id);
  cri.call<v1::RemovePodSandboxResponse>("/runtime.v1.RuntimeService/RemovePodSandbox", remove);
  char text[160];
  std::snprintf(text, sizeof text, R"({"sandbox_ms":%.2f,"create_ms":%.2f,"start_ms":%.2f})", sandbox_ms,
                create_ms, start_ms);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  std::string socket, id, image, logs;
  int count = 15;
  CLI::App app("containerd's own time to start a pod");
  app.add_option("--socket", socket)->required();
  app.add_option("--id", id, "the factory's id")->required();
  app.add_option("--image", image, "sha256:…")->required();
  app.add_option("--logs", logs, "a directory")->required();
  app.add_option("--count", count);
  CLI11_PARSE(app, argc, argv);
  host::RealClock clock;
  host::ThreadLoop loop(clock, "cri");
  Cri cri(loop, socket);
  std::string out = "[";
  for (int i = 0; i < count; ++i) out += (i ? "," : "") + start_one(cri, {id}, image, logs, i);
  std::printf("%s]\n", out.c_str());
  return 0;
}
