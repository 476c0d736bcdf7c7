#include <algorithm>
#include <cmath>

#include "expr/go_text.h"
#include "expr/rows.h"
#include "expr/sprig_values.h"

namespace ingot::expr {
namespace {

Made too_dear() { return wrong(std::string(kTooDear)); }

Made list(const Call& c) {
  JsonArray out;
  for (const Value& value : c.arguments) out.push_back(*value);
  return out;
}
Made first(const Call& c) { return c.list(0).empty() ? Json() : c.list(0).front(); }
Made last(const Call& c) { return c.list(0).empty() ? Json() : c.list(0).back(); }
Made rest(const Call& c) {
  return c.list(0).empty() ? Made(Json()) : JsonArray(c.list(0).begin() + 1, c.list(0).end());
}
Made initial(const Call& c) {
  return c.list(0).empty() ? Made(Json()) : JsonArray(c.list(0).begin(), c.list(0).end() - 1);
}
Made append(const Call& c) {
  JsonArray out = c.list(0);
  out.push_back(c[1]);
  return out;
}
Made prepend(const Call& c) {
  JsonArray out{c[1]};
  out.insert(out.end(), c.list(0).begin(), c.list(0).end());
  return out;
}
Made concat(const Call& c) {
  JsonArray out;
  for (size_t i = 0; i < c.size(); ++i) out.insert(out.end(), c.list(i).begin(), c.list(i).end());
  return out;
}
Made reverse(const Call& c) { return JsonArray(c.list(0).rbegin(), c.list(0).rend()); }

template <class Keep>
Made kept(const JsonArray& list, Keep keep) {
  JsonArray out;
  for (const Json& item : list)
    if (keep(item, out)) out.push_back(item);
  return out;
}
bool among(const JsonArray& list, const Json& item) {
  return std::ranges::any_of(list, [&](const Json& other) { return api::same(other, item); });
}
Made compact(const Call& c) {
  return kept(c.list(0), [](const Json& item, const JsonArray&) { return !is_empty(item); });
}
Made uniq(const Call& c) {
  Made out = kept(c.list(0), [&](const Json& item, const JsonArray& so_far) {
    c.steps -= weight(item, c.steps) * int64_t(so_far.size());
    return c.steps >= 0 && !among(so_far, item);
  });
  return c.steps < 0 ? too_dear() : out;
}
Made without(const Call& c) {
  c.steps -= weight(c[0], c.steps) * int64_t(c.size());
  if (c.steps < 0) return too_dear();
  return kept(c.list(0), [&](const Json& item, const JsonArray&) {
    return std::ranges::none_of(c.arguments.subspan(1), [&](const Value& v) { return api::same(*v, item); });
  });
}
Made has(const Call& c) {
  if (c[1].is_null()) return Json(false);
  if (!c[1].is_array()) return wrong("has: argument 2 must be an array");
  return Json(among(c.list(1), c[0]));
}
Made slice(const Call& c) {
  const int64_t size = int64_t(c.list(0).size());
  if (size == 0) return Json();
  const int64_t from = c.size() > 1 ? as_int(c[1]) : 0, to = c.size() > 2 ? as_int(c[2]) : size;
  if (from < 0 || to < from || to > size) return wrong("slice: out of range");
  return JsonArray(c.list(0).begin() + from, c.list(0).begin() + to);
}
Made chunk(const Call& c) {
  if (c.integer(0) < 1) return wrong("chunk: a size below 1");
  JsonArray out;
  for (const Json& item : c.list(1)) {
    if (out.empty() || int64_t(out.back().get_array().size()) == c.integer(0)) out.push_back(JsonArray());
    out.back().get_array().push_back(item);
  }
  return out;
}

Made join(const Call& c) {
  const auto texts = as_texts(c[1]);
  if (!c.may_make(double(texts.size()) * double(c.text(0).size()))) return too_dear();
  std::string out;
  for (size_t i = 0; i < texts.size(); ++i) (out += i == 0 ? "" : c.text(0)) += texts[i];
  return text(out);
}
Made sort_alpha(const Call& c) {
  auto texts = as_texts(c[0]);
  std::ranges::sort(texts);
  JsonArray out;
  for (const std::string& one : texts) out.push_back(text(one));
  return out;
}
Made to_strings(const Call& c) {
  JsonArray out;
  for (const std::string& one : as_texts(c[0])) out.push_back(text(one));
  return out;
}
Made split_list(const Call& c) {
  JsonArray out;
  for (const std::string_view part : split(c.text(1), c.text(0))) out.push_back(text(part));
  return out;
}
// As members _0, _1…
Made numbered(const std::vector<std::string_view>& parts) {
  JsonObject out;
  for (size_t i = 0; i < parts.size(); ++i) out["_" + std::to_string(i)] = text(parts[i]);
  return out;
}
Made split_map(const Call& c) { return numbered(split(c.text(1), c.text(0))); }
Made splitn(const Call& c) { return numbered(split(c.text(2), c.text(0), c.integer(1))); }

Made steps(int64_t from, int64_t to, int64_t by, const Call& c) {
  JsonArray out;
  if (by == 0 || (to < from) != (by < 0)) return out;
  if (!c.may_make(16 * std::abs((double(to) - double(from)) / double(by)))) return too_dear();
  for (int64_t n = from; by > 0 ? n < to : n > to;) {
    out.push_back(n);
    if (__builtin_add_overflow(n, by, &n)) break;
  }
  return out;
}
Made until(const Call& c) { return steps(0, c.integer(0), c.integer(0) < 0 ? -1 : 1, c); }
Made until_step(const Call& c) { return steps(c.integer(0), c.integer(1), c.integer(2), c); }
// seq(end), seq(from, end), seq(from, step, end): as text, the end with them.
Made seq(const Call& c) {
  if (c.size() == 0 || c.size() > 3) return text("");
  const int64_t from = c.size() == 1 ? 1 : c.integer(0), end = c.integer(c.size() - 1);
  const int64_t way = end < from ? -1 : 1, by = c.size() == 3 ? c.integer(1) : way;
  int64_t behind = 0;
  if (way < 0 && by > 0) return text("");
  if (__builtin_add_overflow(end, way, &behind)) return wrong("seq: out of range");
  const Made all = steps(from, behind, by, c);
  if (!all) return all;
  std::string out;
  for (const Json& n : all->get_array()) (out += out.empty() ? "" : " ") += printed(n);
  return text(out);
}

constexpr Function kRows[] = {
    {"list", "a*", list},
    {"tuple", "a*", list},
    {"first", "l", first},
    {"mustFirst", "l", first},
    {"last", "l", last},
    {"mustLast", "l", last},
    {"rest", "l", rest},
    {"mustRest", "l", rest},
    {"initial", "l", initial},
    {"mustInitial", "l", initial},
    {"append", "la", append},
    {"mustAppend", "la", append},
    {"push", "la", append},
    {"mustPush", "la", append},
    {"prepend", "la", prepend},
    {"mustPrepend", "la", prepend},
    {"concat", "l*", concat},
    {"reverse", "l", reverse},
    {"mustReverse", "l", reverse},
    {"compact", "l", compact},
    {"mustCompact", "l", compact},
    {"uniq", "l", uniq},
    {"mustUniq", "l", uniq},
    {"without", "la*", without},
    {"mustWithout", "la*", without},
    {"has", "aa", has},
    {"mustHas", "aa", has},
    {"slice", "la*", slice},
    {"mustSlice", "la*", slice},
    {"chunk", "il", chunk},
    {"mustChunk", "il", chunk},
    {"join", "sa", join, true},
    {"sortAlpha", "a", sort_alpha},
    {"toStrings", "a", to_strings},
    {"splitList", "ss", split_list, true},
    {"split", "ss", split_map, true},
    {"splitn", "sis", splitn, true},
    {"until", "i", until, true},
    {"untilStep", "iii", until_step, true},
    {"seq", "i*", seq, true},
};

}  // namespace

std::span<const Function> sprig_list_rows() { return kRows; }

}  // namespace ingot::expr
