#include "expr/functions.h"

#include <algorithm>

#include "expr/rows.h"

namespace ingot::expr {
namespace {

const Function* row(std::span<const std::span<const Function>> tables, std::string_view name) {
  for (const auto& table : tables) {
    const auto found = std::ranges::find(table, name, &Function::name);
    if (found != table.end()) return &*found;
  }
  return nullptr;
}

// The letter for argument `i`; '\0' past the end.
char letter(std::string_view takes, size_t i) {
  size_t at = 0;
  for (const char c : takes) {
    if (c == '?') continue;
    if (c == '*') return takes[takes.size() - 2];
    if (at++ == i) return c;
  }
  return '\0';
}

bool fits(char letter, const Json& json) {
  switch (letter) {
    case 's':
      return json.is_string();
    case 'i':
      return json.is_int64();
    case 'n':
      return is_number(json);
    case 'b':
      return json.is_bool();
    case 'l':
      return json.is_array();
    case 'm':
      return json.is_object();
    case 't':
      return is_time(json);
    default:
      return true;
  }
}
std::string_view word(char letter) {
  switch (letter) {
    case 's':
      return "a string";
    case 'i':
      return "an int";
    case 'n':
      return "a number";
    case 'b':
      return "a bool";
    case 'l':
      return "an array";
    case 'm':
      return "a map";
    default:
      return "a time";
  }
}
Value zero(char letter) {
  switch (letter) {
    case 's':
      return make(Json(""));
    case 'i':
      return make(Json(int64_t(0)));
    case 'b':
      return make(Json(false));
    case 'm':
      return make(JsonObject());
    default:
      return make(nullptr);
  }
}

}  // namespace

const Function* builtin(std::string_view name) {
  static const std::span<const Function> kTables[] = {text_rows(), list_rows(), number_rows()};
  return row(kTables, name);
}
const Function* sprig(std::string_view name) {
  static const std::span<const Function> kTables[] = {
      sprig_text_rows(), sprig_list_rows(),    sprig_map_rows(),  sprig_number_rows(),
      sprig_date_rows(), sprig_pattern_rows(), sprig_path_rows(), sprig_word_rows()};
  return row(kTables, name);
}

std::string missing_builtin(std::string_view name) {
  if (name == "now") return "now: what an expression gives must not depend on the clock";
  static constexpr std::string_view kMissing[] = {"duration", "date", "timezone"};
  return includes(kMissing, name) ? std::string(name) + ": is not implemented" : "";
}

std::string count_fault(const Function& function, size_t given) {
  const size_t optional = std::min(function.takes.find('?'), function.takes.size());
  const bool any = function.takes.ends_with('*');
  size_t most = 0;
  for (const char c : function.takes) most += c != '?' && c != '*';
  const size_t least = std::min(optional, any ? most - 1 : most);
  if (given >= least && (any || given <= most)) return "";
  const std::string count = any             ? "at least " + std::to_string(least)
                            : least == most ? std::to_string(least)
                                            : std::to_string(least) + " to " + std::to_string(most);
  return std::string(function.name) + " takes " + count + (count == "1" ? " argument" : " arguments") +
         ", not " + std::to_string(given);
}

Made call(const Function& function, std::span<const Value> arguments, WallTime now, int64_t& steps) {
  std::vector<Value> zeroed;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const char takes = letter(function.takes, i);
    if (fits(takes, *arguments[i])) continue;
    if (!function.zeroes || !arguments[i]->is_null())
      return wrong(std::string(function.name) + ": argument " + std::to_string(i + 1) + " must be " +
                   std::string(word(takes)) + ", not " + std::string(type_name(*arguments[i])));
    if (zeroed.empty()) zeroed.assign(arguments.begin(), arguments.end());
    zeroed[i] = zero(takes);
    if (!fits(takes, *zeroed[i]))
      return wrong(std::string(function.name) + ": argument " + std::to_string(i + 1) + " is nil");
  }
  return function.call({zeroed.empty() ? arguments : std::span<const Value>(zeroed), now, steps});
}

}  // namespace ingot::expr
