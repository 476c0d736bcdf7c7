// What an expression can be. Plain values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/quantity.h"

namespace ingot::cel {

// A type as the checker sees it. Dyn: known only when it runs. The last five are the parts of a device.
enum class Type : uint8_t {
  Null,
  Bool,
  Int,
  Double,
  String,
  Quantity,
  Semver,
  List,
  Map,
  Dyn,
  Device,
  Attributes,
  Domain,  // of attributes
  Capacities,
  CapacityDomain,
};
std::string_view to_string(Type);
bool is_map(Type);

struct Semver {
  int64_t major = 0, minor = 0, patch = 0;
  std::string before;  // "rc.1": it precedes the version without it
  bool operator==(const Semver&) const = default;
};
std::strong_ordering operator<=>(const Semver&, const Semver&);

struct Value;
using List = std::vector<Value>;
struct Map {
  std::map<std::string, Value, std::less<>> members;
  bool open = false;  // what is not there reads as an empty map: the domains of attributes
};

struct Value {
  using Any = std::variant<std::monostate, bool, int64_t, double, std::string, Quantity, Semver,
                           std::shared_ptr<const List>, std::shared_ptr<const Map>>;
  Any is;
  Value() = default;
  template <class T>
    requires std::constructible_from<Any, T>
  Value(T value) : is(std::move(value)) {}

  Type type() const { return Type(is.index()); }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&is);
  }
  const Map* map() const {
    const auto* p = as<std::shared_ptr<const Map>>();
    return p ? p->get() : nullptr;
  }
  const List* list() const {
    const auto* p = as<std::shared_ptr<const List>>();
    return p ? p->get() : nullptr;
  }
  // CEL's equality: numbers by value, other types are never equal to one another. Depth is that of the value.
  bool operator==(const Value&) const;
};
inline Value make(Map map) { return Value(std::make_shared<const Map>(std::move(map))); }
inline Value make(List list) { return Value(std::make_shared<const List>(std::move(list))); }

}  // namespace ingot::cel
