#include "node/device_book.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::node {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr std::string_view kZeroed = "-";

JsonObject scrub_json(const Scrub& s) {
  return {{"at", to_rfc3339_micro(s.at)},
          {"device", s.device},
          {"before", s.before},
          {"for", s.tenant},
          {"how", s.how},
          {"failed", s.failed}};
}

Scrub scrub_from(const Json& s) {
  return {.at = parse_rfc3339(api::string_at(s, {"at"})).value_or(WallTime{}),
          .device = std::string(api::string_at(s, {"device"})),
          .before = std::string(api::string_at(s, {"before"})),
          .tenant = std::string(api::string_at(s, {"for"})),
          .how = std::string(api::string_at(s, {"how"})),
          .failed = api::bool_at(s, {"failed"})};
}

}  // namespace

gpu::UnitMask units_of(std::string_view model, std::string_view profile, int start) {
  const gpu::Profile* p = profile.empty() ? nullptr : gpu::find_profile(model, profile);
  return p && p->may_start(start) ? p->at(start) : kWholeBoard;
}

bool DeviceBook::clean_for(const std::string& board, gpu::UnitMask mask, std::string_view tenant) const {
  const auto known = last_.find(board);
  if (known == last_.end()) return false;
  for (size_t i = 0; i < known->second.size(); ++i)
    if (mask >> i & 1 && known->second[i] != tenant && known->second[i] != kZeroed) return false;
  return true;
}

std::string DeviceBook::last_tenants(const std::string& board, gpu::UnitMask mask) const {
  const auto known = last_.find(board);
  std::vector<std::string> names;
  for (size_t i = 0; i < 8; ++i) {
    if (!(mask >> i & 1)) continue;
    const std::string name = known == last_.end() || known->second[i].empty() ? "unknown" : known->second[i];
    if (name != kZeroed && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

void DeviceBook::clean(const std::string& board, gpu::UnitMask mask) {
  for (size_t i = 0; i < 8; ++i)
    if (mask >> i & 1) last_[board][i] = kZeroed;
}

void DeviceBook::give(const std::string& pod, const std::string& board, gpu::UnitMask mask,
                      const std::string& tenant) {
  Units& units = last_[board];
  for (size_t i = 0; i < units.size(); ++i) {
    if (!(mask >> i & 1)) continue;
    // Not zeroed before: it is shared, and holds what both leave.
    units[i] = units[i] == kZeroed || units[i] == tenant ? tenant : "several tenants";
  }
  auto& boards = given_[pod];
  if (std::ranges::find(boards, board) == boards.end()) boards.push_back(board);
}

bool DeviceBook::gave(const std::string& pod, const std::string& board) const {
  const auto found = given_.find(pod);
  return found != given_.end() && std::ranges::find(found->second, board) != found->second.end();
}

void DeviceBook::record(Scrub scrub) {
  scrubs_.push_back(std::move(scrub));
  if (scrubs_.size() > kMaxScrubs) scrubs_.pop_front();
}

JsonObject DeviceBook::last_scrubs() const {
  std::map<std::string, const Scrub*> last;
  for (const Scrub& s : scrubs_) last[s.device] = &s;
  JsonObject out;
  for (const auto& [device, scrub] : last) out[device] = scrub_json(*scrub);
  return out;
}

std::string DeviceBook::to_text() const {
  JsonObject boards, given, cordons;
  for (const auto& [board, units] : last_) boards[board] = JsonArray(units.begin(), units.end());
  for (const auto& [pod, held] : given_) given[pod] = JsonArray(held.begin(), held.end());
  for (const auto& [board, why] : cordons_) cordons[board] = why;
  JsonArray scrubs;
  for (const Scrub& s : scrubs_) scrubs.push_back(scrub_json(s));
  return api::to_text(JsonObject{{"format", 1},
                                 {"lastTenants", std::move(boards)},
                                 {"given", std::move(given)},
                                 {"cordons", std::move(cordons)},
                                 {"scrubs", std::move(scrubs)}});
}

Result<DeviceBook> DeviceBook::parse(const std::string& text) {
  DeviceBook book;
  if (text.empty()) return book;
  const auto json = api::parse_json(text);
  if (!json) return fail(json.error());
  if (api::int_at(*json, {"format"}) != 1)
    return fail(Reason::Invalid, "the record of GPUs' tenants is of another version of Ingot");
  for (const auto& member : api::object_at(*json, {"lastTenants"})) {
    const JsonArray& units = api::array_at(member.value(), {});
    for (size_t i = 0; i < std::min<size_t>(units.size(), 8); ++i)
      book.last_[std::string(member.key())][i] = api::string_at(units[i], {});
  }
  for (const auto& member : api::object_at(*json, {"given"}))
    for (const Json& board : api::array_at(member.value(), {}))
      book.given_[std::string(member.key())].emplace_back(api::string_at(board, {}));
  for (const auto& member : api::object_at(*json, {"cordons"}))
    book.cordons_[std::string(member.key())] = api::string_at(member.value(), {});
  for (const Json& scrub : api::array_at(*json, {"scrubs"})) book.record(scrub_from(scrub));
  return book;
}

}  // namespace ingot::node
