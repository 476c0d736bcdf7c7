#include "cel/value.h"

#include <algorithm>

namespace ingot::cel {

std::string_view to_string(Type type) {
  static constexpr std::string_view kNames[] = {"null",
                                                "bool",
                                                "int",
                                                "double",
                                                "string",
                                                "quantity",
                                                "semver",
                                                "list",
                                                "map",
                                                "dyn",
                                                "device",
                                                "map(string, map(string, any))",
                                                "map(string, any)",
                                                "map(string, map(string, quantity))",
                                                "map(string, quantity)"};
  return kNames[size_t(type)];
}

bool is_map(Type type) { return type == Type::Map || type > Type::Device; }

// semver.org: numbers by value, then what has no pre-release is the later one, then its parts by their text.
std::strong_ordering operator<=>(const Semver& a, const Semver& b) {
  if (const auto order = std::tie(a.major, a.minor, a.patch) <=> std::tie(b.major, b.minor, b.patch);
      order != 0)
    return order;
  if (a.before.empty() != b.before.empty()) return a.before.empty() <=> b.before.empty();
  return a.before.compare(b.before) <=> 0;
}

bool Value::operator==(const Value& o) const {
  const auto *i = as<int64_t>(), *j = o.as<int64_t>();
  const auto *x = as<double>(), *y = o.as<double>();
  if (i && y) return double(*i) == *y;
  if (x && j) return *x == double(*j);
  if (type() != o.type()) return false;
  if (const List* list = this->list()) return *list == *o.list();
  if (const Map* map = this->map()) return map->members == o.map()->members;
  return is == o.is;
}

}  // namespace ingot::cel
