#include "registry/wire.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/encoding.h"

namespace ingot::registry {
namespace {
using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr size_t kShown = 100;  // of what was sent, in a message

std::string_view view(const boost::json::string& text) { return {text.data(), text.size()}; }

// Python writes NaN, Infinity and -Infinity bare; outside of texts they become texts.
std::string quote_bare(std::string_view body) {
  constexpr std::string_view kBare[] = {"NaN", "-Infinity", "Infinity"};
  std::string out;
  out.reserve(body.size() + 64);
  bool inside = false;
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (inside && c == '\\' && i + 1 < body.size()) {
      out.append(body.substr(i++, 2));
      continue;
    }
    if (c == '"') inside = !inside;
    bool bare = false;
    for (const std::string_view word : kBare)
      if (!inside && body.substr(i).starts_with(word)) {
        out.append(1, '"').append(word).append(1, '"');
        i += word.size() - 1;
        bare = true;
        break;
      }
    if (!bare) out += c;
  }
  return out;
}

Error wrong_type(std::string_view name, std::string_view wanted) {
  return invalid(fmt::format("Invalid value for parameter '{}': must be {}", name.substr(0, kShown), wanted));
}

std::optional<int64_t> whole(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<double> real_of(std::string_view text) {
  if (text == "NaN") return std::nan("");
  if (text == "Infinity") return INFINITY;
  if (text == "-Infinity") return -INFINITY;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

Error invalid(std::string message) { return {.reason = Reason::Invalid, .message = std::move(message)}; }
Error missing(std::string_view name) {
  return invalid(fmt::format("Missing value for required parameter '{}'", name));
}

Result<Args> Args::read(std::string_view body, const std::vector<std::pair<std::string, std::string>>& query,
                        const std::vector<std::pair<std::string, std::string>>& parts) {
  JsonObject all;
  if (body.find_first_not_of(" \t\r\n") != body.npos) {
    Result<Json> value = api::parse_json(body);
    if (!value) value = api::parse_json(quote_bare(body));
    if (!value) return fail(Reason::BadRequest, "the body is no JSON: " + value.error().message);
    if (!value->is_object()) return fail(Reason::BadRequest, "the body must be a JSON object");
    all = std::move(value->get_object());
  }
  for (const auto& [name, value] : query) {
    const boost::json::string text(value);
    Json* known = all.if_contains(name);
    if (!known)
      all[name] = text;
    else if (known->is_array())
      known->get_array().push_back(text);
    else
      *known = JsonArray{*known, text};
  }
  for (const auto& [name, value] : parts) all[name] = boost::json::string(value);
  Args args;
  args.own_ = std::make_shared<const JsonObject>(std::move(all));
  args.object_ = args.own_.get();
  return args;
}

const Json* Args::at(std::string_view name) const {
  const Json* value = object_ ? object_->if_contains(name) : nullptr;
  return value && !value->is_null() ? value : nullptr;
}

bool Args::has(std::string_view name) const { return at(name) != nullptr; }

Result<std::string_view> Args::text(std::string_view name) const {
  const Json* value = at(name);
  if (!value) return std::string_view();
  if (!value->is_string()) return fail(wrong_type(name, "a string"));
  return view(value->get_string());
}

Result<std::string_view> Args::required(std::string_view name) const {
  auto value = text(name);
  if (value && value->empty()) return fail(missing(name));
  return value;
}

Result<std::optional<int64_t>> Args::number(std::string_view name) const {
  const Json* value = at(name);
  if (!value) return std::nullopt;
  if (value->is_int64()) return value->get_int64();
  if (value->is_string())
    if (const auto number = whole(view(value->get_string()))) return *number;
  if (value->is_double()) {
    const double real = value->get_double();
    if (std::abs(real) < 9e15 && real == std::floor(real)) return int64_t(real);
  }
  return fail(wrong_type(name, "a whole number of 64 bits"));
}

Result<int64_t> Args::number_or(std::string_view name, int64_t otherwise, int64_t least, int64_t most) const {
  const auto value = number(name);
  if (!value) return fail(value.error());
  if (!*value) return otherwise;
  if (**value < least || **value > most)
    return fail(wrong_type(name, fmt::format("from {} to {}, and is {}", least, most, **value)));
  return **value;
}

Result<std::optional<double>> Args::real(std::string_view name) const {
  const Json* value = at(name);
  if (!value) return std::nullopt;
  if (value->is_double()) return value->get_double();
  if (value->is_int64()) return double(value->get_int64());
  if (value->is_uint64()) return double(value->get_uint64());
  if (value->is_string())
    if (const auto real = real_of(view(value->get_string()))) return *real;
  return fail(wrong_type(name, "a number"));
}

Result<bool> Args::flag(std::string_view name) const {
  const Json* value = at(name);
  if (!value) return false;
  if (value->is_bool()) return value->get_bool();
  if (value->is_string()) return view(value->get_string()) == "true";
  return fail(wrong_type(name, "true or false"));
}

Result<std::vector<std::string>> Args::texts(std::string_view name) const {
  std::vector<std::string> out;
  const Json* value = at(name);
  if (!value) return out;
  if (value->is_string()) return std::vector<std::string>{std::string(view(value->get_string()))};
  if (!value->is_array()) return fail(wrong_type(name, "a list of strings"));
  for (const Json& item : value->get_array()) {
    if (!item.is_string()) return fail(wrong_type(name, "a list of strings"));
    out.emplace_back(view(item.get_string()));
  }
  return out;
}

Result<std::vector<const JsonObject*>> Args::objects(std::string_view name, size_t most) const {
  std::vector<const JsonObject*> out;
  const Json* value = at(name);
  if (!value) return out;
  if (!value->is_array()) return fail(wrong_type(name, "a list of objects"));
  if (value->get_array().size() > most)
    return fail(invalid(fmt::format("A request may hold at most {} {}, and this holds {}", most, name,
                                    value->get_array().size())));
  for (const Json& item : value->get_array()) {
    if (!item.is_object()) return fail(wrong_type(name, "a list of objects"));
    out.push_back(&item.get_object());
  }
  return out;
}

const JsonObject* Args::object(std::string_view name) const {
  const Json* value = at(name);
  return value && value->is_object() ? &value->get_object() : nullptr;
}

void Out::comma() {
  if (!std::exchange(first_, false)) text_ += ',';
}
Out& Out::open(char bracket) {
  comma();
  text_ += bracket;
  first_ = true;
  return *this;
}
Out& Out::close(char bracket) {
  text_ += bracket;
  first_ = false;
  return *this;
}
Out& Out::key(std::string_view name) {
  comma();
  (((text_ += '"') += name) += '"') += ':';
  first_ = true;
  return *this;
}

Out& Out::text(std::string_view value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  comma();
  text_ += '"';
  size_t plain = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const uint8_t c = uint8_t(value[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    text_.append(value.substr(plain, i - plain));
    plain = i + 1;
    if (c >= 0x20)
      (text_ += '\\') += char(c);
    else
      ((text_ += "\\u00") += kDigits[c >> 4]) += kDigits[c & 15];
  }
  text_.append(value.substr(plain));
  text_ += '"';
  return *this;
}

Out& Out::number(int64_t value) {
  comma();
  char digits[24];
  text_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return *this;
}
Out& Out::real(double value) {
  if (std::isnan(value)) return text("NaN");
  if (std::isinf(value)) return text(value > 0 ? "Infinity" : "-Infinity");
  comma();
  char digits[40];
  const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  const std::string_view written(digits, size_t(end - digits));
  text_ += written;
  if (written.find_first_of(".e") == written.npos) text_ += ".0";
  return *this;
}
Out& Out::flag(bool value) {
  comma();
  text_ += value ? "true" : "false";
  return *this;
}

std::string empty_answer() { return "{}"; }

std::string page_token(int64_t offset) { return base64(fmt::format("{{\"offset\": {}}}", offset)); }

Result<int64_t> read_page_token(std::string_view token) {
  if (token.empty()) return 0;
  const auto text = token.size() < 200 ? parse_base64(token) : std::nullopt;
  const auto value = text ? api::parse_json(*text) : fail(Reason::Invalid, "");
  const auto offset = value ? api::int_at(*value, {"offset"}) : std::nullopt;
  if (!offset || *offset < 0 || *offset > INT32_MAX)
    return fail(invalid("Invalid page token: take it from the answer before"));
  return *offset;
}

}  // namespace ingot::registry
