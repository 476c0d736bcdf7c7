#include "cel/device.h"

#include "cel/functions.h"

namespace ingot::cel {
namespace {

using api::Json;

std::string text(const boost::json::string& s) { return {s.data(), s.size()}; }

std::optional<Value> attribute(const Json& value) {
  if (const Json* s = api::find(value, {"string"}); s && s->is_string()) return Value(text(s->get_string()));
  if (const auto n = api::int_at(value, {"int"})) return Value(*n);
  if (const Json* b = api::find(value, {"bool"}); b && b->is_bool()) return Value(b->get_bool());
  if (const Json* v = api::find(value, {"version"}); v && v->is_string()) {
    const Value argument(text(v->get_string()));
    const Type type = Type::String;
    const Outcome version = overload("semver", false, {&type, 1})->call({&argument, 1});
    if (version) return *version;
  }
  return std::nullopt;
}

std::optional<Value> capacity(const Json& value) {
  const auto quantity = Quantity::parse(api::string_at(value, {"value"}));
  return quantity ? std::optional<Value>(*quantity) : std::nullopt;
}

// "domain/id": value → domain: {id: value}.
Value by_domain(std::string_view driver, const api::JsonObject& named,
                std::optional<Value> (*read)(const Json&)) {
  std::map<std::string, Map> domains;
  for (const auto& [key, value] : named) {
    const std::string_view name(key.data(), key.size());
    const size_t slash = name.find('/');
    const bool own = slash == name.npos;
    if (auto known = read(value))
      domains[std::string(own ? driver : name.substr(0, slash))].members.emplace(
          own ? name : name.substr(slash + 1), *std::move(known));
  }
  Map all{.open = true};
  for (auto& [domain, members] : domains) all.members.emplace(domain, make(std::move(members)));
  return make(std::move(all));
}

}  // namespace

Value device_value(std::string_view driver, const Json& device) {
  Map map;
  map.members.emplace("driver", Value(std::string(driver)));
  map.members.emplace("attributes", by_domain(driver, api::object_at(device, {"attributes"}), attribute));
  map.members.emplace("capacity", by_domain(driver, api::object_at(device, {"capacity"}), capacity));
  map.members.emplace("allowMultipleAllocations", Value(api::bool_at(device, {"allowMultipleAllocations"})));
  return make(std::move(map));
}

}  // namespace ingot::cel
