#include "node/agent.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::node {
namespace {
constexpr std::string_view kFactory = "/clusters/root/apis/factory.ingot.dev/v1alpha1";
}

// Passes a watch on to the agent while it lives.
struct Agent::Feed final : Api::Sink {
  Feed(Agent& a, void (Agent::*r)(const api::JsonArray&), void (Agent::*e)(std::string_view, api::Json))
      : agent(a), on_reset(r), on_event(e) {}
  void reset(const api::JsonArray& items) override { (agent.*on_reset)(items); }
  void event(std::string_view type, api::Json object) override { (agent.*on_event)(type, std::move(object)); }
  Agent& agent;
  void (Agent::*on_reset)(const api::JsonArray&);
  void (Agent::*on_event)(std::string_view, api::Json);
};

struct Agent::DeviceNews final : Devices::Listener {
  explicit DeviceNews(Agent& a) : agent(a) {}
  void devices_changed() override { agent.publish_gpus(); }
  void device_event(std::string_view type, std::string_view reason, std::string message) override {
    agent.events_.node(type, reason, std::move(message));
  }
  Agent& agent;
};

Agent::Agent(NodeConfig config, env::Env& env, Api& api, Runtime& runtime, Files& files,
             DeviceControl* devices)
    : config_(std::move(config)),
      health_(config_.gpu_health),
      env_(env),
      api_(api),
      runtime_(runtime),
      events_(env, api, config_.name),
      sampled_(config_.gpus),
      device_news_(std::make_unique<DeviceNews>(*this)),
      devices_(devices ? std::make_unique<Devices>(env, *devices, sampled_, *device_news_) : nullptr),
      ctx_{config_, env, api, runtime, files, images_, events_, devices_.get()},
      registration_(env, api, config_) {}

Agent::~Agent() {
  env_.loop.cancel(timer_);
  runtime_.on_change([](const std::string&) {});
}

void Agent::start() {
  registration_.start();
  if (devices_) devices_->start();
  runtime_.on_change([this, alive = std::weak_ptr<bool>(alive_)](const std::string& uid) {
    if (alive.expired()) return;
    if (uid.empty()) {
      for (auto& [id, worker] : workers_) worker->look();
    } else if (const auto it = workers_.find(uid); it != workers_.end()) {
      it->second->look();
    }
  });
  list_runtime();
}

void Agent::take_samples(std::span<const gpu::Sample> samples) {
  if (!health_.take(samples, sampled_, env_.clock.now())) return;
  for (const gpu::Board& board : sampled_.boards)
    if (!board.healthy)
      env_.log.warn("node.gpu_unhealthy",
                    {{"node", config_.name}, {"gpu", board.uuid}, {"why", board.fault}});
  publish_gpus();
}

void Agent::publish_gpus() {
  config_.gpus = sampled_;
  if (devices_) {
    devices_->overlay(config_.gpus);
    config_.scrubs = devices_->last_scrubs();
  }
  registration_.refresh();
}

std::vector<std::pair<std::string, std::string>> Agent::held_gpus() const {
  std::vector<std::pair<std::string, std::string>> held;
  for (const auto& [uid, worker] : workers_) {
    if (!worker->has_sandbox() || !worker->allocation()) continue;
    for (const HeldDevice& d : worker->allocation()->devices) held.emplace_back(d.uuid, uid);
  }
  return held;
}

// What runs is known before what should run: nothing is started twice.
void Agent::list_runtime() {
  runtime_.list([this, alive = std::weak_ptr<bool>(alive_)](Result<std::vector<SandboxStatus>> all) {
    if (alive.expired()) return;
    if (all) return listed(*all);
    env_.log.warn("node.list_failed", {{"node", config_.name}, {"error", all.error().message}});
    timer_ = env_.loop.at(env_.clock.now() + list_backoff_.next(), [this] { list_runtime(); });
  });
}

void Agent::listed(const std::vector<SandboxStatus>& all) {
  std::map<std::string, std::vector<SandboxStatus>> by_pod;
  for (const SandboxStatus& s : all) by_pod[s.pod_uid].push_back(s);
  for (const auto& [uid, sandboxes] : by_pod) worker(uid).observe(sandboxes);
  env_.log.info("node.adopted", {{"node", config_.name}, {"pods", by_pod.size()}});
  listed_ = true;
  watch();
}

void Agent::watch() {
  const auto feed = [this](auto on_reset, auto on_event) {
    return std::make_shared<Feed>(*this, on_reset, on_event);
  };
  allocations_watch_ =
      api_.watch(fmt::format("{}/allocations?fieldSelector=spec.node%3D{}", kFactory, config_.name),
                 feed(&Agent::reset_allocations, &Agent::allocation_event));
  pods_watch_ =
      api_.watch(fmt::format("/clusters/*/api/v1/pods?fieldSelector=spec.nodeName%3D{}", config_.name),
                 feed(&Agent::reset_pods, &Agent::pod_event));
  have_images_ = config_.hollow;
  if (!config_.hollow)
    images_watch_ =
        api_.watch(fmt::format("{}/images", kFactory), feed(&Agent::reset_images, &Agent::image_event));
}

void Agent::begin_if_ready() {
  if (ctx_.started || !listed_ || !have_pods_ || !have_allocations_ || !have_images_) return;
  ctx_.started = true;
  env_.log.info("node.ready", {{"node", config_.name}, {"pods", workers_.size()}});
  registration_.ready();
  if (devices_) devices_->settle();
  poke_all();
}

PodWorker& Agent::worker(const std::string& uid) {
  auto& found = workers_[uid];
  if (!found)
    found = std::make_shared<PodWorker>(ctx_, uid,
                                        [this, alive = std::weak_ptr<bool>(alive_)](const std::string& id) {
                                          if (!alive.expired()) forget(id);
                                        });
  return *found;
}

void Agent::forget(const std::string& uid) {
  workers_.erase(uid);
  check_drained();
}

void Agent::poke_all() {
  for (auto& [uid, worker] : workers_) worker->poke();
}

void Agent::put_pod(api::Json object) {
  auto pod = parse_pod(std::move(object));
  if (!pod) {
    env_.log.warn("node.pod.unreadable", {{"node", config_.name}, {"error", pod.error().message}});
    return;
  }
  PodWorker& w = worker((*pod)->uid);
  const bool known = w.has_pod();
  w.set_pod(*pod);
  if (known || (*pod)->finished()) return;
  if (draining_) w.end("Terminated", "Pod was terminated in response to imminent node shutdown.");
  const size_t active =
      size_t(std::ranges::count_if(workers_, [](const auto& other) { return other.second->active(); })) - 1;
  if (int64_t(active) >= config_.max_pods)
    w.end("OutOfpods",
          fmt::format("Node didn't have enough resource: pods, requested: 1, used: {}, capacity: {}", active,
                      config_.max_pods));
}

void Agent::reset_pods(const api::JsonArray& items) {
  std::set<std::string, std::less<>> seen;
  for (const api::Json& item : items) {
    seen.emplace(api::string_at(item, {"metadata", "uid"}));
    put_pod(item);
  }
  // One never seen may be on its way (its Allocation came first): its worker asks.
  for (auto& [uid, worker] : workers_)
    if (worker->has_pod() && !seen.contains(uid)) worker->set_gone();
  have_pods_ = true;
  begin_if_ready();
}

void Agent::pod_event(std::string_view type, api::Json object) {
  if (type != "DELETED") return put_pod(std::move(object));
  const auto it = workers_.find(std::string(api::string_at(object, {"metadata", "uid"})));
  if (it != workers_.end()) it->second->set_gone();
}

void Agent::reset_allocations(const api::JsonArray& items) {
  std::set<std::string> seen;
  for (const api::Json& item : items) {
    seen.emplace(api::string_at(item, {"metadata", "name"}));
    allocation_event("ADDED", item);
  }
  for (auto& [uid, worker] : workers_) {
    if (!worker->allocation() || seen.contains(uid)) continue;
    Allocation closed = *worker->allocation();
    closed.open = false;
    worker->set_allocation(std::move(closed));
  }
  have_allocations_ = true;
  begin_if_ready();
}

void Agent::allocation_event(std::string_view type, api::Json object) {
  auto allocation = parse_allocation(object);
  if (!allocation) {
    env_.log.warn("node.allocation.unreadable",
                  {{"node", config_.name}, {"error", allocation.error().message}});
    return;
  }
  if (type == "DELETED") allocation->open = false;
  if (devices_ && allocation->open) devices_->expect(*allocation);
  // A closed one of a pod that is not here any more needs nobody.
  if (!allocation->open && !workers_.contains(allocation->uid)) return;
  worker(allocation->uid).set_allocation(*allocation);
  check_drained();
}

void Agent::reset_images(const api::JsonArray& items) {
  images_.clear();
  for (const api::Json& item : items) images_.put(item);
  have_images_ = true;
  begin_if_ready();
  poke_all();
}

void Agent::image_event(std::string_view type, api::Json object) {
  type == "DELETED" ? images_.erase(object) : images_.put(object);
  poke_all();
}

void Agent::drain(std::function<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  for (auto& [uid, worker] : workers_)
    worker->end("Terminated", "Pod was terminated in response to imminent node shutdown.");
  check_drained();
}

void Agent::check_drained() {
  if (!drained_) return;
  if (std::ranges::any_of(workers_, [](const auto& w) { return w.second->holds(); })) {
    env_.loop.cancel(timer_);
    timer_ = env_.loop.at(env_.clock.now() + std::chrono::milliseconds(50), [this] { check_drained(); });
    return;
  }
  env_.loop.post(std::exchange(drained_, nullptr));
}

Agent::Counts Agent::counts() const {
  Counts c{.pods = workers_.size()};
  for (const auto& [uid, worker] : workers_) c.holding += worker->holds();
  return c;
}

}  // namespace ingot::node
