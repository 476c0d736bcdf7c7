#include "expr/operators.h"

#include <algorithm>
#include <cmath>

#include "expr/go_text.h"
#include "expr/pattern.h"

namespace ingot::expr {
namespace {

// Integers wrap, as Go's do.
template <class Op>
Json wrapped(const Json& a, const Json& b, Op op) {
  return Json(int64_t(op(uint64_t(a.get_int64()), uint64_t(b.get_int64()))));
}

Made calculate(std::string_view sign, const Json& a, const Json& b) {
  const bool integers = a.is_int64() && b.is_int64();
  if (sign == "/") return Json(number_of(a) / number_of(b));
  if (sign == "**") return Json(std::pow(number_of(a), number_of(b)));
  if (sign == "%") {
    if (!integers) return wrong(no_operation(sign, a, b));
    if (b.get_int64() == 0) return wrong("integer divide by zero");
    return Json(b.get_int64() == -1 ? int64_t(0) : a.get_int64() % b.get_int64());
  }
  if (sign == "+") return integers ? wrapped(a, b, std::plus<>()) : Json(number_of(a) + number_of(b));
  if (sign == "-") return integers ? wrapped(a, b, std::minus<>()) : Json(number_of(a) - number_of(b));
  return integers ? wrapped(a, b, std::multiplies<>()) : Json(number_of(a) * number_of(b));
}

Made compare(std::string_view sign, const Json& a, const Json& b) {
  const bool swapped = sign == ">" || sign == "<=";
  const Maybe<bool> before = swapped ? less(b, a) : less(a, b);
  if (!before) return wrong(no_operation(sign, a, b));
  const bool unordered =
      (a.is_double() && std::isnan(a.get_double())) || (b.is_double() && std::isnan(b.get_double()));
  return Json(sign.size() == 1 ? *before : !*before && !unordered);
}

Made look(std::string_view sign, const Json& a, const Json& b, const Call& budget) {
  if (a.is_null() || b.is_null()) return Json(false);
  if (!a.is_string() || !b.is_string()) return wrong(no_operation(sign, a, b));
  const std::string_view text = text_of(a), part = text_of(b);
  if (sign == "contains") return Json(text.contains(part));
  if (sign == "startsWith") return Json(text.starts_with(part));
  if (sign == "endsWith") return Json(text.ends_with(part));
  const auto pattern = Pattern::compile(part, budget.steps);
  if (!pattern) return wrong(pattern.error());
  return Json(pattern->matches(text));
}

Made contained(const Json& needle, const Json& in) {
  if (in.is_null()) return Json(false);
  if (const auto* list = in.if_array())
    return Json(std::ranges::any_of(*list, [&](const Json& item) { return equal(item, needle); }));
  if (const auto* map = in.if_object()) {
    if (!needle.is_string())
      return wrong("cannot use " + std::string(type_name(needle)) + " as a key of map");
    return Json(map->contains(needle.get_string()));
  }
  return wrong("operator \"in\" not defined on " + std::string(type_name(in)));
}

Made range(const Json& from, const Json& to, const Call& budget) {
  if (!is_number(from) || !is_number(to)) return wrong(no_operation("..", from, to));
  const int64_t first = integer_of(from), last = integer_of(to);
  JsonArray list;
  if (first > last) return list;
  if (!budget.may_make(16.0 * (double(last) - double(first) + 1))) return wrong(std::string(kTooDear));
  list.reserve(size_t(last - first) + 1);
  for (int64_t n = first; n <= last; ++n) list.emplace_back(n);
  return list;
}

}  // namespace

std::string no_operation(std::string_view sign, const Json& left, const Json& right) {
  return "invalid operation: " + std::string(type_name(left)) + " " + std::string(sign) + " " +
         std::string(type_name(right));
}

Made operate(std::string_view sign, const Json& a, const Json& b, const Call& budget) {
  if (sign == "==") return Json(equal(a, b));
  if (sign == "!=") return Json(!equal(a, b));
  if (sign == "in") return contained(a, b);
  if (sign == "..") return range(a, b, budget);
  if (sign[0] == '<' || sign[0] == '>') return compare(sign, a, b);
  if (std::isalpha(static_cast<unsigned char>(sign[0]))) return look(sign, a, b, budget);
  if (sign == "+" && a.is_string() && b.is_string()) return text(std::string(text_of(a)).append(text_of(b)));
  return is_number(a) && is_number(b) ? calculate(sign, a, b) : Made(wrong(no_operation(sign, a, b)));
}

Made negate(std::string_view sign, const Json& value) {
  if (sign == "!" && value.is_bool()) return Json(!value.get_bool());
  if (sign == "+" && is_number(value)) return value;
  if (sign == "-" && value.is_int64()) return Json(int64_t(-uint64_t(value.get_int64())));
  if (sign == "-" && value.is_double()) return Json(-value.get_double());
  return wrong("invalid operation: " + std::string(sign) + " " + std::string(type_name(value)));
}

Outcome fetch(const Value& of, const Json& key) {
  if (const auto* map = of->if_object()) {
    const std::string name = key.is_string() ? std::string(text_of(key)) : printed(key);
    const Json* found = map->if_contains(name);
    return found ? part_of(of, *found) : make(nullptr);
  }
  if (!(of->is_array() || of->is_string()) || !is_number(key))
    return wrong("cannot fetch " + printed(key) + " from " + std::string(type_name(*of)));
  const int64_t size = int64_t(of->is_array() ? of->get_array().size() : of->get_string().size());
  const int64_t index = integer_of(key), at = index < 0 ? index + size : index;
  if (at < 0 || at >= size)
    return wrong("index out of range: " + std::to_string(at) + " (array length is " + std::to_string(size) +
                 ")");
  if (of->is_array()) return part_of(of, of->get_array()[size_t(at)]);
  return make(Json(int64_t(static_cast<unsigned char>(of->get_string()[size_t(at)]))));
}

Made slice(const Json& of, const Json& from, const Json& to) {
  const bool list = of.is_array();
  if ((!list && !of.is_string()) || !(from.is_null() || is_number(from)) || !(to.is_null() || is_number(to)))
    return wrong("cannot slice " + std::string(type_name(of)));
  const int64_t size = int64_t(list ? of.get_array().size() : of.get_string().size());
  const auto bound = [&](const Json& json, int64_t otherwise) {
    const int64_t at = json.is_null() ? otherwise : integer_of(json);
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t end = bound(to, size), begin = std::min(bound(from, 0), end);
  if (!list) return text(text_of(of).substr(size_t(begin), size_t(end - begin)));
  const Json* const items = of.get_array().data();
  return JsonArray(items + begin, items + end);
}

}  // namespace ingot::expr
