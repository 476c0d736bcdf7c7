#include "expr/value.h"

#include <cmath>

namespace ingot::expr {

double number_of(const Json& json) { return json.is_double() ? json.get_double() : double(json.get_int64()); }

int64_t integer_of(const Json& json) {
  if (json.is_int64()) return json.get_int64();
  const double d = json.get_double();
  if (std::isnan(d)) return 0;
  if (d >= 9223372036854775808.0) return INT64_MAX;
  return d < -9223372036854775808.0 ? INT64_MIN : int64_t(d);
}

Json time_value(WallTime time) { return Json(uint64_t(time.time_since_epoch().count())); }
WallTime time_of(const Json& json) { return WallTime(std::chrono::microseconds(int64_t(json.get_uint64()))); }

Json normal(Json json) {
  if (json.is_uint64()) return Json(double(json.get_uint64()));
  if (auto* list = json.if_array())
    for (Json& item : *list) item = normal(std::move(item));
  if (auto* map = json.if_object())
    for (auto& member : *map) member.value() = normal(std::move(member.value()));
  return json;
}

namespace {

void weigh(const Json& json, int64_t limit, int level, int64_t& sum) {
  if (level > kMaxLevels) sum = INT64_MAX / 2;
  if (++sum > limit) return;
  if (const auto* text = json.if_string()) sum += int64_t(text->size() / 16);
  if (const auto* list = json.if_array())
    for (const Json& item : *list) {
      if (sum > limit) return;
      weigh(item, limit, level + 1, sum);
    }
  if (const auto* map = json.if_object())
    for (const auto& member : *map) {
      if (sum > limit) return;
      sum += int64_t(member.key().size() / 16);
      weigh(member.value(), limit, level + 1, sum);
    }
}

}  // namespace

int64_t weight(const Json& json, int64_t limit) {
  int64_t sum = 0;
  weigh(json, limit, 0, sum);
  return sum;
}

std::string_view type_name(const Json& json) {
  switch (json.kind()) {
    case boost::json::kind::null:
      return "nil";
    case boost::json::kind::bool_:
      return "bool";
    case boost::json::kind::int64:
      return "int";
    case boost::json::kind::uint64:
      return "time.Time";
    case boost::json::kind::double_:
      return "float";
    case boost::json::kind::string:
      return "string";
    case boost::json::kind::array:
      return "array";
    case boost::json::kind::object:
      return "map";
  }
  return "unknown";
}

bool equal(const Json& a, const Json& b) {
  if (is_number(a) && is_number(b)) {
    if (a.is_int64() && b.is_int64()) return a.get_int64() == b.get_int64();
    return number_of(a) == number_of(b);
  }
  if (a.kind() != b.kind()) return false;
  if (const auto* list = a.if_array()) return std::ranges::equal(*list, b.get_array(), equal);
  return api::same(a, b);
}

Maybe<bool> less(const Json& a, const Json& b) {
  if (a.is_int64() && b.is_int64()) return a.get_int64() < b.get_int64();
  if (is_number(a) && is_number(b)) return number_of(a) < number_of(b);
  if (a.is_string() && b.is_string()) return text_of(a) < text_of(b);
  if (is_time(a) && is_time(b)) return time_of(a) < time_of(b);
  return wrong("invalid operation: " + std::string(type_name(a)) + " < " + std::string(type_name(b)));
}

bool before(const Json& a, const Json& b) {
  if (!is_number(a) || !is_number(b)) return less(a, b).value_or(false);
  const double x = number_of(a), y = number_of(b);
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && !std::isnan(y);
  if (x != y) return x < y;
  // Integers that are the same as floats have their own order.
  return a.is_int64() && (b.is_double() || a.get_int64() < b.get_int64());
}

std::vector<const JsonObject::value_type*> sorted(const JsonObject& object) {
  std::vector<const JsonObject::value_type*> members;
  members.reserve(object.size());
  for (const auto& member : object) members.push_back(&member);
  std::ranges::sort(members, {}, [](const auto* m) { return std::string_view(m->key()); });
  return members;
}

}  // namespace ingot::expr
