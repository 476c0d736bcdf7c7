#include "node/events.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::node {
namespace {
using api::JsonObject;

constexpr size_t kMaxMessage = 1024;  // core/v1 validation

std::string field_path(const ContainerDef* c) {
  return c ? fmt::format("spec.{}{{{}}}", c->init ? "initContainers" : "containers", c->name) : std::string();
}
}  // namespace

Events::Events(env::Env& env, Api& api, std::string node) : env_(env), api_(api), node_(std::move(node)) {}

void Events::normal(const std::string& cluster_path, const Pod& pod, const ContainerDef* c,
                    std::string_view reason, std::string message) {
  record("Normal", cluster_path, pod, c, reason, std::move(message));
}
void Events::warning(const std::string& cluster_path, const Pod& pod, const ContainerDef* c,
                     std::string_view reason, std::string message) {
  record("Warning", cluster_path, pod, c, reason, std::move(message));
}

bool Events::take_token(OfPod& pod) {
  const Instant now = env_.clock.now();
  const int64_t refills = pod.tokens == kBurst ? 0 : (now - pod.refilled) / kRefill;
  if (refills > 0) {
    pod.tokens = int(std::min<int64_t>(kBurst, pod.tokens + refills));
    pod.refilled += kRefill * refills;
  }
  if (pod.tokens == 0) return false;
  if (pod.tokens == kBurst) pod.refilled = now;
  --pod.tokens;
  return true;
}

void Events::node(std::string_view type, std::string_view reason, std::string message) {
  // Nodes' Events name the node also where its uid belongs, as the kubelet's do.
  record(type,
         {.uid = "",
          .base = "/clusters/root/api/v1/namespaces/default/events",
          .name = node_,
          .object = {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node_}, {"uid", node_}}},
         reason, std::move(message));
}

void Events::record(std::string_view type, const std::string& cluster_path, const Pod& pod,
                    const ContainerDef* c, std::string_view reason, std::string message) {
  About about{.uid = pod.uid,
              .base = fmt::format("{}/api/v1/namespaces/{}/events", cluster_path, pod.ns),
              .name = pod.name,
              .field = field_path(c),
              .object = {{"apiVersion", "v1"},
                         {"kind", "Pod"},
                         {"namespace", pod.ns},
                         {"name", pod.name},
                         {"uid", pod.uid}}};
  if (!about.field.empty()) about.object["fieldPath"] = about.field;
  record(type, about, reason, std::move(message));
}

void Events::record(std::string_view type, const About& about, std::string_view reason, std::string message) {
  OfPod& of_pod = pods_[about.uid];
  if (!take_token(of_pod) || queue_.size() >= kMaxQueued) {
    ++dropped_;
    return;
  }
  if (message.size() > kMaxMessage) message.resize(kMaxMessage);
  const std::string now = to_rfc3339(env_.clock.wall());
  const std::string key = fmt::format("{}\n{}\n{}", reason, about.field, message);
  if (const auto it = of_pod.known.find(key); it != of_pod.known.end()) {
    queue_.push_back({.method = "PATCH",
                      .path = fmt::format("{}/{}", about.base, it->second.name),
                      .body = api::to_text(JsonObject{{"count", ++it->second.count}, {"lastTimestamp", now}}),
                      .content_type = "application/merge-patch+json"});
    send();
    return;
  }
  if (of_pod.known.size() >= kMaxKindsPerPod) of_pod.known.clear();
  // 253 characters are a name's limit; 17 of them are ours.
  const std::string name = fmt::format("{}.{:016x}", about.name.substr(0, 236), env_.entropy.next());
  of_pod.known[key] = {name, 1};
  const std::string_view ns = api::string_at(about.object, {"namespace"});
  queue_.push_back({.method = "POST",
                    .path = about.base,
                    .body = api::to_text(JsonObject{
                        {"apiVersion", "v1"},
                        {"kind", "Event"},
                        {"metadata", JsonObject{{"name", name}, {"namespace", ns.empty() ? "default" : ns}}},
                        {"involvedObject", about.object},
                        {"reason", reason},
                        {"message", message},
                        {"type", type},
                        {"count", 1},
                        {"firstTimestamp", now},
                        {"lastTimestamp", now},
                        {"source", JsonObject{{"component", "kubelet"}, {"host", node_}}},
                        {"reportingComponent", "kubelet"},
                        {"reportingInstance", node_}})});
  send();
}

void Events::send() {
  while (!queue_.empty() && in_flight_ < kMaxInFlight) {
    Call call = std::move(queue_.front());
    queue_.pop_front();
    ++in_flight_;
    api_.call(std::move(call), [this, alive = std::weak_ptr<bool>(alive_)](Result<Answer>) {
      if (alive.expired()) return;
      --in_flight_;
      send();
    });
  }
}

}  // namespace ingot::node
