#include <algorithm>

#include "expr/go_text.h"
#include "expr/pattern.h"
#include "expr/rows.h"

namespace ingot::expr {
namespace {

using Groups = std::vector<std::string_view>;

Made too_dear() { return wrong(std::string(kTooDear)); }

// Up to `most` matches (all where it is negative), none empty where one ended. What lies between costs nothing; each
// match costs a look at the whole text.
Maybe<std::vector<Groups>> matches(const Pattern& pattern, std::string_view text, int64_t most,
                                   int64_t& steps) {
  std::vector<Groups> out;
  Groups groups;
  size_t from = 0, last = text.npos;
  while (int64_t(out.size()) != most && from <= text.size() && pattern.find(text, from, groups)) {
    if ((steps -= 1 + int64_t(text.size() / 16)) < 0) return wrong(std::string(kTooDear));
    const size_t begin = size_t(groups[0].data() - text.data()), end = begin + groups[0].size();
    const bool empty = groups[0].empty();
    if (!empty || begin != last) out.push_back(groups);
    last = end;
    from = empty ? end + 1 : end;
    while (from < text.size() && empty && (text[from] & 0xc0) == 0x80) ++from;
  }
  return out;
}

template <bool Must>
Made match(const Call& c) {
  const auto pattern = Pattern::compile(c.text(0), c.steps);
  if (!pattern) return Must ? Made(wrong(pattern.error())) : Json(false);
  return Json(pattern->matches(c.text(1)));
}

template <class Then>
Made with_matches(const Call& c, int64_t most, Then then) {
  const auto pattern = Pattern::compile(c.text(0), c.steps);
  if (!pattern) return wrong(pattern.error());
  const auto all = matches(*pattern, c.text(1), most, c.steps);
  return all ? Made(then(*pattern, *all)) : wrong(all.error());
}

Made find(const Call& c) {
  return with_matches(c, 1,
                      [](const Pattern&, const auto& all) { return text(all.empty() ? "" : all[0][0]); });
}
Made find_all(const Call& c) {
  return with_matches(c, c.integer(2), [](const Pattern&, const auto& all) -> Made {
    JsonArray out;
    for (const Groups& groups : all) out.push_back(text(groups[0]));
    return out;
  });
}

// $1, $name, ${name}, $$: a name is as long as it can be.
void expand(std::string_view with, const Pattern& pattern, const Groups& groups, std::string& out) {
  for (size_t i = 0; i < with.size(); ++i) {
    if (with[i] != '$' || i + 1 >= with.size()) {
      out += with[i];
      continue;
    }
    const bool braces = with[i + 1] == '{';
    const size_t from = i + 1 + braces;
    size_t end = from;
    while (end < with.size() && (std::isalnum(static_cast<unsigned char>(with[end])) || with[end] == '_'))
      ++end;
    if (with[i + 1] == '$' || end == from || (braces && (end >= with.size() || with[end] != '}'))) {
      out += '$';
      i += with[i + 1] == '$';
      continue;
    }
    const std::string name(with.substr(from, end - from));
    const auto number = parsed_int(name);
    const int64_t group = number ? *number : pattern.group_named(name);
    if (group >= 0 && group < int64_t(groups.size())) out += groups[size_t(group)];
    i = end - 1 + braces;
  }
}

template <bool Literal>
Made replace(const Call& c) {
  return with_matches(c, -1, [&](const Pattern& pattern, const auto& all) -> Made {
    const std::string_view whole = c.text(1), with = c.text(2);
    std::string out;
    size_t from = 0;
    for (const Groups& groups : all) {
      const size_t at = size_t(groups[0].data() - whole.data());
      out += whole.substr(from, at - from);
      if (Literal)
        out += with;
      else
        expand(with, pattern, groups, out);
      from = at + groups[0].size();
      if (!c.may_make(double(out.size()))) return too_dear();
    }
    out += whole.substr(from);
    return text(out);
  });
}

Made split_by(const Call& c) {
  const int64_t most = c.integer(2);
  if (most == 0) return Json();
  return with_matches(c, most < 0 ? -1 : most, [&](const Pattern&, const auto& all) -> Made {
    const std::string_view whole = c.text(1);
    JsonArray out;
    size_t from = 0;
    if (!c.text(0).empty() && whole.empty()) return JsonArray{text("")};
    for (const Groups& groups : all) {
      if (most > 0 && int64_t(out.size()) == most - 1) break;
      const size_t at = size_t(groups[0].data() - whole.data()), end = at + groups[0].size();
      if (end == 0) continue;
      if (at == whole.size() && groups[0].empty()) break;
      out.push_back(text(whole.substr(from, at - from)));
      from = end;
    }
    out.push_back(text(whole.substr(from)));
    return out;
  });
}

Made quote_meta(const Call& c) {
  std::string out;
  for (const char ch : c.text(0)) {
    if (std::string_view("\\.+*?()|[]{}^$").contains(ch)) out += '\\';
    out += ch;
  }
  return text(out);
}

constexpr Function kRows[] = {
    {"regexMatch", "ss", match<false>, true},
    {"mustRegexMatch", "ss", match<true>, true},
    {"regexFind", "ss", find, true},
    {"mustRegexFind", "ss", find, true},
    {"regexFindAll", "ssi", find_all, true},
    {"mustRegexFindAll", "ssi", find_all, true},
    {"regexReplaceAll", "sss", replace<false>, true},
    {"mustRegexReplaceAll", "sss", replace<false>, true},
    {"regexReplaceAllLiteral", "sss", replace<true>, true},
    {"mustRegexReplaceAllLiteral", "sss", replace<true>, true},
    {"regexSplit", "ssi", split_by, true},
    {"mustRegexSplit", "ssi", split_by, true},
    {"regexQuoteMeta", "s", quote_meta, true},
};

}  // namespace

std::span<const Function> sprig_pattern_rows() { return kRows; }

}  // namespace ingot::expr
