#include "host/cri_steps.h"

#include <algorithm>

#include "cri.pb.h"

namespace ingot::host {
namespace {
constexpr Duration kQuick = std::chrono::seconds(30);
}

void bring_to(ContainerdRpc& rpc, const MachinePaths& paths, Artifacts& artifacts, const node::Bring& what,
              node::Callback<node::Brought> done) {
  if (!comes_from_elsewhere(what)) return artifacts.bring(what, {}, std::move(done));
  runtime::v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(what.sandbox);
  request.set_verbose(true);
  rpc.call("/runtime.v1.RuntimeService/PodSandboxStatus", request.SerializeAsString(), kQuick,
           [&paths, &artifacts, what, done = std::move(done)](Result<std::string> answer) mutable {
             if (!answer) return done(fail(answer.error()));
             runtime::v1::PodSandboxStatusResponse reply;
             if (!reply.ParseFromString(*answer))
               return done(fail(Reason::InternalError, "containerd: malformed answer"));
             const auto info = reply.info().find("info");
             auto place = pod_place(paths, what, info == reply.info().end() ? "" : info->second);
             if (!place) return done(fail(place.error()));
             artifacts.bring(std::move(what), *std::move(place), std::move(done));
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
