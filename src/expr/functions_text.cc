#include <algorithm>

#include "base/encoding.h"
#include "expr/go_text.h"
#include "expr/query.h"
#include "expr/rows.h"

namespace ingot::expr {
namespace {

Made too_dear() { return wrong(std::string(kTooDear)); }

JsonArray texts(const std::vector<std::string_view>& parts) {
  JsonArray list;
  list.reserve(parts.size());
  for (const std::string_view part : parts) list.push_back(text(part));
  return list;
}

Made trim(const Call& c) { return text(c.size() == 1 ? trimmed(c.text(0)) : trimmed(c.text(0), c.text(1))); }
Made trim_prefix(const Call& c) {
  std::string_view all = c.text(0), part = c.size() == 2 ? c.text(1) : " ";
  if (all.starts_with(part)) all.remove_prefix(part.size());
  return text(all);
}
Made trim_suffix(const Call& c) {
  std::string_view all = c.text(0), part = c.size() == 2 ? c.text(1) : " ";
  if (all.ends_with(part)) all.remove_suffix(part.size());
  return text(all);
}
Made to_upper(const Call& c) { return text(upper(c.text(0))); }
Made to_lower(const Call& c) { return text(lower(c.text(0))); }

Made split_text(const Call& c) {
  return texts(split(c.text(0), c.text(1), c.size() == 3 ? c.integer(2) : -1));
}
Made split_after(const Call& c) {
  JsonArray list;
  const auto parts = split(c.text(0), c.text(1), c.size() == 3 ? c.integer(2) : -1);
  for (const std::string_view part : parts) {
    const bool last = part.data() == parts.back().data();
    list.push_back(text({part.data(), part.size() + (last ? 0 : c.text(1).size())}));
  }
  return list;
}

Made replace(const Call& c) {
  const int64_t most = c.size() == 4 ? c.integer(3) : -1;
  if (most == 0) return c[0];
  const std::string_view from = c.text(1), to = c.text(2);
  const auto parts = split(c.text(0), from, most < 0 || most == INT64_MAX ? -1 : most + 1);
  if (!c.may_make(double(c.text(0).size()) + double(parts.size() + 1) * double(to.size()))) return too_dear();
  // Between characters an empty text is found, before the first as well.
  std::string out(from.empty() ? to : std::string_view());
  for (size_t i = 0; i < parts.size(); ++i) {
    out += parts[i];
    const bool more = from.empty() ? most < 0 || int64_t(i) + 1 < most : i + 1 < parts.size();
    if (more) out += to;
  }
  return text(out);
}

Made repeat(const Call& c) {
  const int64_t times = c.integer(1);
  if (times < 0) return wrong("repeat: a negative count");
  if (!c.may_make(double(times) * double(c.text(0).size()))) return too_dear();
  std::string out;
  for (int64_t i = 0; i < times && !c.text(0).empty(); ++i) out += c.text(0);
  return text(out);
}

Made join(const Call& c) {
  const std::string_view glue = c.size() == 2 ? c.text(1) : "";
  if (!c.may_make(double(glue.size()) * double(c.list(0).size()))) return too_dear();
  std::string out;
  for (const Json& item : c.list(0)) {
    if (!item.is_string())
      return wrong("join: an item must be a string, not " + std::string(type_name(item)));
    if (&item != c.list(0).data()) out += glue;
    out += text_of(item);
  }
  return text(out);
}

int64_t position(size_t at) { return at == std::string_view::npos ? -1 : int64_t(at); }
Made index_of(const Call& c) { return Json(position(c.text(0).find(c.text(1)))); }
Made last_index_of(const Call& c) { return Json(position(c.text(0).rfind(c.text(1)))); }
Made has_prefix(const Call& c) { return Json(c.text(0).starts_with(c.text(1))); }
Made has_suffix(const Call& c) { return Json(c.text(0).ends_with(c.text(1))); }

Made to_string(const Call& c) { return text(printed(c[0])); }
template <bool Indented>
Made to_json(const Call& c) {
  const auto out = json_text(c[0], {.indented = Indented});
  return out ? Made(text(*out)) : wrong(out.error());
}
Made from_json(const Call& c) { return parsed_json(c.text(0)); }
Made to_base64(const Call& c) { return text(base64(c.text(0))); }
Made from_base64(const Call& c) {
  const auto bytes = parse_base64(c.text(0));
  return bytes ? Made(text(*bytes)) : wrong("fromBase64: not base64");
}

Made json_path(const Call& c) {
  const auto json = parsed_json(c.text(0));
  if (!json) return json;
  return query(c.text(1), *json, c.steps);
}

constexpr Function kRows[] = {
    {"trim", "s?s", trim},
    {"trimPrefix", "s?s", trim_prefix},
    {"trimSuffix", "s?s", trim_suffix},
    {"upper", "s", to_upper},
    {"lower", "s", to_lower},
    {"split", "ss?n", split_text},
    {"splitAfter", "ss?n", split_after},
    {"replace", "sss?n", replace},
    {"repeat", "sn", repeat},
    {"join", "l?s", join},
    {"indexOf", "ss", index_of},
    {"lastIndexOf", "ss", last_index_of},
    {"hasPrefix", "ss", has_prefix},
    {"hasSuffix", "ss", has_suffix},
    {"string", "a", to_string},
    {"toJSON", "a", to_json<true>},
    {"fromJSON", "s", from_json},
    {"toBase64", "s", to_base64},
    {"fromBase64", "s", from_base64},
    {"toJson", "a", to_json<false>},
    {"jsonpath", "ss", json_path},
};

}  // namespace

std::span<const Function> text_rows() { return kRows; }

}  // namespace ingot::expr
