#include <algorithm>

#include "expr/go_text.h"
#include "expr/operators.h"
#include "expr/rows.h"

namespace ingot::expr {
namespace {

Made size(const Call& c) {
  if (c[0].is_string()) return Json(int64_t(characters(c.text(0))));
  if (c[0].is_array()) return Json(int64_t(c.list(0).size()));
  if (c[0].is_object()) return Json(int64_t(c.map(0).size()));
  return wrong("invalid argument for len (type " + std::string(type_name(c[0])) + ")");
}

Made first(const Call& c) { return c.list(0).empty() ? Json() : c.list(0).front(); }
Made last(const Call& c) { return c.list(0).empty() ? Json() : c.list(0).back(); }
Made get(const Call& c) {
  const Outcome found = fetch(c.arguments[0], c[1]);
  return found ? **found : Json();
}
Made take(const Call& c) {
  if (c.integer(1) < 0) return wrong("take: a negative count");
  const size_t count = std::min<size_t>(size_t(c.integer(1)), c.list(0).size());
  return JsonArray(c.list(0).begin(), c.list(0).begin() + ptrdiff_t(count));
}

Made keys(const Call& c) {
  JsonArray out;
  for (const auto* member : sorted(c.map(0))) out.push_back(text(member->key()));
  return out;
}
Made values(const Call& c) {
  JsonArray out;
  for (const auto* member : sorted(c.map(0))) out.push_back(member->value());
  return out;
}
Made to_pairs(const Call& c) {
  JsonArray out;
  for (const auto* member : sorted(c.map(0))) out.push_back(JsonArray{text(member->key()), member->value()});
  return out;
}
Made from_pairs(const Call& c) {
  JsonObject out;
  for (const Json& pair : c.list(0)) {
    if (!pair.is_array() || pair.get_array().size() != 2) return wrong("fromPairs: a pair is a list of two");
    const JsonArray& two = pair.get_array();
    out.insert_or_assign(two[0].is_string() ? std::string(text_of(two[0])) : printed(two[0]), two[1]);
  }
  return out;
}

Made reverse(const Call& c) { return JsonArray(c.list(0).rbegin(), c.list(0).rend()); }
Made uniq(const Call& c) {
  JsonArray out;
  for (const Json& item : c.list(0)) {
    c.steps -= weight(item, c.steps) * int64_t(out.size());
    if (c.steps < 0) return wrong(std::string(kTooDear));
    if (std::ranges::none_of(out, [&](const Json& other) { return equal(item, other); })) out.push_back(item);
  }
  return out;
}
Made concat(const Call& c) {
  JsonArray out;
  for (size_t i = 0; i < c.size(); ++i) out.insert(out.end(), c.list(i).begin(), c.list(i).end());
  return out;
}
void flatten_into(const JsonArray& list, JsonArray& out) {
  for (const Json& item : list)
    if (item.is_array())
      flatten_into(item.get_array(), out);
    else
      out.push_back(item);
}
Made flatten(const Call& c) {
  JsonArray out;
  flatten_into(c.list(0), out);
  return out;
}
Made sort(const Call& c) {
  const std::string_view order = c.size() == 2 ? c.text(1) : "asc";
  if (order != "asc" && order != "desc") return wrong("sort: the order is \"asc\" or \"desc\"");
  JsonArray out = c.list(0);
  for (const Json& item : out)
    if (const auto comparable = less(item, out.front()); !comparable) return wrong(comparable.error());
  std::ranges::sort(
      out, [&](const Json& a, const Json& b) { return order == "asc" ? before(a, b) : before(b, a); });
  return out;
}

Made type(const Call& c) { return text(type_name(c[0])); }

constexpr Function kRows[] = {
    {"len", "a", size},        {"first", "l", first},      {"last", "l", last},
    {"get", "aa", get},        {"take", "ln", take},       {"keys", "m", keys},
    {"values", "m", values},   {"toPairs", "m", to_pairs}, {"fromPairs", "l", from_pairs},
    {"reverse", "l", reverse}, {"uniq", "l", uniq},        {"concat", "ll*", concat},
    {"flatten", "l", flatten}, {"sort", "l?s", sort},      {"type", "a", type},
};

}  // namespace

std::span<const Function> list_rows() { return kRows; }

}  // namespace ingot::expr
