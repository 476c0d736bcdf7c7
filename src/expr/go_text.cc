#include "expr/go_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace ingot::expr {
namespace {

// The shortest text that reads as the same number, with an exponent outside 10^from … 10^to.
std::string float_text(double d, int from, int to, bool short_exponent) {
  if (std::isnan(d)) return "NaN";
  if (std::isinf(d)) return d > 0 ? "+Inf" : "-Inf";
  char buffer[64];
  const auto scientific = std::to_chars(buffer, std::end(buffer), d, std::chars_format::scientific);
  const std::string_view text(buffer, scientific.ptr);
  const size_t e = text.find('e');
  int exponent = 0;
  const char* const digits = text.data() + e + 1 + (text[e + 1] == '+');
  std::from_chars(digits, scientific.ptr, exponent);
  if (d != 0 && (exponent < from || exponent >= to)) {
    std::string out(text);
    if (short_exponent && out.size() == e + 4 && out[e + 1] == '-' && out[e + 2] == '0') out.erase(e + 2, 1);
    return out;
  }
  // Only the digits that tell the number apart; then zeros.
  std::string out(text.substr(0, e));
  const bool negative = out.starts_with('-');
  if (negative) out.erase(0, 1);
  std::erase(out, '.');
  if (exponent < 0) out.insert(0, size_t(-exponent), '0');
  const size_t whole = exponent < 0 ? 1 : size_t(exponent) + 1;
  if (out.size() < whole) out.append(whole - out.size(), '0');
  if (out.size() > whole) out.insert(whole, 1, '.');
  return (negative ? "-" : "") + out;
}

std::string go_rfc3339(WallTime time) {
  std::string text = to_rfc3339_micro(time);
  text.pop_back();
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + "Z";
}

void print(const Json& json, std::string& out) {
  if (const auto* list = json.if_array()) {
    out += '[';
    for (const Json& item : *list) {
      if (&item != list->data()) out += ' ';
      print(item, out);
    }
    out += ']';
  } else if (const auto* map = json.if_object()) {
    out += "map[";
    bool first = true;
    for (const auto* member : sorted(*map)) {
      if (!std::exchange(first, false)) out += ' ';
      out += std::string_view(member->key());
      out += ':';
      print(member->value(), out);
    }
    out += ']';
  } else if (json.is_string()) {
    out += text_of(json);
  } else if (json.is_null()) {
    out += "<nil>";
  } else if (json.is_bool()) {
    out += json.get_bool() ? "true" : "false";
  } else if (json.is_int64()) {
    out += std::to_string(json.get_int64());
  } else if (json.is_double()) {
    out += float_text(json.get_double(), -4, 21, false);
  } else {
    out += to_rfc3339_micro(time_of(json)).substr(0, 10) + " " + to_rfc3339(time_of(json)).substr(11, 8) +
           " +0000 UTC";
  }
}

void put_json_text(std::string_view text, bool html_safe, std::string& out) {
  out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    static constexpr std::string_view kFrom = "\"\\\b\f\n\r\t", kTo = "\"\\bfnrt";
    if (const size_t at = kFrom.find(char(c)); at != kFrom.npos) {
      out += '\\';
      out += kTo[at];
    } else if (c < 0x20 || (html_safe && (c == '<' || c == '>' || c == '&'))) {
      out += fmt::format("\\u{:04x}", c);
    } else if (text.substr(i, 2) == "\xe2\x80" && i + 2 < text.size() &&
               (text[i + 2] == '\xa8' || text[i + 2] == '\xa9')) {
      out += text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += char(c);
    }
  }
  out += '"';
}

class JsonWriter {
 public:
  explicit JsonWriter(JsonStyle style) : style_(style) {}

  bool write(const Json& json) {
    if (const auto* list = json.if_array()) {
      return all('[', ']', *list, [&](const Json& item) { return write(item); });
    }
    if (const auto* map = json.if_object()) {
      return all('{', '}', sorted(*map), [&](const auto* member) {
        put_json_text(member->key(), style_.html_safe, out);
        out += style_.indented ? ": " : ":";
        return write(member->value());
      });
    }
    if (json.is_string())
      put_json_text(text_of(json), style_.html_safe, out);
    else if (json.is_null())
      out += "null";
    else if (json.is_double())
      out += float_text(json.get_double(), -6, 21, true);
    else if (is_time(json))
      out += '"' + go_rfc3339(time_of(json)) + '"';
    else
      print(json, out);
    return !json.is_double() || std::isfinite(json.get_double());
  }

  std::string out;

 private:
  template <class All, class One>
  bool all(char open, char close, const All& items, One one) {
    out += open;
    ++level_;
    bool first = true;
    for (const auto& item : items) {
      if (!std::exchange(first, false)) out += ',';
      line();
      if (!one(item)) return false;
    }
    --level_;
    if (!first) line();
    out += close;
    return true;
  }
  void line() {
    if (style_.indented) out += "\n" + std::string(2 * level_, ' ');
  }

  const JsonStyle style_;
  size_t level_ = 0;
};

}  // namespace

std::string printed(const Json& json) {
  std::string out;
  print(json, out);
  return out;
}

Maybe<std::string> json_text(const Json& json, JsonStyle style) {
  JsonWriter writer(style);
  if (!writer.write(json)) return wrong("json: unsupported value: a number that is not finite");
  return std::move(writer.out);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    static constexpr std::string_view kFrom = "\"\\\a\b\f\n\r\t\v", kTo = "\"\\abfnrtv";
    const size_t at = kFrom.find(c);
    if (at != kFrom.npos)
      (out += '\\') += kTo[at];
    else if ((c >= 0 && c < 0x20) || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

Maybe<Json> parsed_json(std::string_view text) {
  auto json = api::parse_json(text);
  if (!json) return wrong(json.error().message);
  struct Floats {
    static void of(Json& value) {
      if (value.is_int64()) value = double(value.get_int64());
      if (value.is_uint64()) value = double(value.get_uint64());
      if (auto* list = value.if_array()) std::ranges::for_each(*list, of);
      if (auto* map = value.if_object())
        for (auto& member : *map) of(member.value());
    }
  };
  Floats::of(*json);
  return *std::move(json);
}

Maybe<int64_t> parsed_int(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return wrong("not an integer: " + std::string(text));
  return n;
}

Maybe<double> parsed_float(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double d = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), d);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return wrong("not a number: " + std::string(text));
  return d;
}

}  // namespace ingot::expr
