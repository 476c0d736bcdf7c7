#include <openssl/evp.h>

#include <algorithm>

#include "base/encoding.h"
#include "expr/go_text.h"
#include "expr/rows.h"

namespace ingot::expr {
namespace {

Made too_dear() { return wrong(std::string(kTooDear)); }
Made out_of_range(std::string_view name) { return wrong(std::string(name) + ": out of range"); }

Made trunc(const Call& c) {
  const std::string_view s = c.text(1);
  const int64_t n = c.integer(0), size = int64_t(s.size());
  if (n < 0 && size + n > 0) return text(s.substr(size_t(size + n)));
  return text(n >= 0 && size > n ? s.substr(0, size_t(n)) : s);
}
Made substr(const Call& c) {
  const int64_t from = c.integer(0), to = c.integer(1), size = int64_t(c.text(2).size());
  const std::string_view s = c.text(2);
  const int64_t begin = from < 0 ? 0 : from, end = from >= 0 && (to < 0 || to > size) ? size : to;
  if (begin > end || end > size) return out_of_range("substr");
  return text(s.substr(size_t(begin), size_t(end - begin)));
}
Made abbrev(const Call& c) {
  const int64_t width = c.integer(0);
  const std::string_view s = c.text(1);
  if (width < 4 || int64_t(s.size()) <= width) return text(s);
  return text(std::string(s.substr(0, size_t(width - 3))) + "...");
}

Made trim(const Call& c) { return text(trimmed(c.text(0))); }
Made trim_all(const Call& c) { return text(trimmed(c.text(1), c.text(0))); }
Made trim_suffix(const Call& c) {
  std::string_view s = c.text(1);
  if (s.ends_with(c.text(0))) s.remove_suffix(c.text(0).size());
  return text(s);
}
Made trim_prefix(const Call& c) {
  std::string_view s = c.text(1);
  if (s.starts_with(c.text(0))) s.remove_prefix(c.text(0).size());
  return text(s);
}
Made to_upper(const Call& c) { return text(upper(c.text(0))); }
Made to_lower(const Call& c) { return text(lower(c.text(0))); }

bool is_space(char c) { return std::string_view(" \t\n\v\f\r").contains(c); }
Made nospace(const Call& c) {
  std::string out;
  std::ranges::copy_if(c.text(0), std::back_inserter(out), [](char ch) { return !is_space(ch); });
  return text(out);
}
Made title(const Call& c) {
  std::string out(c.text(0));
  char before = ' ';
  for (char& ch : out) {
    const bool letter = std::isalnum(static_cast<unsigned char>(before)) || before == '_' || (before & 0x80);
    if (!letter && ch >= 'a' && ch <= 'z') ch = char(ch - 32);
    before = ch;
  }
  return text(out);
}
Made untitle(const Call& c) {
  std::string out(c.text(0));
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] >= 'A' && out[i] <= 'Z' && (i == 0 || is_space(out[i - 1]))) out[i] = char(out[i] + 32);
  return text(out);
}
Made initials(const Call& c) {
  std::string out;
  for (size_t i = 0; i < c.text(0).size(); ++i)
    if (!is_space(c.text(0)[i]) && (i == 0 || is_space(c.text(0)[i - 1]))) out += c.text(0)[i];
  return text(out);
}
Made swapcase(const Call& c) {
  std::string out(c.text(0));
  for (char& ch : out)
    if (std::isalpha(static_cast<unsigned char>(ch))) ch = char(ch ^ 0x20);
  return text(out);
}

Made repeat(const Call& c) {
  const int64_t times = c.integer(0);
  if (times < 0) return wrong("repeat: a negative count");
  if (!c.may_make(double(times) * double(c.text(1).size()))) return too_dear();
  std::string out;
  for (int64_t i = 0; i < times && !c.text(1).empty(); ++i) out += c.text(1);
  return text(out);
}
Made replace(const Call& c) {
  const std::string_view from = c.text(0), to = c.text(1);
  if (from.empty()) return wrong("replace: of nothing");
  const auto parts = split(c.text(2), from);
  if (!c.may_make(double(c.text(2).size()) + double(parts.size()) * double(to.size()))) return too_dear();
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) (out += i == 0 ? "" : to) += parts[i];
  return text(out);
}
Made contains(const Call& c) { return Json(c.text(1).contains(c.text(0))); }
Made has_prefix(const Call& c) { return Json(c.text(1).starts_with(c.text(0))); }
Made has_suffix(const Call& c) { return Json(c.text(1).ends_with(c.text(0))); }

template <bool Double>
Made quote(const Call& c) {
  std::string out;
  for (const Value& value : c.arguments) {
    if (value->is_null()) continue;
    if (!out.empty()) out += ' ';
    out += Double ? quoted(printed(*value)) : "'" + printed(*value) + "'";
  }
  return text(out);
}
Made cat(const Call& c) {
  std::string out;
  for (const Value& value : c.arguments)
    if (!value->is_null()) (out += out.empty() ? "" : " ") += printed(*value);
  return text(out);
}
template <bool NewLine>
Made indent(const Call& c) {
  const int64_t width = c.integer(0);
  const auto lines = split(c.text(1), "\n");
  if (width < 0) return wrong("indent: a negative width");
  if (!c.may_make(double(width) * double(lines.size()))) return too_dear();
  const std::string pad(size_t(width), ' ');
  std::string out = NewLine ? "\n" : "";
  for (size_t i = 0; i < lines.size(); ++i) ((out += i == 0 ? "" : "\n") += pad) += lines[i];
  return text(out);
}
Made plural(const Call& c) { return text(c.text(c.integer(2) == 1 ? 0 : 1)); }

template <const EVP_MD* (*Digest)()>
Made sum(const Call& c) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(c.text(0).data(), c.text(0).size(), bytes, &size, Digest(), nullptr);
  return text(hex({reinterpret_cast<const char*>(bytes), size}));
}
Made adler32(const Call& c) {
  uint32_t a = 1, b = 0;
  for (const char ch : c.text(0)) {
    a = (a + static_cast<unsigned char>(ch)) % 65521;
    b = (b + a) % 65521;
  }
  return text(std::to_string(b << 16 | a));
}

Made to_string(const Call& c) { return text(printed(c[0])); }
Made encode(const Call& c) { return text(base64(c.text(0))); }
Made decode(const Call& c) {
  const auto bytes = parse_base64(c.text(0));
  return bytes ? Made(text(*bytes)) : wrong("b64dec: not base64");
}
Made fail(const Call& c) { return wrong(std::string(c.text(0))); }

constexpr Function kRows[] = {
    {"trunc", "is", trunc, true},
    {"substr", "iis", substr, true},
    {"abbrev", "is", abbrev, true},
    {"trim", "s", trim, true},
    {"trimAll", "ss", trim_all, true},
    {"trimall", "ss", trim_all, true},
    {"trimSuffix", "ss", trim_suffix, true},
    {"trimPrefix", "ss", trim_prefix, true},
    {"upper", "s", to_upper, true},
    {"lower", "s", to_lower, true},
    {"nospace", "s", nospace, true},
    {"title", "s", title, true},
    {"untitle", "s", untitle, true},
    {"initials", "s", initials, true},
    {"swapcase", "s", swapcase, true},
    {"repeat", "is", repeat, true},
    {"replace", "sss", replace, true},
    {"contains", "ss", contains, true},
    {"hasPrefix", "ss", has_prefix, true},
    {"hasSuffix", "ss", has_suffix, true},
    {"quote", "a*", quote<true>},
    {"squote", "a*", quote<false>},
    {"cat", "a*", cat},
    {"indent", "is", indent<false>, true},
    {"nindent", "is", indent<true>, true},
    {"plural", "ssi", plural, true},
    {"sha1sum", "s", sum<EVP_sha1>, true},
    {"sha256sum", "s", sum<EVP_sha256>, true},
    {"sha512sum", "s", sum<EVP_sha512>, true},
    {"adler32sum", "s", adler32, true},
    {"toString", "a", to_string},
    {"b64enc", "s", encode, true},
    {"b64dec", "s", decode, true},
    {"fail", "s", fail, true},
};

}  // namespace

std::span<const Function> sprig_text_rows() { return kRows; }

}  // namespace ingot::expr
