#include "api/parse.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <cstring>
#include <set>

namespace ingot::api {
namespace {
namespace bj = boost::json;

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxDuplicates = 100;

// The callbacks basic_parser wants, with nothing done.
struct Ignore {
  static constexpr size_t max_object_size = size_t(-1), max_array_size = size_t(-1);
  static constexpr size_t max_key_size = size_t(-1), max_string_size = size_t(-1);
  using E = bj::error_code;
  bool on_document_begin(E&) { return true; }
  bool on_document_end(E&) { return true; }
  bool on_object_begin(E&) { return true; }
  bool on_object_end(size_t, E&) { return true; }
  bool on_array_begin(E&) { return true; }
  bool on_array_end(size_t, E&) { return true; }
  bool on_key_part(bj::string_view, size_t, E&) { return true; }
  bool on_key(bj::string_view, size_t, E&) { return true; }
  bool on_string_part(bj::string_view, size_t, E&) { return true; }
  bool on_string(bj::string_view, size_t, E&) { return true; }
  bool on_number_part(bj::string_view, E&) { return true; }
  bool on_int64(int64_t, bj::string_view, E&) { return true; }
  bool on_uint64(uint64_t, bj::string_view, E&) { return true; }
  bool on_double(double, bj::string_view, E&) { return true; }
  bool on_bool(bool, E&) { return true; }
  bool on_null(E&) { return true; }
  bool on_comment_part(bj::string_view, E&) { return true; }
  bool on_comment(bj::string_view, E&) { return true; }
};

// Builds the value and counts the members written; push_object keeps the last of equal keys.
struct Builder : Ignore {
  bj::value_stack stack;
  size_t members = 0;

  bool on_object_end(size_t n, E&) {
    members += n;
    stack.push_object(n);
    return true;
  }
  bool on_array_end(size_t n, E&) { return stack.push_array(n), true; }
  bool on_key_part(bj::string_view s, size_t, E&) { return stack.push_chars(s), true; }
  bool on_key(bj::string_view s, size_t, E&) { return stack.push_key(s), true; }
  bool on_string_part(bj::string_view s, size_t, E&) { return stack.push_chars(s), true; }
  bool on_string(bj::string_view s, size_t, E&) { return stack.push_string(s), true; }
  bool on_int64(int64_t i, bj::string_view, E&) { return stack.push_int64(i), true; }
  bool on_uint64(uint64_t u, bj::string_view, E&) { return stack.push_uint64(u), true; }
  bool on_double(double d, bj::string_view, E&) { return stack.push_double(d), true; }
  bool on_bool(bool b, E&) { return stack.push_bool(b), true; }
  bool on_null(E&) { return stack.push_null(), true; }
};

// Walks a text known to hold duplicates and writes down their paths.
struct DuplicateFinder : Ignore {
  struct Level {
    std::set<std::string> keys;  // of an object
    size_t path = 0;             // length of the path above
    int64_t index = -1;          // in an array; -1 in an object
  };
  std::vector<Level> levels;
  std::string path, key;
  std::vector<std::string> duplicates;

  void enter_value() {
    if (levels.empty() || levels.back().index < 0) return;
    path.resize(levels.back().path);
    path += "[" + std::to_string(levels.back().index++) + "]";
  }
  bool on_object_begin(E&) {
    enter_value();
    levels.push_back({.path = path.size()});
    return true;
  }
  bool on_array_begin(E&) {
    enter_value();
    levels.push_back({.path = path.size(), .index = 0});
    return true;
  }
  bool leave() {
    path.resize(levels.back().path);
    levels.pop_back();
    return true;
  }
  bool on_object_end(size_t, E&) { return leave(); }
  bool on_array_end(size_t, E&) { return leave(); }
  bool scalar() { return enter_value(), true; }
  bool on_string(bj::string_view, size_t, E&) { return scalar(); }
  bool on_int64(int64_t, bj::string_view, E&) { return scalar(); }
  bool on_uint64(uint64_t, bj::string_view, E&) { return scalar(); }
  bool on_double(double, bj::string_view, E&) { return scalar(); }
  bool on_bool(bool, E&) { return scalar(); }
  bool on_null(E&) { return scalar(); }
  bool on_key_part(bj::string_view s, size_t, E&) { return key.append(s.data(), s.size()), true; }
  bool on_key(bj::string_view s, size_t, E&) {
    key.append(s.data(), s.size());
    Level& level = levels.back();
    path.resize(level.path);
    if (!path.empty()) path += '.';
    path += key;
    if (!level.keys.insert(key).second && duplicates.size() < kMaxDuplicates) duplicates.push_back(path);
    key.clear();
    return true;
  }
};

size_t members_of(const Json& value) {
  size_t sum = 0;
  if (const JsonObject* object = value.if_object()) {
    sum = object->size();
    for (const auto& member : *object) sum += members_of(member.value());
  } else if (const JsonArray* array = value.if_array()) {
    for (const Json& item : *array) sum += members_of(item);
  }
  return sum;
}

template <class Handler>
bj::error_code run(bj::basic_parser<Handler>& parser, std::string_view text) {
  bj::error_code error;
  const size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used < text.size()) error = bj::error::extra_data;
  return error;
}

}  // namespace

Result<Parsed> parse_body_json(std::string_view text) {
  bj::parse_options options;
  options.max_depth = kMaxDepth;
  bj::basic_parser<Builder> parser(options);
  parser.handler().stack.reset(one_piece(text.size()));
  if (bj::error_code error = run(parser, text))
    return fail(Reason::BadRequest, "the body is not valid JSON: " + error.message());
  Parsed out{.value = parser.handler().stack.release()};
  if (members_of(out.value) != parser.handler().members) {
    bj::basic_parser<DuplicateFinder> finder(options);
    run(finder, text);
    out.duplicates = std::move(finder.handler().duplicates);
  }
  return out;
}

namespace {
// Bytes of the character that begins there; 0: none does.
size_t character_at(std::string_view text, size_t at) {
  const unsigned char c = static_cast<unsigned char>(text[at]);
  if (c < 0x80) return 1;
  const size_t extra = c >= 0xC2 && c < 0xE0 ? 1 : (c & 0xF0) == 0xE0 ? 2 : c >= 0xF0 && c < 0xF5 ? 3 : 0;
  if (extra == 0 || at + extra >= text.size()) return 0;
  uint32_t point = c & (0x3Fu >> extra);
  for (size_t k = 1; k <= extra; ++k) {
    const unsigned char next = static_cast<unsigned char>(text[at + k]);
    if ((next & 0xC0) != 0x80) return 0;
    point = point << 6 | (next & 0x3F);
  }
  if ((extra == 2 && point < 0x800) || (extra == 3 && (point < 0x10000 || point > 0x10FFFF))) return 0;
  return point >= 0xD800 && point < 0xE000 ? 0 : extra + 1;
}
}  // namespace

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    // Most texts are ASCII: eight characters at a time.
    uint64_t eight = 0;
    if (i + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + i, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        i += sizeof eight;
        continue;
      }
    }
    const size_t bytes = character_at(text, i);
    if (bytes == 0) return false;
    i += bytes;
  }
  return true;
}

std::string as_utf8(std::string text) {
  if (is_utf8(text)) return text;
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t bytes = character_at(text, i);
    out += bytes == 0 ? std::string_view("\xEF\xBF\xBD") : std::string_view(text).substr(i, bytes);
    i += std::max<size_t>(bytes, 1);
  }
  return out;
}

}  // namespace ingot::api
