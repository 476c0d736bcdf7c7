#include "node/registration.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/quantity.h"
#include "gpu/islands.h"
#include "gpu/mig.h"
#include "gpu/models.h"
#include "node/partitions.h"

namespace ingot::node {
namespace {
using api::Json;
using api::JsonArray;
using api::JsonObject;

#if defined(__aarch64__)
constexpr std::string_view kArchitecture = "arm64";
#else
constexpr std::string_view kArchitecture = "amd64";
#endif

JsonObject labels_of(const NodeConfig& node) {
  JsonObject labels{{"kubernetes.io/hostname", node.name},
                    {"kubernetes.io/arch", kArchitecture},
                    {"kubernetes.io/os", "linux"},
                    {"beta.kubernetes.io/arch", kArchitecture},  // as kubelets still have it
                    {"beta.kubernetes.io/os", "linux"}};
  if (!node.gpus.boards.empty()) {
    const gpu::Board& first = node.gpus.boards.front();
    labels["nvidia.com/gpu.present"] = "true";
    labels["nvidia.com/gpu.product"] = gpu::product_label(first.product);
    labels["nvidia.com/gpu.count"] = std::to_string(node.gpus.boards.size());
    labels["nvidia.com/gpu.memory"] = std::to_string(first.memory_mib);
    labels["nvidia.com/gpu.compute.major"] = std::to_string(first.compute_major);
    labels["nvidia.com/gpu.compute.minor"] = std::to_string(first.compute_minor);
    if (const gpu::Model* model = gpu::find_model(first.model))
      labels["nvidia.com/gpu.family"] = model->family;
    const bool mig = std::ranges::any_of(node.gpus.boards, &gpu::Board::mig_enabled);
    labels["nvidia.com/mig.strategy"] = mig ? "mixed" : "none";
    if (node.gpus.simulated) labels["ingot.dev/simulated"] = "true";
  }
  if (node.hollow) labels["ingot.dev/hollow"] = "true";
  for (const auto& [name, value] : node.labels) labels[name] = value;
  return labels;
}

int64_t healthy_gpus(const NodeConfig& node) {
  return std::ranges::count_if(node.gpus.boards, &gpu::Board::healthy);
}

JsonObject resources(const NodeConfig& node, int64_t gpus) {
  JsonObject r{{"cpu", format_milli(node.cpu_milli)},
               {"memory", format_bytes(node.memory_bytes)},
               {"ephemeral-storage", format_bytes(node.ephemeral_bytes)},
               {"pods", std::to_string(node.max_pods)}};
  if (!node.gpus.boards.empty()) r["nvidia.com/gpu"] = std::to_string(gpus);
  return r;
}

Json condition(std::string_view type, bool value, std::string_view reason, std::string_view message,
               WallTime now, WallTime since) {
  return JsonObject{{"type", type},
                    {"status", value ? "True" : "False"},
                    {"reason", reason},
                    {"message", message},
                    {"lastHeartbeatTime", to_rfc3339(now)},
                    {"lastTransitionTime", to_rfc3339(since)}};
}

// Whether every board of the node may be given, and if not, which may not and why.
Json gpu_condition(const NodeConfig& node, WallTime now, WallTime since) {
  std::string message;
  for (const gpu::Board& board : node.gpus.boards)
    if (!board.healthy)
      message +=
          fmt::format("{}GPU {} ({}): {}", message.empty() ? "" : "; ", board.index, board.uuid, board.fault);
  if (message.empty()) return condition(kGpuHealthy, true, "GPUsHealthy", "no GPU has a fault", now, since);
  return condition(kGpuHealthy, false, "GPUFault", message, now, since);
}
}  // namespace

api::JsonObject node_object(const NodeConfig& node) {
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", JsonObject{{"name", node.name}, {"labels", labels_of(node)}}}};
}

api::JsonObject node_status(const NodeConfig& node, bool ready, WallTime now, WallTime since,
                            WallTime gpu_since) {
  JsonArray conditions{
      condition("MemoryPressure", false, "KubeletHasSufficientMemory", "", now, since),
      condition("DiskPressure", false, "KubeletHasNoDiskPressure", "", now, since),
      condition("PIDPressure", false, "KubeletHasSufficientPID", "", now, since),
      ready ? condition("Ready", true, "KubeletReady", "the node's agent runs pods", now, since)
            : condition("Ready", false, "KubeletNotReady", "the node's agent is starting", now, since)};
  if (!node.gpus.boards.empty()) conditions.push_back(gpu_condition(node, now, gpu_since));
  JsonArray addresses{JsonObject{{"type", "Hostname"}, {"address", node.name}}};
  if (!node.host_ip.empty())
    addresses.insert(addresses.begin(), JsonObject{{"type", "InternalIP"}, {"address", node.host_ip}});
  return {
      {"capacity", resources(node, int64_t(node.gpus.boards.size()))},
      {"allocatable", resources(node, healthy_gpus(node))},
      {"addresses", std::move(addresses)},
      {"conditions", std::move(conditions)},
      {"nodeInfo", JsonObject{{"kubeletVersion", node.version},
                              {"kubeProxyVersion", ""},
                              {"containerRuntimeVersion", node.hollow ? "hollow://1" : node.runtime_version},
                              {"kernelVersion", node.kernel_version},
                              {"osImage", node.os_image},
                              {"machineID", node.machine_id},
                              {"systemUUID", node.machine_id},
                              {"bootID", node.boot_id},
                              {"operatingSystem", "linux"},
                              {"architecture", kArchitecture}}}};
}

api::JsonObject lease_object(const NodeConfig& node, WallTime now) {
  return {{"apiVersion", "coordination.k8s.io/v1"},
          {"kind", "Lease"},
          {"metadata", JsonObject{{"name", node.name}, {"namespace", "kube-node-lease"}}},
          {"spec", JsonObject{{"holderIdentity", node.name},
                              {"leaseDurationSeconds", 40},
                              {"renewTime", to_rfc3339_micro(now)}}}};
}

// How a board is joined to others, as claims' matchAttribute can ask for it. `nvlinkPeers` only where not every
// two boards of the island are one hop apart.
void add_links(JsonObject& attributes, const gpu::Board& board, const gpu::Islands& islands, int position) {
  if (board.numa_node >= 0) attributes["numaNode"] = JsonObject{{"int", board.numa_node}};
  if (board.nvlink_peers.empty() || position >= gpu::kMaxBoards) return;
  attributes["nvlinkIsland"] = JsonObject{{"int", islands.island_of(position)}};
  if (!islands.joins_all(position))
    attributes["nvlinkPeers"] = JsonObject{{"string", fmt::format("{}", fmt::join(board.nvlink_peers, ","))}};
}

constexpr size_t kMaxAttribute = 64;  // of a ResourceSlice's string attribute (resource.k8s.io/v1)

// "1g.10gb@0,1;3g.40gb@4": by profile, in the order of their first start.
std::string instances_text(const std::vector<gpu::MigDevice>& instances) {
  std::vector<std::pair<std::string, std::string>> starts;
  for (const gpu::MigDevice& i : instances) {
    auto at = std::ranges::find(starts, i.profile, &std::pair<std::string, std::string>::first);
    if (at == starts.end()) at = starts.insert(starts.end(), {i.profile, ""});
    at->second += (at->second.empty() ? "" : ",") + std::to_string(i.start);
  }
  std::string out;
  for (const auto& [profile, list] : starts)
    out += fmt::format("{}{}@{}", out.empty() ? "" : ";", profile, list);
  return out.substr(0, kMaxAttribute);
}

// What a board may be cut into, and how it is cut.
void add_mig(JsonObject& attributes, const gpu::Board& board) {
  attributes["migCapable"] = JsonObject{{"bool", board.mig_capable}};
  if (!board.mig_capable) return;
  attributes["migEnabled"] = JsonObject{{"bool", board.mig_enabled}};
  std::string profiles;
  for (const gpu::Profile& p : gpu::profiles(board.model))
    (profiles += profiles.empty() ? "" : ",") += p.name;
  if (!profiles.empty()) attributes["migProfiles"] = JsonObject{{"string", profiles}};
  if (!board.mig_devices.empty())
    attributes["migInstances"] = JsonObject{{"string", instances_text(board.mig_devices)}};
}

api::JsonObject slice_object(const NodeConfig& node, int64_t generation) {
  JsonArray devices;
  const gpu::Islands islands(gpu::links_of(node.gpus.boards));
  for (const gpu::Board& board : node.gpus.boards) {
    JsonObject attributes{{"type", JsonObject{{"string", "gpu"}}},
                          {"uuid", JsonObject{{"string", board.uuid}}},
                          {"productName", JsonObject{{"string", board.product}}},
                          {"model", JsonObject{{"string", board.model}}},
                          {"index", JsonObject{{"int", board.index}}},
                          {"simulated", JsonObject{{"bool", node.gpus.simulated}}},
                          {"healthy", JsonObject{{"bool", board.healthy}}}};
    if (!board.healthy)
      attributes["unhealthyReason"] = JsonObject{{"string", board.fault.substr(0, kMaxAttribute)}};
    add_mig(attributes, board);
    add_links(attributes, board, islands, int(devices.size()));
    JsonObject device{
        {"name", fmt::format("gpu-{}", board.index)},
        {"attributes", std::move(attributes)},
        {"capacity", JsonObject{{"memory", JsonObject{{"value", fmt::format("{}Mi", board.memory_mib)}}}}}};
    if (JsonArray taken = board_counters(board); !taken.empty())
      device["consumesCounters"] = std::move(taken);
    devices.push_back(std::move(device));
  }
  JsonObject metadata{{"name", node.name + "-gpu.nvidia.com"}};
  if (!node.scrubs.empty())
    metadata["annotations"] = JsonObject{{"factory.ingot.dev/last-scrubs", api::to_text(node.scrubs)}};
  return {{"apiVersion", "resource.k8s.io/v1"},
          {"kind", "ResourceSlice"},
          {"metadata", std::move(metadata)},
          {"spec", JsonObject{{"driver", "gpu.nvidia.com"},
                              {"nodeName", node.name},
                              {"pool", slice_pool(node, generation)},
                              {"devices", std::move(devices)}}}};
}

Registration::Registration(env::Env& env, Api& api, const NodeConfig& config)
    : env_(env), api_(api), config_(config) {
  node_ = {.collection = "/clusters/root/api/v1/nodes", .name = config.name, .has_status = true};
  lease_ = {.collection = "/clusters/root/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
            .name = config.name};
  slice_ = {.collection = "/clusters/root/apis/resource.k8s.io/v1/resourceslices",
            .name = config.name + "-gpu.nvidia.com"};
  if (!config.hollow)
    for (std::string& name : partition_slice_names(config))
      parts_.push_back({.collection = slice_.collection, .name = std::move(name)});
}

Registration::~Registration() {
  for (const env::TimerId id : {node_.timer, lease_.timer, slice_.timer, heartbeat_}) env_.loop.cancel(id);
  for (const Kept& part : parts_) env_.loop.cancel(part.timer);
}

void Registration::start() {
  since_ = gpu_since_ = env_.clock.wall();
  gpus_healthy_ = healthy_gpus(config_) == int64_t(config_.gpus.boards.size());
  report();
  heartbeat();
}

void Registration::ready() {
  if (std::exchange(ready_, true)) return;
  since_ = env_.clock.wall();
  node_.dirty = true;
  keep(node_);
}

void Registration::refresh() {
  const bool healthy = healthy_gpus(config_) == int64_t(config_.gpus.boards.size());
  if (std::exchange(gpus_healthy_, healthy) != healthy) gpu_since_ = env_.clock.wall();
  ++generation_;
  report();
}

void Registration::report() {
  reported_ = env_.clock.now();
  node_.dirty = slice_.dirty = true;
  keep(node_);
  if (!config_.gpus.boards.empty()) keep(slice_);
  keep_parts();
}

void Registration::keep_parts() {
  for (Kept& part : parts_) {
    part.dirty = true;
    keep(part);
  }
}

void Registration::heartbeat() {
  lease_.dirty = true;
  keep(lease_);
  if (env_.clock.now() - reported_ >= kReport) report();
  // The first wait is of any length, so that nodes that start together do not all report at the same moments.
  const Duration wait = std::exchange(spread_, true)
                            ? kHeartbeat
                            : Duration(int64_t(env_.entropy.next() % uint64_t(kHeartbeat.count())));
  heartbeat_ = env_.loop.at(env_.clock.now() + wait, [this] { heartbeat(); });
}

api::JsonObject Registration::document(const Kept& kept) const {
  if (&kept == &lease_) return lease_object(config_, env_.clock.wall());
  if (&kept == &slice_) return slice_object(config_, generation_);
  if (&kept == &node_) return node_object(config_);
  for (api::JsonObject& slice : partition_slices(config_, generation_))
    if (api::string_at(slice, {"metadata", "name"}) == kept.name) return std::move(slice);
  return {};
}

void Registration::call(Call call, std::move_only_function<void(Result<Answer>)> done) {
  api_.call(std::move(call),
            [alive = std::weak_ptr<bool>(alive_), done = std::move(done)](Result<Answer> answer) mutable {
              if (!alive.expired()) done(std::move(answer));
            });
}

// Patch first: after a restart the object is there. 404 creates it.
void Registration::keep(Kept& kept) {
  if (kept.in_flight || kept.timer != 0) return;
  kept.in_flight = true;
  kept.dirty = false;
  const api::JsonObject wanted = document(kept);
  if (wanted.empty()) return drop(kept);
  call({.method = "PATCH",
        .path = kept.collection + "/" + kept.name,
        .body = api::to_text(wanted),
        .content_type = "application/merge-patch+json"},
       [this, &kept](Result<Answer> answer) {
         if (answer && answer->code == 404) return create(kept);
         if (answer && answer->code / 100 == 2 && kept.has_status) return patch_status(kept);
         settled(kept, answer, false);
       });
}

void Registration::drop(Kept& kept) {
  call({.method = "DELETE", .path = kept.collection + "/" + kept.name}, [this, &kept](Result<Answer> answer) {
    if (answer && answer->code == 404) answer->code = 200;
    settled(kept, answer, false);
  });
}

void Registration::create(Kept& kept) {
  call({.method = "POST", .path = kept.collection, .body = api::to_text(document(kept))},
       [this, &kept](Result<Answer> answer) {
         const bool there = answer && (answer->code / 100 == 2 || answer->code == 409);
         if (there && kept.has_status) return patch_status(kept);
         settled(kept, answer, answer && answer->code == 409);
       });
}

void Registration::patch_status(Kept& kept) {
  call({.method = "PATCH",
        .path = kept.collection + "/" + kept.name + "/status",
        .body = api::to_text(
            JsonObject{{"status", node_status(config_, ready_, env_.clock.wall(), since_, gpu_since_)}}),
        .content_type = "application/merge-patch+json"},
       [this, &kept](Result<Answer> answer) { settled(kept, answer, false); });
}

void Registration::settled(Kept& kept, const Result<Answer>& answer, bool more) {
  kept.in_flight = false;
  const bool ok = answer && answer->code / 100 == 2;
  if (ok) {
    kept.backoff.reset();
    if (kept.dirty || more) keep(kept);
    return;
  }
  if (kept.backoff.failures() == 3)
    env_.log.warn("node.registration.failing", {{"object", kept.name}, {"code", answer ? answer->code : 0}});
  kept.timer = env_.loop.at(env_.clock.now() + kept.backoff.next(), [this, &kept] {
    kept.timer = 0;
    keep(kept);
  });
}

}  // namespace ingot::node
