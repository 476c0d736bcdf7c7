#include "host/cri_steps.h"

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

}  // namespace ingot::host
