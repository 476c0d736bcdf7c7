#include "api/json_text.h"

#include <span>

#include "base/assert.h"

namespace ingot::api {
namespace {

using Path = std::span<const std::string_view>;

// From the opening quote to behind the closing one.
size_t after_string(std::string_view text, size_t at) {
  for (++at; text.at(at) != '"'; ++at) at += text[at] == '\\';
  return at + 1;
}

size_t after_value(std::string_view text, size_t at) {
  if (text.at(at) == '"') return after_string(text, at);
  if (text[at] != '{' && text[at] != '[') return text.find_first_of(",]}", at);
  for (int depth = 0;; ++at) {
    const char c = text.at(at);
    if (c == '"') at = after_string(text, at) - 1;
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    if (depth == 0) return at + 1;
  }
}

// Where the object's member of that name has its value, or where its closing brace is. The names that are asked for
// need no escapes.
struct Place {
  size_t begin, end;
  bool found;
};
Place place(std::string_view object, std::string_view name) {
  size_t at = 1;
  while (object.at(at) != '}') {
    at += object[at] == ',';
    const size_t name_end = after_string(object, at);
    const std::string_view member = object.substr(at + 1, name_end - at - 2);
    const size_t begin = name_end + 1, end = after_value(object, begin);
    if (member == name) return {begin, end, true};
    at = end;
  }
  return {at, at, false};
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
  size_t from = 0, to = text.size();  // what is looked at, and in the end replaced
  std::string instead = value;
  for (Path path(steps); !path.empty(); path = path.subspan(1)) {
    const std::string_view here = text.substr(from, to - from);
    if (!here.starts_with('{')) {
      instead = made(path, value);
      break;
    }
    const Place at = place(here, path[0]);
    to = from + at.end;
    from += at.begin;
    if (at.found) continue;
    const std::string member = made(path, value);
    instead = (at.begin > 1 ? "," : "") + member.substr(1, member.size() - 2);
    break;
  }
  ((out += text.substr(0, from)) += instead) += text.substr(to);
}

}  // namespace ingot::api
