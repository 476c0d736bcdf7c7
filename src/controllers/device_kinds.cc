#include "controllers/device_kinds.h"

#include <algorithm>
#include <set>

#include "api/device_class.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonObject;

// Attributes that tell one device from another, or change with its health.
constexpr std::string_view kOfOne[] = {"uuid",         "index",       "minor",   "pciBusID",       "numaNode",
                                       "nvlinkIsland", "nvlinkPeers", "healthy", "unhealthyReason"};

// What of a device every other of its kind may have, too.
Json look_of(const Json& device) {
  JsonObject attributes;
  for (const auto& [name, value] : api::object_at(device, {"attributes"}))
    if (std::ranges::find(kOfOne, std::string_view(name)) == std::end(kOfOne)) attributes[name] = value;
  return JsonObject{{"attributes", std::move(attributes)},
                    {"capacity", api::object_at(device, {"capacity"})}};
}

JsonObject common(const JsonObject& a, const JsonObject& b) {
  JsonObject both;
  for (const auto& [name, value] : a)
    if (const Json* other = b.if_contains(name); other && *other == value) both[name] = value;
  return both;
}

Json with_type(Json look, std::string_view type) {
  api::set(look, {"attributes", "type", "string"}, type);
  return look;
}

Json instance_of(const Json& board, const gpu::Profile& profile) {
  Json look = with_type(board, "mig");
  api::set(look, {"attributes", "profile", "string"}, profile.name);
  api::set(look, {"capacity"},
           JsonObject{{"memory", JsonObject{{"value", std::to_string(profile.memory_mib) + "Mi"}}}});
  return look;
}

}  // namespace

bool DeviceKinds::set_node(std::string_view name, const Json* slice) {
  std::vector<std::pair<std::string, std::string>> looks;
  Size size;
  bool several = false;
  if (slice)
    for (const Json& device : api::array_at(*slice, {"spec", "devices"}))
      if (const std::string_view model = api::string_at(device, {"attributes", "model", "string"});
          !model.empty()) {
        looks.emplace_back(model, api::to_text(look_of(device)));
        several |= size.first++ > 0 && size.second != model;
        size.second = model;
      }
  const bool resized = set_size(name, several ? Size{} : std::move(size));
  std::ranges::sort(looks);
  looks.erase(std::ranges::unique(looks).begin(), looks.end());
  const auto before = nodes_.find(name);
  if (before == nodes_.end() ? looks.empty() : before->second == looks) return resized;
  bool changed = resized;
  for (const auto& [model, look] : looks) changed |= ++looks_[model][look] == 1;
  if (before != nodes_.end()) {
    for (const auto& [model, look] : before->second)
      if (--looks_[model][look] == 0) {
        changed = true;
        looks_[model].erase(look);
        if (looks_[model].empty()) looks_.erase(model);
      }
    nodes_.erase(before);
  }
  if (!looks.empty()) nodes_.emplace(name, std::move(looks));
  if (changed) make();
  return changed;
}

// Returns whether nodes are of other sizes now.
bool DeviceKinds::set_size(std::string_view name, Size size) {
  bool changed = false;
  if (const auto before = size_of_.find(name); before != size_of_.end()) {
    if (before->second == size) return false;
    if (--sizes_[before->second] == 0) changed = sizes_.erase(before->second) > 0;
    size_of_.erase(before);
  }
  if (size.first == 0) return changed;
  changed |= ++sizes_[size] == 1;
  size_of_.emplace(name, std::move(size));
  return changed;
}

std::map<int64_t, std::set<std::string>> DeviceKinds::sizes() const {
  std::map<int64_t, std::set<std::string>> out;
  for (const auto& [size, nodes] : sizes_) out[size.first].insert(size.second);
  return out;
}

void DeviceKinds::clear() { *this = {}; }

void DeviceKinds::make() {
  kinds_.clear();
  for (const auto& [model, looks] : looks_) {
    Json look = *api::parse_json(looks.begin()->first);
    for (const auto& [text, count] : looks) {
      const Json other = *api::parse_json(text);
      for (const std::string_view part : {"attributes", "capacity"})
        api::set(look, {part}, common(api::object_at(look, {part}), api::object_at(other, {part})));
    }
    kinds_.push_back({model, nullptr, cel::device_value(api::kDeviceDriver, with_type(look, "gpu"))});
    for (const gpu::Profile& profile : gpu::profiles(model))
      kinds_.push_back({model, &profile, cel::device_value(api::kDeviceDriver, instance_of(look, profile))});
  }
}

std::string DeviceKinds::text() const {
  constexpr size_t kMost = 400;  // of what a pending pod is told
  std::string text;
  for (size_t i = 0; i < kinds_.size(); ++i) {
    if (text.size() > kMost) return text + ", …";
    const DeviceKind& kind = kinds_[i];
    if (!kind.profile) {
      text += (text.empty() ? "" : ", ") + kind.model;
      if (const std::string parts = gpu::profile_names(kind.model); !parts.empty())
        text += " (also as " + parts + ")";
    }
  }
  return text.empty() ? "no device at all" : text;
}

}  // namespace ingot::controllers
