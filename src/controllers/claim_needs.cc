#include "controllers/claim_needs.h"

#include <algorithm>

#include "api/device_class.h"
#include "base/quantity.h"
#include "cel/program.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::string_at;

constexpr int64_t kMostDevices = 1024;  // more is on no node

template <class T>
using Or = std::expected<T, std::string>;

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

constexpr std::string_view kTooDear = "its selectors take more steps than are allowed";

// What it takes to read a text is counted, too.
Or<std::vector<cel::Program>> selectors(const Json& holder, int64_t& steps) {
  std::vector<cel::Program> all;
  for (const Json& selector : api::array_at(holder, {"selectors"})) {
    const std::string_view text = string_at(selector, {"cel", "expression"});
    steps -= 100 + int64_t(text.size());
    if (steps < 0) return std::unexpected(std::string(kTooDear));
    auto program = cel::Program::compile(text);
    if (!program) return std::unexpected(program.error());
    all.push_back(*std::move(program));
  }
  return all;
}

// ExactDeviceRequest.capacity: at least so much of each.
bool suffices(const DeviceKind& kind, const Json& request) {
  for (const auto& [key, value] : api::object_at(request, {"capacity", "requests"})) {
    const std::string name(key.data(), key.size());
    const size_t slash = name.find('/');
    const std::string domain = slash == name.npos ? std::string(api::kDeviceDriver) : name.substr(0, slash);
    const cel::Map& all = *kind.device.map()->members.find("capacity")->second.map();
    const auto of = all.members.find(domain);
    if (of == all.members.end()) return false;
    const auto has = of->second.map()->members.find(slash == name.npos ? name : name.substr(slash + 1));
    if (has == of->second.map()->members.end()) return false;
    const auto asked =
        value.is_string() ? Quantity::parse(std::string_view(value.get_string())) : std::nullopt;
    if (!asked || *has->second.as<Quantity>() < *asked) return false;
  }
  return true;
}

// `fault` says why a selector had no answer for some kind.
bool chosen(const DeviceKind& kind, const std::vector<cel::Program>& programs, std::string& fault,
            int64_t& steps) {
  return std::ranges::all_of(programs, [&](const cel::Program& program) {
    const auto verdict = program.matches(kind.device, steps);
    if (!verdict && fault.empty()) fault = kind.name() + ": " + verdict.error();
    return verdict.value_or(false);
  });
}

struct Asked {
  int64_t count = 1;
  Choices choices;
};

Or<Asked> ask(const Json& request, const std::string& name, const ClassOf& class_of, const DeviceKinds& kinds,
              int64_t& steps) {
  const std::string_view class_name = string_at(request, {"deviceClassName"});
  const auto device_class = class_of(class_name);
  if (!device_class) return std::unexpected("deviceclass " + quoted(class_name) + " not found");
  if (string_at(request, {"allocationMode"}) == "All")
    return std::unexpected("request " + quoted(name) + " asks for all devices of a node: ask for a count");
  Or<std::vector<cel::Program>> programs = selectors(*api::find(*device_class, {"spec"}), steps);
  Or<std::vector<cel::Program>> own = programs ? selectors(request, steps) : std::move(programs);
  if (!own) return std::unexpected(own.error());
  if (programs) std::ranges::move(*programs, std::back_inserter(*own));
  Asked asked{.count = std::clamp<int64_t>(api::int_at(request, {"count"}).value_or(1), 1, kMostDevices)};
  std::string fault;
  for (const DeviceKind& kind : kinds.all())
    if (chosen(kind, *own, fault, steps) && suffices(kind, request))
      asked.choices[kind.profile ? std::string(kind.profile->name) : ""].insert(kind.model);
  if (steps <= 0) return std::unexpected(std::string(kTooDear));
  if (!asked.choices.empty()) return asked;
  return std::unexpected("no device is what request " + quoted(name) +
                         " selects; there are: " + kinds.text() + (fault.empty() ? "" : " (" + fault + ")"));
}

// Adds a request: the one thing it asks for, or the first of its choices that this factory has.
Or<void> add(ClaimNeeds& needs, const Json& request, const ClassOf& class_of, const DeviceKinds& kinds,
             int64_t& steps) {
  const std::string name(string_at(request, {"name"}));
  std::string why = "request " + quoted(name) + " asks for nothing";
  const auto take = [&](const Json& one, const std::string& called) {
    const Or<Asked> asked = ask(one, called, class_of, kinds, steps);
    if (!asked) return why = asked.error(), false;
    needs.choices = needs.requests.empty() ? asked->choices : common(needs.choices, asked->choices);
    needs.requests.push_back({called, asked->count});
    return true;
  };
  if (const Json* exactly = api::find(request, {"exactly"}); exactly && take(*exactly, name)) return {};
  for (const Json& choice : api::array_at(request, {"firstAvailable"}))
    if (take(choice, name + "/" + std::string(string_at(choice, {"name"})))) return {};
  return std::unexpected(why);
}

// Boards of one node are of one model, and a pod's devices of one kind, so these hold by themselves.
constexpr std::string_view kAlike[] = {"model", "productName",  "type",     "profile",
                                       "brand", "architecture", "simulated"};
constexpr std::string_view kApart[] = {"uuid", "index", "minor", "pciBusID"};

Or<void> constrain(ClaimNeeds& needs, const Json& constraint) {
  const auto own = [](std::string_view name) {
    const std::string prefix = std::string(api::kDeviceDriver) + "/";
    return name.starts_with(prefix) ? name.substr(prefix.size()) : std::string_view();
  };
  const std::string_view match = string_at(constraint, {"matchAttribute"});
  const std::string_view distinct = string_at(constraint, {"distinctAttribute"});
  if (own(match) == "nvlinkIsland") {
    needs.one_island = true;
    return {};
  }
  const bool whole = needs.choices.contains("");
  if (std::ranges::find(kAlike, own(match)) != std::end(kAlike)) return {};
  if (whole && std::ranges::find(kApart, own(distinct)) != std::end(kApart)) return {};
  return std::unexpected("the factory does not place by constraint " +
                         quoted(match.empty() ? distinct : match) +
                         "; it does by gpu.nvidia.com/nvlinkIsland");
}

}  // namespace

int64_t ClaimNeeds::count() const {
  int64_t sum = 0;
  for (const Request& r : requests) sum += r.count;
  return sum;
}

Or<ClaimNeeds> needs_of(const Json& claim, const ClassOf& class_of, const DeviceKinds& kinds,
                        int64_t& steps) {
  ClaimNeeds needs;
  for (const Json& request : api::array_at(claim, {"spec", "devices", "requests"}))
    if (const Or<void> added = add(needs, request, class_of, kinds, steps); !added)
      return std::unexpected(added.error());
  if (!needs.requests.empty() && needs.choices.empty())
    return std::unexpected(
        "its requests have no kind of device in common, and the devices of a pod are of one kind");
  for (const Json& constraint : api::array_at(claim, {"spec", "devices", "constraints"}))
    if (const Or<void> held = constrain(needs, constraint); !held) return std::unexpected(held.error());
  return needs;
}

Choices common(const Choices& a, const Choices& b) {
  Choices both;
  for (const auto& [profile, models] : a) {
    const auto other = b.find(profile);
    if (other == b.end()) continue;
    std::set<std::string> shared;
    std::ranges::set_intersection(models, other->second, std::inserter(shared, shared.end()));
    if (!shared.empty()) both.emplace(profile, std::move(shared));
  }
  return both;
}

Choices::const_iterator best_of(const Choices& choices) {
  if (choices.begin()->first.empty()) return choices.begin();
  const auto size = [](const auto& choice) {
    const gpu::Profile& p = *gpu::find_profile(*choice.second.begin(), choice.first);
    return std::tuple(p.slices, p.units, p.media(), choice.first);
  };
  return std::ranges::min_element(choices, {}, size);
}

}  // namespace ingot::controllers
