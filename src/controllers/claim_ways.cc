// How a pod's claims can be answered together: which option of each request, of which kind, and what the constraints then
// ask of the places of the devices.
#include <algorithm>

#include "api/device_class.h"
#include "controllers/claim_needs.h"

namespace ingot::controllers {
namespace {

using Requests = std::vector<ClaimNeeds::Request>;

constexpr size_t kMaxCombinations = 256;  // of options that are looked at
constexpr int kMaxSteps = 10'000;         // of the search for kinds, in all

template <class T>
using Or = std::expected<T, std::string>;

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// What devices have an attribute in common by.
enum class Level : uint8_t { All, Type, Profile, Board, Numa, Island };

struct Attribute {
  std::string_view name;
  Level level;
  bool whole, instance;  // which devices have it
};
// What the node's agent publishes (node/registration.cc, node/partitions.cc), but for what changes as boards are cut.
constexpr Attribute kAttributes[] = {
    {"index", Level::Board, true, false},      {"uuid", Level::Board, true, false},
    {"parentUUID", Level::Board, false, true}, {"parentIndex", Level::Board, false, true},
    {"numaNode", Level::Numa, true, true},     {"nvlinkIsland", Level::Island, true, false},
    {"type", Level::Type, true, true},         {"profile", Level::Profile, false, true},
    {"productName", Level::All, true, true},   {"model", Level::All, true, true},
    {"simulated", Level::All, true, true},     {"healthy", Level::All, true, true},
    {"migCapable", Level::All, true, false},   {"migProfiles", Level::All, true, false},
};

Or<Level> level_of(const ClaimNeeds::Constraint& c, const Way::Devices& devices) {
  const std::string prefix = std::string(api::kDeviceDriver) + "/";
  const std::string_view name = c.attribute;
  for (const Attribute& a : kAttributes)
    if (name.starts_with(prefix) && name.substr(prefix.size()) == a.name &&
        (devices.profile.empty() ? a.whole : a.instance))
      return a.level;
  return std::unexpected("constraint " + quoted(c.attribute) + ": request " + quoted(devices.request) +
                         " is for " + (devices.profile.empty() ? "whole GPUs" : "MIG instances") +
                         ", which have no such attribute that placing could go by");
}

bool concerns(const ClaimNeeds::Constraint& c, const Way::Devices& d) {
  return c.entry == d.entry && (c.requests.empty() || c.requests.contains(d.request) ||
                                c.requests.contains(d.request.substr(0, d.request.find('/'))));
}

// Adds what the constraint asks of places; an error: these devices can never be so.
Or<void> constrain(Way& way, const ClaimNeeds::Constraint& c) {
  scheduler::Rule rule{.apart = c.distinct};
  std::vector<const Way::Devices*> concerned;
  int64_t count = 0;
  Level level = Level::All;
  for (size_t i = 0; i < way.devices.size(); ++i) {
    const Way::Devices& d = way.devices[i];
    if (!concerns(c, d)) continue;
    const Or<Level> own = level_of(c, d);
    if (!own) return std::unexpected(own.error());
    level = *own;
    concerned.push_back(&d);
    count += d.count;
    rule.parts |= uint64_t(1) << i;
  }
  if (count < 2) return {};
  const auto never = [&](std::string_view why) {
    return std::unexpected("constraint " + quoted(c.attribute) + " can never hold: " + std::string(why));
  };
  const auto key = [&](const Way::Devices& d) {
    return level == Level::Profile ? d.profile : std::string(d.profile.empty() ? "gpu" : "mig");
  };
  std::set<std::string> keys;
  for (const Way::Devices* d : concerned) keys.insert(key(*d));
  const bool whole = concerned.front()->profile.empty();
  switch (level) {
    case Level::All:
      if (c.distinct) return never("it is the same of all devices of a node");
      return {};
    case Level::Type:
    case Level::Profile:
      if (c.distinct ? int64_t(keys.size()) != count : keys.size() > 1)
        return never(c.distinct ? "some of them are of one kind" : "they are of several kinds");
      return {};
    case Level::Board:
      if (whole && c.distinct) return {};
      if (whole) return never("two GPUs have it different");
      rule.side = scheduler::Side::Board;
      break;
    case Level::Numa:
      rule.side = scheduler::Side::Numa;
      break;
    case Level::Island:
      rule.side = scheduler::Side::Island;
      break;
  }
  way.rules.push_back(rule);
  return {};
}

// Whole GPUs, then the smallest profile first.
std::vector<std::string_view> by_size(const Choices& kinds) {
  const auto size = [&](std::string_view profile) {
    const gpu::Profile* p = gpu::find_profile(*kinds.at(std::string(profile)).begin(), profile);
    return std::tuple(p ? p->slices : 0, p ? p->units : 0, p && p->media(), profile);
  };
  std::vector<std::string_view> out;
  for (const auto& [profile, models] : kinds) out.push_back(profile);
  std::ranges::sort(out, {}, size);
  return out;
}

// The first kinds for these options that go together.
class Search {
 public:
  Search(const ClaimNeeds& needs, int& steps) : needs_(needs), steps_(steps) {}

  std::optional<Way> find(const std::vector<size_t>& options) {
    Way way;
    return step(options, way) ? std::optional(std::move(way)) : std::nullopt;
  }
  std::string why;  // there is none

 private:
  bool step(const std::vector<size_t>& options, Way& way) {
    const size_t i = way.devices.size();
    if (i == options.size()) return complete(way);
    const ClaimNeeds::Request& request = needs_.requests[i];
    const ClaimNeeds::Option& option = request.options[options[i]];
    for (const std::string_view profile : by_size(option.kinds)) {
      if (--steps_ < 0) return false;
      Way next = way;
      const std::set<std::string>& models = option.kinds.at(std::string(profile));
      if (i == 0) next.models = models;
      std::erase_if(next.models, [&](const std::string& m) { return !models.contains(m); });
      next.all |= option.all;
      next.devices.push_back({request.entry, option.name, option.count, std::string(profile)});
      if (next.models.empty()) {
        say("its requests have no model of GPU in common, and a node's are of one");
        continue;
      }
      if (!step(options, next)) continue;
      way = std::move(next);
      return true;
    }
    return false;
  }

  bool complete(Way& way) {
    if (way.all && way.devices.size() > 1)
      return say("one of its requests asks for all GPUs of a node, which leaves none for the others"), false;
    way.rules.clear();
    for (const ClaimNeeds::Constraint& c : needs_.constraints)
      if (const Or<void> held = constrain(way, c); !held) return say(held.error()), false;
    if (way.rules.size() > scheduler::kMaxRules)
      return say("its claims have more than " + std::to_string(scheduler::kMaxRules) +
                 " constraints on places"),
             false;
    return true;
  }
  void say(std::string text) {
    if (why.empty()) why = std::move(text);
  }

  const ClaimNeeds& needs_;
  int& steps_;
};

}  // namespace

Or<std::vector<Way>> ways_of(const ClaimNeeds& needs) {
  if (needs.requests.size() > scheduler::kMaxParts)
    return std::unexpected("its claims have more than " + std::to_string(scheduler::kMaxParts) + " requests");
  std::vector<Way> ways;
  std::vector<size_t> options(needs.requests.size());
  std::string why;
  int steps = kMaxSteps;
  for (size_t n = 0; n < kMaxCombinations && ways.size() < scheduler::kMaxChoices && steps > 0; ++n) {
    Search search(needs, steps);
    if (auto way = search.find(options)) ways.push_back(*std::move(way));
    if (why.empty()) why = search.why;
    size_t last = options.size();  // the last request's next option, as an allocator that backtracks would
    while (last > 0 && ++options[last - 1] == needs.requests[last - 1].options.size()) options[--last] = 0;
    if (last == 0) break;
  }
  if (!ways.empty()) return ways;
  return std::unexpected(why.empty() ? "its claims can be answered in too many ways" : why);
}

}  // namespace ingot::controllers
