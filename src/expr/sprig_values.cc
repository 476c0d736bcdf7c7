#include "expr/sprig_values.h"

#include <charconv>

#include "expr/go_text.h"

namespace ingot::expr {

namespace {

// "12" of "12.75"; what is no plain decimal stays.
std::string_view whole_part(std::string_view text) {
  const size_t point = text.find('.'), sign = text.starts_with('-') || text.starts_with('+');
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (point == text.npos || !std::ranges::all_of(text.substr(sign, point - sign), is_digit) ||
      !std::ranges::all_of(text.substr(point + 1), is_digit))
    return text;
  return point == sign ? "0" : text.substr(0, point);
}

}  // namespace

bool is_empty(const Json& json) {
  if (json.is_string()) return json.get_string().empty();
  if (json.is_bool()) return !json.get_bool();
  if (is_number(json)) return number_of(json) == 0;
  if (const auto* list = json.if_array()) return list->empty();
  if (const auto* map = json.if_object()) return map->empty();
  return json.is_null();
}

int64_t as_int(const Json& json) {
  if (is_number(json)) return integer_of(json);
  if (json.is_bool()) return json.get_bool();
  if (!json.is_string()) return 0;
  std::string_view text = whole_part(text_of(json));
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char kind = char(text[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    text.remove_prefix(base == 8 && kind != 'o' ? 1 : 2);
  }
  uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() ||
      n > uint64_t(INT64_MAX) + negative)
    return 0;
  return int64_t(negative ? -n : n);
}

double as_float(const Json& json) {
  if (is_number(json)) return number_of(json);
  if (json.is_bool()) return json.get_bool();
  return json.is_string() ? parsed_float(text_of(json)).value_or(0) : 0;
}

std::vector<std::string> as_texts(const Json& json) {
  std::vector<std::string> out;
  if (const auto* list = json.if_array()) {
    for (const Json& item : *list)
      if (!item.is_null()) out.push_back(printed(item));
  } else if (!json.is_null()) {
    out.push_back(printed(json));
  }
  return out;
}

}  // namespace ingot::expr
