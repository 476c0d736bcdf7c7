// What an expression computes with: JSON, shared where it is a part of something larger. Any thread.
//
// Integers are int64 and floats double, as the language tells them apart. The kind uint64 stands for a time (microseconds
// since 1970): no text becomes one, for `normal` makes large numbers floats as Go does.
#pragma once

#include <algorithm>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/time.h"

namespace ingot::expr {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using Value = std::shared_ptr<const Json>;  // never null
template <class T>
using Maybe = std::expected<T, std::string>;  // the error says what went wrong, for people
using Outcome = Maybe<Value>;

// No value has more levels than this.
inline constexpr int kMaxLevels = 128;

inline Value make(Json json) { return std::make_shared<const Json>(std::move(json)); }
inline Value part_of(const Value& whole, const Json& part) { return Value(whole, &part); }
// Of something that outlives the value.
inline Value borrowed(const Json& json) { return Value(Value(), &json); }
inline std::unexpected<std::string> wrong(std::string message) { return std::unexpected(std::move(message)); }

inline std::string_view text_of(const Json& json) {
  return {json.get_string().data(), json.get_string().size()};
}
inline Json text(std::string_view t) { return Json(boost::json::string_view(t.data(), t.size())); }
inline bool is_number(const Json& json) { return json.is_int64() || json.is_double(); }
double number_of(const Json&);    // of a number
int64_t integer_of(const Json&);  // of a number; a float is cut, what is out of range is the nearest end
inline int64_t cut(double d) { return integer_of(Json(d)); }
inline bool is_time(const Json& json) { return json.is_uint64(); }
Json time_value(WallTime);
WallTime time_of(const Json&);

// The same with every uint64 as a float.
Json normal(Json);
// A step for each value and each 16 bytes of text; stops counting past `limit`. Deeper than kMaxLevels counts as endless.
int64_t weight(const Json&, int64_t limit);
// "int", "float", "string", "bool", "nil", "array", "map", "time.Time", as type() says.
std::string_view type_name(const Json&);

// Numbers by value; lists item by item; else as it is.
bool equal(const Json&, const Json&);
// Numbers, texts, times among themselves; nothing else has an order.
Maybe<bool> less(const Json&, const Json&);

// The order of values that have one among them, for sorting: it is total, NaN first.
bool before(const Json&, const Json&);

// Members in the order of their keys: what expressions see must not depend on how an object was built.
std::vector<const JsonObject::value_type*> sorted(const JsonObject&);

template <class Items, class Item, class Projection = std::identity>
bool includes(const Items& items, const Item& item, Projection projection = {}) {
  return std::ranges::find(items, item, projection) != std::ranges::end(items);
}

}  // namespace ingot::expr
