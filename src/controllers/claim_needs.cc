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

// What one ExactDeviceRequest or DeviceSubRequest could be: one option, or, of all GPUs of a node, one for every size that
// nodes have.
Or<std::vector<ClaimNeeds::Option>> options_of(const Json& request, const std::string& name,
                                               const ClassOf& class_of, const DeviceKinds& kinds,
                                               int64_t& steps) {
  const std::string_view class_name = string_at(request, {"deviceClassName"});
  const auto device_class = class_of(class_name);
  if (!device_class) return std::unexpected("deviceclass " + quoted(class_name) + " not found");
  Or<std::vector<cel::Program>> programs = selectors(*api::find(*device_class, {"spec"}), steps);
  Or<std::vector<cel::Program>> own = programs ? selectors(request, steps) : std::move(programs);
  if (!own) return std::unexpected(own.error());
  if (programs) std::ranges::move(*programs, std::back_inserter(*own));
  ClaimNeeds::Option option{
      .name = name,
      .count = std::clamp<int64_t>(api::int_at(request, {"count"}).value_or(1), 1, kMostDevices)};
  std::string fault;
  for (const DeviceKind& kind : kinds.all())
    if (chosen(kind, *own, fault, steps) && suffices(kind, request))
      option.kinds[kind.profile ? std::string(kind.profile->name) : ""].insert(kind.model);
  if (steps <= 0) return std::unexpected(std::string(kTooDear));
  if (option.kinds.empty())
    return std::unexpected("no device is what request " + quoted(name) + " selects; there are: " +
                           kinds.text() + (fault.empty() ? "" : " (" + fault + ")"));
  if (string_at(request, {"allocationMode"}) != "All") return std::vector{std::move(option)};
  const auto whole = option.kinds.find("");
  if (whole == option.kinds.end())
    return std::unexpected("request " + quoted(name) +
                           " asks for all MIG instances of a node, which are made as they are asked for: ask "
                           "for a count");
  std::vector<ClaimNeeds::Option> out;
  for (const auto& [boards, models] : kinds.sizes()) {
    Choices these{{"", {}}};
    std::ranges::set_intersection(models, whole->second, std::inserter(these[""], these[""].end()));
    if (!these[""].empty()) out.push_back({name, boards, true, std::move(these)});
  }
  if (out.empty()) return std::unexpected("no node has only GPUs that request " + quoted(name) + " selects");
  return out;
}

// Of firstAvailable only what this factory has.
Or<std::vector<ClaimNeeds::Option>> options_of_any(const Json& request, const ClassOf& class_of,
                                                   const DeviceKinds& kinds, int64_t& steps) {
  const std::string name(string_at(request, {"name"}));
  if (const Json* exactly = api::find(request, {"exactly"}))
    return options_of(*exactly, name, class_of, kinds, steps);
  std::vector<ClaimNeeds::Option> all;
  std::string why = "request " + quoted(name) + " asks for nothing";
  for (const Json& choice : api::array_at(request, {"firstAvailable"})) {
    auto some =
        options_of(choice, name + "/" + std::string(string_at(choice, {"name"})), class_of, kinds, steps);
    if (some)
      std::ranges::move(*some, std::back_inserter(all));
    else
      why = some.error();
  }
  if (all.empty()) return std::unexpected(why);
  return all;
}

}  // namespace

Or<void> add_needs(ClaimNeeds& needs, std::string_view entry, const Json& claim, const ClassOf& class_of,
                   const DeviceKinds& kinds, int64_t& steps) {
  for (const Json& request : api::array_at(claim, {"spec", "devices", "requests"})) {
    auto options = options_of_any(request, class_of, kinds, steps);
    if (!options) return std::unexpected(options.error());
    needs.requests.push_back({std::string(entry), *std::move(options)});
  }
  for (const Json& constraint : api::array_at(claim, {"spec", "devices", "constraints"})) {
    const std::string_view match = string_at(constraint, {"matchAttribute"});
    ClaimNeeds::Constraint& c = needs.constraints.emplace_back();
    c.entry = entry;
    c.distinct = match.empty();
    c.attribute = c.distinct ? string_at(constraint, {"distinctAttribute"}) : match;
    for (const Json& request : api::array_at(constraint, {"requests"}))
      c.requests.emplace(string_at(request, {}));
  }
  return {};
}

}  // namespace ingot::controllers
