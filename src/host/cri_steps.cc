#include "host/cri_steps.h"

#include <algorithm>

#include "cri.pb.h"

namespace ingot::host {
namespace {
constexpr Duration kQuick = std::chrono::seconds(30);
}

namespace {

// Where the sandbox stands.
void find_place(ContainerdRpc& rpc, const MachinePaths& paths, const std::string& sandbox, std::string hosts,
                node::Callback<PodPlace> done) {
  runtime::v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(sandbox);
  request.set_verbose(true);
  rpc.call(
      "/runtime.v1.RuntimeService/PodSandboxStatus", request.SerializeAsString(), kQuick,
      [&paths, sandbox, hosts = std::move(hosts),
       done = std::move(done)](Result<std::string> answer) mutable {
        if (!answer) return done(fail(answer.error()));
        runtime::v1::PodSandboxStatusResponse reply;
        if (!reply.ParseFromString(*answer))
          return done(fail(Reason::InternalError, "containerd: malformed answer"));
        const auto info = reply.info().find("info");
        done(pod_place(paths, sandbox, std::move(hosts), info == reply.info().end() ? "" : info->second));
      });
}

}  // namespace

void bring_to(ContainerdRpc& rpc, const MachinePaths& paths, Artifacts& artifacts, const node::Bring& what,
              node::Callback<node::Brought> done) {
  if (!comes_from_elsewhere(what)) return artifacts.bring(what, {}, std::move(done));
  find_place(rpc, paths, what.sandbox, what.hosts,
             [&artifacts, what, done = std::move(done)](Result<PodPlace> place) mutable {
               if (!place) return done(fail(place.error()));
               artifacts.bring(std::move(what), *std::move(place), std::move(done));
             });
}

void ask_from(ContainerdRpc& rpc, const MachinePaths& paths, Artifacts& artifacts, const node::HttpAsk& what,
              node::Callback<node::HttpAnswer> done) {
  find_place(rpc, paths, what.sandbox, what.hosts,
             [&artifacts, what, done = std::move(done)](Result<PodPlace> place) mutable {
               if (!place) return done(fail(place.error()));
               artifacts.ask(std::move(what), *std::move(place), std::move(done));
             });
}

void exec_in(ContainerdRpc& rpc, const std::string& container, const std::vector<std::string>& argv,
             Duration timeout, node::Callback<int> done) {
  using namespace std::chrono_literals;
  runtime::v1::ExecSyncRequest request;
  request.set_container_id(container);
  for (const std::string& word : argv) request.add_cmd(word);
  request.set_timeout(std::max<int64_t>((timeout + 1s - 1ns) / 1s, 1));
  rpc.call("/runtime.v1.RuntimeService/ExecSync", request.SerializeAsString(), timeout + 10s,
           [done = std::move(done)](Result<std::string> answer) mutable {
             runtime::v1::ExecSyncResponse reply;
             if (!answer) return done(fail(answer.error()));
             if (!reply.ParseFromString(*answer))
               return done(fail(Reason::InternalError, "containerd: malformed answer"));
             done(reply.exit_code());
           });
}

}  // namespace ingot::host
