#include "host/samples.h"

#include "api/json.h"

namespace ingot::host {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

template <class T>
void put(JsonObject& out, std::string_view name, const std::optional<T>& value) {
  if (value) out[name] = *value;
}

template <class T>
void take(const Json& in, std::string_view name, std::optional<T>& out) {
  if (const auto value = api::int_at(in, {name})) out = T(*value);
}
void take(const Json& in, std::string_view name, std::optional<double>& out) {
  const Json* value = api::find(in, {name});
  if (value && value->is_number()) out = value->to_number<double>();
}

}  // namespace

std::string samples_to_json(const std::vector<gpu::Sample>& samples) {
  JsonArray all;
  for (const gpu::Sample& s : samples) {
    JsonObject one{{"uuid", s.uuid}};
    if (!s.lost.empty()) one["lost"] = s.lost;
    put(one, "utilisation", s.utilisation);
    put(one, "memoryUtilisation", s.memory_utilisation);
    put(one, "usedMib", s.memory_used_mib);
    put(one, "freeMib", s.memory_free_mib);
    put(one, "watts", s.power_w);
    put(one, "celsius", s.temperature_c);
    put(one, "smMhz", s.sm_clock_mhz);
    put(one, "ecc", s.ecc_errors);
    if (!s.xids.empty()) one["xids"] = JsonArray(s.xids.begin(), s.xids.end());
    JsonArray instances;
    for (const gpu::InstanceSample& i : s.instances) {
      JsonObject instance{{"id", i.gpu_instance}, {"profile", i.profile}, {"start", i.start}};
      put(instance, "active", i.active);
      instances.push_back(std::move(instance));
    }
    if (!instances.empty()) one["instances"] = std::move(instances);
    all.push_back(std::move(one));
  }
  return api::to_text(all);
}

Result<std::vector<gpu::Sample>> samples_from_json(const std::string& line) {
  const Result<Json> parsed = api::parse_json(line);
  if (!parsed) return std::unexpected(parsed.error());
  if (!parsed->is_array()) return fail(Reason::InternalError, "a look at GPUs is not a list");
  std::vector<gpu::Sample> samples;
  for (const Json& one : parsed->get_array()) {
    gpu::Sample s{.uuid = std::string(api::string_at(one, {"uuid"})),
                  .lost = std::string(api::string_at(one, {"lost"}))};
    take(one, "utilisation", s.utilisation);
    take(one, "memoryUtilisation", s.memory_utilisation);
    take(one, "usedMib", s.memory_used_mib);
    take(one, "freeMib", s.memory_free_mib);
    take(one, "watts", s.power_w);
    take(one, "celsius", s.temperature_c);
    take(one, "smMhz", s.sm_clock_mhz);
    take(one, "ecc", s.ecc_errors);
    for (const Json& xid : api::array_at(one, {"xids"}))
      if (const auto number = api::int_at(xid, {})) s.xids.push_back(uint64_t(*number));
    for (const Json& instance : api::array_at(one, {"instances"})) {
      gpu::InstanceSample i{.gpu_instance = int(api::int_at(instance, {"id"}).value_or(0)),
                            .profile = std::string(api::string_at(instance, {"profile"})),
                            .start = int(api::int_at(instance, {"start"}).value_or(0))};
      take(instance, "active", i.active);
      s.instances.push_back(std::move(i));
    }
    samples.push_back(std::move(s));
  }
  return samples;
}

}  // namespace ingot::host
