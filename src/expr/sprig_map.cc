#include <algorithm>

#include "expr/go_text.h"
#include "expr/rows.h"
#include "expr/sprig_values.h"

namespace ingot::expr {
namespace {

boost::json::string_view key(std::string_view t) { return {t.data(), t.size()}; }

// --- defaults ---

Made otherwise(const Call& c) { return c.size() < 2 || is_empty(c[1]) ? c[0] : c[1]; }
Made empty(const Call& c) { return Json(is_empty(c[0])); }
Made coalesce(const Call& c) {
  for (const Value& value : c.arguments)
    if (!is_empty(*value)) return *value;
  return Json();
}
Made all(const Call& c) {
  return Json(std::ranges::none_of(c.arguments, [](const Value& v) { return is_empty(*v); }));
}
Made any(const Call& c) {
  return Json(!std::ranges::all_of(c.arguments, [](const Value& v) { return is_empty(*v); }));
}
Made ternary(const Call& c) { return c[c[2].get_bool() ? 0 : 1]; }
Made copy(const Call& c) { return c[0]; }
Made same(const Call& c) { return Json(api::same(c[0], c[1])); }

template <bool Must>
Made from_json(const Call& c) {
  Made json = parsed_json(c.text(0));
  return json || Must ? json : Json();
}
Made written(const Call& c, JsonStyle style) {
  const auto out = json_text(c[0], style);
  return out ? Made(text(*out)) : wrong(out.error());
}
Made to_json(const Call& c) { return written(c, {}); }
Made to_pretty_json(const Call& c) { return written(c, {.indented = true}); }
Made to_raw_json(const Call& c) { return written(c, {.html_safe = false}); }

std::string_view kind(const Json& json) {
  if (json.is_null()) return "invalid";
  if (json.is_double()) return "float64";
  if (json.is_array()) return "slice";
  return is_time(json) ? "struct" : type_name(json);
}
std::string_view go_type(const Json& json) {
  if (json.is_null()) return "<nil>";
  if (json.is_array()) return "[]interface {}";
  if (json.is_object()) return "map[string]interface {}";
  return is_time(json) ? "time.Time" : kind(json);
}
Made kind_of(const Call& c) { return text(kind(c[0])); }
Made kind_is(const Call& c) { return Json(c.text(0) == kind(c[1])); }
Made type_of(const Call& c) { return text(go_type(c[0])); }
Made type_is(const Call& c) { return Json(c.text(0) == go_type(c[1])); }

// --- maps: nothing is changed in place, each gives a new one ---

Made dict(const Call& c) {
  JsonObject out;
  for (size_t i = 0; i < c.size(); i += 2) out[printed(c[i])] = i + 1 < c.size() ? c[i + 1] : Json("");
  return out;
}
Made get(const Call& c) {
  const Json* found = c.map(0).if_contains(key(c.text(1)));
  return found ? *found : Json("");
}
Made set(const Call& c) {
  JsonObject out = c.map(0);
  out[key(c.text(1))] = c[2];
  return out;
}
Made unset(const Call& c) {
  JsonObject out = c.map(0);
  out.erase(key(c.text(1)));
  return out;
}
Made has_key(const Call& c) { return Json(c.map(0).contains(key(c.text(1)))); }
Made pluck(const Call& c) {
  JsonArray out;
  for (size_t i = 1; i < c.size(); ++i)
    if (const Json* found = c.map(i).if_contains(key(c.text(0)))) out.push_back(*found);
  return out;
}
Made keys(const Call& c) {
  JsonArray out;
  for (size_t i = 0; i < c.size(); ++i)
    for (const auto* member : sorted(c.map(i))) out.push_back(text(member->key()));
  return out;
}
Made values(const Call& c) {
  JsonArray out;
  for (const auto* member : sorted(c.map(0))) out.push_back(member->value());
  return out;
}
Made pick(const Call& c) {
  JsonObject out;
  for (size_t i = 1; i < c.size(); ++i)
    if (const Json* found = c.map(0).if_contains(key(c.text(i)))) out[key(c.text(i))] = *found;
  return out;
}
Made omit(const Call& c) {
  JsonObject out = c.map(0);
  for (size_t i = 1; i < c.size(); ++i) out.erase(key(c.text(i)));
  return out;
}
// dig('a', 'b', otherwise, map)
Made dig(const Call& c) {
  const Json* at = &c[c.size() - 1];
  for (size_t i = 0; i + 2 < c.size(); ++i) {
    if (!c[i].is_string()) return wrong("dig: a key must be a string");
    if (!at->is_object()) return wrong("dig: only maps have members");
    at = at->get_object().if_contains(c[i].get_string());
    if (!at) return c[c.size() - 2];
  }
  return *at;
}

constexpr Function kRows[] = {
    {"default", "aa*", otherwise},
    {"empty", "a", empty},
    {"coalesce", "a*", coalesce},
    {"all", "a*", all},
    {"any", "a*", any},
    {"ternary", "aab", ternary, true},
    {"deepCopy", "a", copy},
    {"mustDeepCopy", "a", copy},
    {"deepEqual", "aa", same},
    {"fromJson", "s", from_json<false>, true},
    {"mustFromJson", "s", from_json<true>, true},
    {"toJson", "a", to_json},
    {"mustToJson", "a", to_json},
    {"toPrettyJson", "a", to_pretty_json},
    {"mustToPrettyJson", "a", to_pretty_json},
    {"toRawJson", "a", to_raw_json},
    {"mustToRawJson", "a", to_raw_json},
    {"kindOf", "a", kind_of},
    {"kindIs", "sa", kind_is, true},
    {"typeOf", "a", type_of},
    {"typeIs", "sa", type_is, true},
    {"dict", "a*", dict},
    {"get", "ms", get, true},
    {"set", "msa", set},
    {"unset", "ms", unset, true},
    {"hasKey", "ms", has_key, true},
    {"pluck", "sm*", pluck},
    {"keys", "m*", keys},
    {"values", "m", values, true},
    {"pick", "ms*", pick},
    {"omit", "ms*", omit},
    {"dig", "aaaa*", dig},
};

}  // namespace

std::span<const Function> sprig_map_rows() { return kRows; }

}  // namespace ingot::expr
