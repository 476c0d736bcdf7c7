#include "host/inventory.h"

#include "api/json.h"
#include "host/worker.h"

namespace ingot::host {

using api::Json;
using api::JsonArray;
using api::JsonObject;

Result<gpu::Inventory> read_inventory(const std::string& library, const std::string& description) {
  WorkerJob job{.arguments = {"nvml", library}, .environment = {}};
  if (!description.empty()) job.environment.emplace_back("INGOT_GPU_DESCRIPTION_TEXT", description);
  const Result<std::string> text = run_worker(job);
  if (!text) return std::unexpected(text.error());
  return inventory_from_json(*text);
}

namespace {

JsonObject mig_object(const gpu::MigDevice& m) {
  return {{"uuid", m.uuid},
          {"profile", m.profile},
          {"start", m.start},
          {"gpuInstance", m.gpu_instance},
          {"computeInstance", m.compute_instance},
          {"memoryMib", m.memory_mib},
          {"gpuCapability", m.gpu_capability},
          {"computeCapability", m.compute_capability}};
}

gpu::MigDevice mig_device(const Json& m) {
  const auto number = [&](std::string_view name) { return int(api::int_at(m, {name}).value_or(-1)); };
  return {.uuid = std::string(api::string_at(m, {"uuid"})),
          .profile = std::string(api::string_at(m, {"profile"})),
          .start = number("start"),
          .gpu_instance = number("gpuInstance"),
          .compute_instance = number("computeInstance"),
          .memory_mib = api::int_at(m, {"memoryMib"}).value_or(0),
          .gpu_capability = number("gpuCapability"),
          .compute_capability = number("computeCapability")};
}

}  // namespace

std::string mig_device_to_json(const gpu::MigDevice& device) { return api::to_text(mig_object(device)); }

Result<gpu::MigDevice> mig_device_from_json(const std::string& text) {
  const Result<Json> parsed = api::parse_json(text);
  if (!parsed) return std::unexpected(parsed.error());
  return mig_device(*parsed);
}

std::string inventory_to_json(const gpu::Inventory& inventory) {
  JsonArray boards;
  for (const gpu::Board& b : inventory.boards) {
    JsonArray peers;
    for (const int peer : b.nvlink_peers) peers.emplace_back(peer);
    JsonArray instances;
    for (const gpu::MigDevice& m : b.mig_devices) instances.push_back(mig_object(m));
    boards.push_back(JsonObject{{"uuid", b.uuid},
                                {"index", b.index},
                                {"minor", b.minor},
                                {"product", b.product},
                                {"model", b.model},
                                {"memoryMib", b.memory_mib},
                                {"pciBusId", b.pci_bus_id},
                                {"numaNode", b.numa_node},
                                {"computeMajor", b.compute_major},
                                {"computeMinor", b.compute_minor},
                                {"migCapable", b.mig_capable},
                                {"migEnabled", b.mig_enabled},
                                {"migDevices", std::move(instances)},
                                {"healthy", b.healthy},
                                {"fault", b.fault},
                                {"nvlinkPeers", std::move(peers)}});
  }
  return api::to_text(JsonObject{{"simulated", inventory.simulated},
                                 {"driver", inventory.driver_version},
                                 {"cuda", inventory.cuda_version},
                                 {"boards", std::move(boards)}});
}

Result<gpu::Inventory> inventory_from_json(const std::string& text) {
  const Result<Json> parsed = api::parse_json(text);
  if (!parsed) return std::unexpected(parsed.error());
  gpu::Inventory out;
  out.simulated = api::bool_at(*parsed, {"simulated"});
  out.driver_version = api::string_at(*parsed, {"driver"});
  out.cuda_version = api::string_at(*parsed, {"cuda"});
  const auto number = [](const Json& b, std::string_view name) {
    return int(api::int_at(b, {name}).value_or(0));
  };
  for (const Json& b : api::array_at(*parsed, {"boards"})) {
    gpu::Board board;
    board.uuid = api::string_at(b, {"uuid"});
    board.index = number(b, "index");
    board.minor = number(b, "minor");
    board.product = api::string_at(b, {"product"});
    board.model = api::string_at(b, {"model"});
    board.memory_mib = api::int_at(b, {"memoryMib"}).value_or(0);
    board.pci_bus_id = api::string_at(b, {"pciBusId"});
    board.numa_node = number(b, "numaNode");
    board.compute_major = number(b, "computeMajor");
    board.compute_minor = number(b, "computeMinor");
    board.mig_capable = api::bool_at(b, {"migCapable"});
    board.mig_enabled = api::bool_at(b, {"migEnabled"});
    for (const Json& m : api::array_at(b, {"migDevices"})) board.mig_devices.push_back(mig_device(m));
    board.healthy = api::bool_at(b, {"healthy"});
    board.fault = api::string_at(b, {"fault"});
    for (const Json& peer : api::array_at(b, {"nvlinkPeers"}))
      if (peer.is_int64()) board.nvlink_peers.push_back(int(peer.get_int64()));
    out.boards.push_back(std::move(board));
  }
  return out;
}

}  // namespace ingot::host
