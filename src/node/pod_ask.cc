// PodWorker: a step that is a request. It stands in for the main container: it runs while there is no answer yet, and has
// ended well when there is one, whatever it says. After a crash it is made again.
#include <fmt/format.h>

#include "node/container_spec.h"
#include "node/pod_worker.h"

namespace ingot::node {

namespace {
constexpr size_t kMostText = 240 * 1024;  // with what JSON makes of it: annotations have 256 KiB
}

bool PodWorker::asks(const ContainerDef& def) const {
  return step_ && step_->step.http && def.name == kStepContainer;
}

void PodWorker::ask(const ContainerDef& def) {
  Work& w = work(def.name);
  auto request = http_request(*step_->step.http, ctx_.config.hollow ? nullptr : &config_);
  const WallTime now = ctx_.env.clock.wall();
  merge({.name = def.name, .state = ContainerState::Running, .created_at = now, .started_at = now}, true);
  if (!request) return answered(fail(request.error()));
  w.busy = step_->asking = true;
  step_->stop = std::make_shared<std::atomic<bool>>(false);
  ctx_.runtime.ask({.sandbox = sandbox_->id,
                    .cluster = allocation_->cluster,
                    .hosts = hosts_file(*pod_, view_.ip),
                    .request = *std::move(request),
                    .stop = step_->stop},
                   guarded([this](Result<HttpAnswer> answer) { answered(answer); }));
}

void PodWorker::answered(const Result<HttpAnswer>& answer) {
  const std::string name(kStepContainer);
  work(name).busy = step_->asking = false;
  ContainerStatus c = *view_.view(name).current;
  c.state = ContainerState::Exited;
  c.finished_at = ctx_.env.clock.wall();
  c.exit_code = answer ? 0 : 1;
  c.reason = answer ? "Completed" : "RequestFailed";
  c.message = answer ? "" : answer.error().message;
  if (answer) outputs_ = api::to_text(api::JsonObject{{"http", answer_json(*answer)}});
  if (outputs_.size() > kMostText) {
    outputs_.clear();
    c.exit_code = 1;
    c.reason = "RequestFailed";
    c.message = "the answer is larger than " + std::to_string(kMaxHttpBody / 1024) + " KiB";
  }
  merge(c, true);
  poke();
}

}  // namespace ingot::node
