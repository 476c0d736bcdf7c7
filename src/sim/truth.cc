#include "sim/truth.h"

#include <algorithm>

namespace ingot::sim {
namespace {

// The devices a container was given, as it sees them itself.
std::vector<std::string> visible_devices(const node::ContainerSpec& spec) {
  std::vector<std::string> uuids;
  for (const auto& [name, value] : spec.env) {
    if (name != "NVIDIA_VISIBLE_DEVICES") continue;
    uuids.clear();
    for (size_t at = 0; at < value.size();) {
      const size_t end = std::min(value.find(',', at), value.size());
      if (const std::string one = value.substr(at, end - at); one.starts_with("GPU-")) uuids.push_back(one);
      at = end + 1;
    }
  }
  return uuids;
}

}  // namespace

void Truth::sandbox_started(const std::string& sandbox, const node::SandboxSpec& spec) {
  live_.try_emplace(sandbox, Live{spec.pod_uid, {}});
}

void Truth::devices_used(const std::string& sandbox, const node::SandboxSpec& spec,
                         const std::vector<std::string>& uuids) {
  Live& live = live_.try_emplace(sandbox, Live{spec.pod_uid, {}}).first->second;
  for (const std::string& uuid : uuids) {
    std::set<std::string>& owners = owners_of_[uuid];
    if (!owners.insert(sandbox).second) continue;
    for (const std::string& owner : owners) {
      if (owner == sandbox) continue;
      const auto other = live_.find(owner);
      twice_.push_back({uuid, spec.pod_uid, other == live_.end() ? "?" : other->second.pod_uid});
    }
    live.held.push_back(held_.size());
    held_.push_back({spec.pod_uid, spec.cluster, uuid, world_.wall(), std::nullopt});
  }
}

void Truth::sandbox_gone(const std::string& sandbox) {
  const auto it = live_.find(sandbox);
  if (it == live_.end()) return;
  for (const size_t index : it->second.held) held_[index].to = world_.wall();
  for (auto& [device, owners] : owners_of_) owners.erase(sandbox);
  live_.erase(it);
}

std::vector<std::string> Truth::held_twice(const May& may) const {
  std::vector<std::string> out;
  for (const Twice& t : twice_)
    if (!may(t.pod, t.other))
      out.push_back("held twice: " + t.device + " by pod " + t.pod + " and pod " + t.other);
  return out;
}

bool Truth::runs(const std::string& pod_uid) const {
  return std::any_of(live_.begin(), live_.end(),
                     [&](const auto& entry) { return entry.second.pod_uid == pod_uid; });
}

WatchedRuntime::~WatchedRuntime() {
  for (const auto& [sandbox, unused] : mine_) truth_.sandbox_gone(sandbox);
}

void WatchedRuntime::run_sandbox(const node::SandboxSpec& spec, node::Callback<std::string> done) {
  inner_->run_sandbox(spec, [this, spec, done = std::move(done)](Result<std::string> id) mutable {
    if (id) {
      mine_[*id] = true;
      truth_.sandbox_started(*id, spec);
    }
    done(std::move(id));
  });
}

void WatchedRuntime::create_container(const std::string& sandbox, const node::SandboxSpec& spec,
                                      const node::ContainerSpec& container,
                                      node::Callback<std::string> done) {
  truth_.devices_used(sandbox, spec, visible_devices(container));
  inner_->create_container(sandbox, spec, container, std::move(done));
}

void WatchedRuntime::stop_sandbox(const std::string& id, node::Callback<void> done) {
  const Duration takes = world_.random().between(Duration::zero(), std::chrono::milliseconds(400));
  world_.at(world_.now() + takes, hardware_, [this, id, done = std::move(done)]() mutable {
    inner_->stop_sandbox(id, [this, id, done = std::move(done)](Result<void> result) mutable {
      if (result) truth_.sandbox_gone(id);
      done(std::move(result));
    });
  });
}

void WatchedRuntime::remove_sandbox(const std::string& id, node::Callback<void> done) {
  inner_->remove_sandbox(id, [this, id, done = std::move(done)](Result<void> result) mutable {
    if (result) {
      truth_.sandbox_gone(id);
      mine_.erase(id);
    }
    done(std::move(result));
  });
}

}  // namespace ingot::sim
