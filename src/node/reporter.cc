#include "node/reporter.h"

#include "api/parse.h"
#include "node/step.h"

#include <utility>

namespace ingot::node {

Reporter::Reporter(env::Env& env, Api& api, env::Task changed)
    : env_(env), api_(api), changed_(std::move(changed)) {}

Reporter::~Reporter() { env_.loop.cancel(timer_); }

void Reporter::want(const std::string& path, const Pod& pod, api::JsonObject status,
                    std::string_view outputs) {
  // The uid keeps a status from landing on another pod of the same name.
  api::Json report =
      api::JsonObject{{"metadata", api::JsonObject{{"uid", pod.uid}}}, {"status", std::move(status)}};
  if (!outputs.empty()) api::set(report, {"metadata", "annotations", kOutputsAnnotation}, outputs);
  std::string body = api::as_utf8(api::to_text(report));  // programs write what they like
  if (body == wanted_) return;
  wanted_ = std::move(body);
  path_ = path + "/status";
  refusals_ = 0;
  if (!in_flight_ && timer_ == 0) send();
}

void Reporter::send() {
  if (in_flight_ || wanted_ == acknowledged_) return;
  in_flight_ = true;
  sent_ = wanted_;
  api_.call({.method = "PATCH", .path = path_, .body = sent_, .content_type = "application/merge-patch+json"},
            [this, alive = std::weak_ptr<bool>(alive_)](Result<Answer> answer) {
              if (!alive.expired()) answered(answer);
            });
}

void Reporter::answered(const Result<Answer>& answer) {
  in_flight_ = false;
  const int code = answer ? answer->code : 0;
  if (code / 100 == 2 || code == 404 || code == 410) {
    backoff_.reset();
    refusals_ = 0;
    acknowledged_ = sent_;
    changed_();
    return send();
  }
  const bool refused = code / 100 == 4 && code != 408 && code != 429;
  if (refused && ++refusals_ == kRefusals) {
    env_.log.warn("node.status.refused", {{"path", path_}, {"code", code}});
    return changed_();
  }
  if (!refused || refusals_ < kRefusals) send_after(backoff_.next());
}

void Reporter::send_after(Duration wait) {
  timer_ = env_.loop.at(env_.clock.now() + wait, [this] {
    timer_ = 0;
    send();
  });
}

}  // namespace ingot::node
