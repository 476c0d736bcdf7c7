#include "api/json_text.h"

#include <optional>
#include <span>

#include "base/assert.h"

namespace ingot::api {
namespace {

using Path = std::span<const std::string_view>;

// From the opening quote to behind the closing one.
size_t after_string(std::string_view text, size_t at) {
  for (size_t quote = text.find('"', at + 1);; quote = text.find('"', quote + 1)) {
    ASSERT(quote != text.npos);
    size_t slash = quote;
    while (text[slash - 1] == '\\') --slash;
    if ((quote - slash) % 2 == 0) return quote + 1;
  }
}

size_t after_value(std::string_view text, size_t at) {
  if (text.at(at) == '"') return after_string(text, at);
  if (text[at] != '{' && text[at] != '[') return text.find_first_of(",]}", at);
  for (int depth = 0;;) {
    const char c = text.at(at);
    if (c == '"') {
      at = after_string(text, at);
      continue;
    }
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    ++at;
    if (depth == 0) return at;
  }
}

// Where the member of that name of the object that begins at `at` has its value, or where the object's closing brace is.
// The names that are asked for need no escapes.
struct Place {
  size_t at;
  bool found, first;
};
Place place(std::string_view text, size_t at, std::string_view name) {
  const size_t open = at++;
  while (text.at(at) != '}') {
    at += text[at] == ',';
    const size_t name_end = after_string(text, at), value = name_end + 1;
    if (text.substr(at + 1, name_end - at - 2) == name) return {value, true, false};
    at = after_value(text, value);
  }
  return {at, false, at == open + 1};
}

std::string made(Path path, const std::string& leaf) {
  std::string text;
  for (const std::string_view step : path) ((text += "{\"") += step) += "\":";
  text += leaf;
  text.append(path.size(), '}');
  return text;
}

}  // namespace

void append_with(std::string& out, std::string_view text, std::initializer_list<std::string_view> steps,
                 const Json& leaf) {
  const std::string value = to_text(leaf);
  size_t from = 0;
  std::optional<size_t> to;  // what is between is replaced; none: the value there
  std::string instead = value;
  for (Path path(steps); !path.empty(); path = path.subspan(1)) {
    if (text.at(from) != '{') {
      instead = made(path, value);
      break;
    }
    const Place next = place(text, from, path[0]);
    from = next.at;
    if (next.found) continue;
    const std::string member = made(path, value);
    instead = (next.first ? "" : ",") + member.substr(1, member.size() - 2);
    to = from;
    break;
  }
  // A value that is not within anything ends with the text.
  const size_t behind = to ? *to : from == 0 ? text.size() : after_value(text, from);
  out.reserve(out.size() + text.size() + instead.size());
  ((out += text.substr(0, from)) += instead) += text.substr(behind);
}

}  // namespace ingot::api
