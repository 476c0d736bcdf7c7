// ingot status, ingot down, ingot version
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "host/teardown.h"
#include "ingot/client.h"
#include "ingot/output.h"

namespace ingot {
namespace {

// Longer than any pod's default grace: pods are stopped side by side.
constexpr int kStopTimeout_ms = 120'000;

int64_t devices_in(const api::JsonArray& slices) {
  int64_t count = 0;
  for (const api::Json& slice : slices) count += int64_t(api::array_at(slice, {"spec", "devices"}).size());
  return count;
}

// Open allocations and the devices they hold.
std::pair<int64_t, int64_t> held(const api::JsonArray& allocations) {
  std::pair<int64_t, int64_t> sum;
  for (const api::Json& allocation : allocations) {
    if (api::string_at(allocation, {"status", "phase"}) == "Released") continue;
    ++sum.first;
    for (const api::Json& device : api::array_at(allocation, {"spec", "devices"}))
      sum.second += api::bool_at(device, {"charged"}, true);
  }
  return sum;
}

Result<api::JsonObject> counts(Client& client) {
  auto tenants = client.list(fmt::format("{}/tenants", kFactoryApi));
  if (!tenants) return fail(tenants.error());
  auto nodes = client.list(fmt::format("{}/api/v1/nodes", kRoot));
  if (!nodes) return fail(nodes.error());
  auto slices = client.list(fmt::format("{}/apis/resource.k8s.io/v1/resourceslices", kRoot));
  if (!slices) return fail(slices.error());
  auto allocations = client.list(fmt::format("{}/allocations", kFactoryApi));
  if (!allocations) return fail(allocations.error());
  const auto [pods, gpus] = held(*allocations);
  return api::JsonObject{{"tenants", tenants->size()},
                         {"nodes", nodes->size()},
                         {"gpus", devices_in(*slices)},
                         {"gpusHeld", gpus},
                         {"podsPlaced", pods}};
}

// Nothing runs: what a factory that was killed left on the machine goes too.
int clean_up(const Common& common, bool keep_pods) {
  const auto record = host::read_record(common.data);
  if (!record || record->id.empty() || keep_pods || ::geteuid() != 0) {
    fmt::print("no factory is running in {}\n", common.data);
    return kOk;
  }
  auto instance = host::Instance::claim(common.data);
  if (!instance) return failed(instance.error());
  const host::MachinePaths paths{common.data};
  const host::MachineNames names{record->id};
  const size_t found = host::machine_leftovers(paths, names).size();
  const auto left = found == 0 ? std::vector<std::string>() : host::teardown(paths, names);
  for (const std::string& what : left) failed("left behind: " + what);
  fmt::print("no factory is running in {}{}\n", common.data,
             found > left.size()
                 ? fmt::format("; removed {} things that one left on the machine", found - left.size())
                 : "");
  return left.empty() ? kOk : kFailed;
}

}  // namespace

int status(const Common& common) {
  auto record = running_factory(common.data);
  if (!record) {
    if (common.json) print_json(api::JsonObject{{"running", false}, {"data", common.data}});
    failed(record.error());
    return record.error().reason == Reason::NotFound ? kNotRunning : kFailed;
  }
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto numbers = counts(*client);
  if (!numbers) return failed(numbers.error());
  api::JsonObject all{
      {"running", true},  {"pid", record->pid}, {"address", record->address}, {"version", record->version},
      {"id", record->id}, {"data", common.data}};
  for (const auto& [name, value] : *numbers) all[name] = value;
  if (common.json) {
    print_json(all);
    return kOk;
  }
  fmt::print("factory {} runs at https://{}   pid {}   version {}   data {}\n", record->id, record->address,
             record->pid, record->version, common.data);
  const auto count = [&](const char* of, const char* what) {
    const std::string number = api::to_text(all[of]);
    return fmt::format("{} {}{}", number, what, number == "1" ? "" : "s");
  };
  fmt::print("{}   {}   {} of {} held   {} placed\n", count("tenants", "tenant"), count("nodes", "node"),
             api::to_text(all["gpusHeld"]), count("gpus", "GPU"), count("podsPlaced", "pod"));
  return kOk;
}

int down(const Common& common, bool keep_pods) {
  auto record = running_factory(common.data);
  if (!record)
    return record.error().reason == Reason::NotFound ? clean_up(common, keep_pods) : failed(record.error());
  const auto started = std::chrono::steady_clock::now();
  host::Fd process(int(::syscall(SYS_pidfd_open, record->pid, 0)));
  // Checked again now that the descriptor names one process for good.
  if (!process || !host::is_running(*record)) {
    fmt::print("no factory is running in {}\n", common.data);
    return kOk;
  }
  const int signal = keep_pods ? SIGUSR1 : SIGTERM;
  if (::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) != 0)
    return failed(fmt::format("cannot stop pid {}: {}", record->pid, strerror(errno)));
  pollfd ended{.fd = process.get(), .events = POLLIN};
  if (::poll(&ended, 1, kStopTimeout_ms) != 1)
    return failed(
        fmt::format("the factory (pid {}) has not stopped within 120 s; its log says why: {}/ingot.log",
                    record->pid, common.data));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  fmt::print("factory stopped in {:.1f} s{}\n", took.count(), keep_pods ? "; its pods run on" : "");
  return kOk;
}

int version(const Common& common) {
  if (common.json)
    print_json(api::JsonObject{{"version", INGOT_VERSION}, {"kubernetes", "v1.36.0"}});
  else
    fmt::print("ingot {} (Kubernetes API v1.36)\n", INGOT_VERSION);
  return kOk;
}

}  // namespace ingot
