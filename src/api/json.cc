#include "api/json.h"

#include <algorithm>
#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serializer.hpp>
#include <limits>

namespace ingot::api {
namespace bj = boost::json;

bj::storage_ptr one_piece(size_t text_bytes) {
  constexpr size_t kTreePerText = 2;  // about
  return bj::make_shared_resource<bj::monotonic_resource>(kTreePerText * text_bytes);
}

Result<Json> parse_json(std::string_view text, bj::storage_ptr storage) {
  bj::error_code error;
  bj::parse_options options;
  options.max_depth = 64;
  Json value = bj::parse(bj::string_view(text.data(), text.size()), error, std::move(storage), options);
  if (error) return fail(Reason::BadRequest, "the body is not valid JSON: " + error.message());
  return value;
}

namespace {
template <class T>
std::string serialized(const T& value) {
  std::array<char, 16 * 1024> piece;  // most objects are one, so that the text has no more room than it needs
  std::string out;
  bj::serializer serializer;
  serializer.reset(&value);
  while (!serializer.done()) {
    const bj::string_view some = serializer.read(piece.data(), piece.size());
    out.append(some.data(), some.size());
  }
  return out;
}
}  // namespace

std::string to_text(const Json& value) { return serialized(value); }
std::string to_text(const JsonObject& value) { return serialized(value); }

const Json* find(const JsonObject& object, std::initializer_list<std::string_view> path) {
  const JsonObject* at = &object;
  const Json* found = nullptr;
  for (std::string_view step : path) {
    if (found) {
      at = found->if_object();
      if (!at) return nullptr;
    }
    found = at->if_contains(bj::string_view(step.data(), step.size()));
    if (!found) return nullptr;
  }
  return found;
}
const Json* find(const Json& value, std::initializer_list<std::string_view> path) {
  if (path.size() == 0) return &value;
  const JsonObject* object = value.if_object();
  return object ? find(*object, path) : nullptr;
}

std::string_view string_at(const Json& value, std::initializer_list<std::string_view> path) {
  const Json* found = find(value, path);
  if (!found || !found->is_string()) return {};
  const bj::string& s = found->get_string();
  return {s.data(), s.size()};
}

std::optional<int64_t> int_at(const Json& value, std::initializer_list<std::string_view> path) {
  const Json* found = find(value, path);
  if (!found) return std::nullopt;
  if (const int64_t* i = found->if_int64()) return *i;
  if (const uint64_t* u = found->if_uint64())
    if (*u <= uint64_t(std::numeric_limits<int64_t>::max())) return int64_t(*u);
  return std::nullopt;
}

bool bool_at(const Json& value, std::initializer_list<std::string_view> path, bool otherwise) {
  const Json* found = find(value, path);
  return found && found->is_bool() ? found->get_bool() : otherwise;
}

const JsonArray& array_at(const Json& value, std::initializer_list<std::string_view> path) {
  static const JsonArray kEmpty;
  const Json* found = find(value, path);
  return found && found->is_array() ? found->get_array() : kEmpty;
}

const JsonObject& object_at(const Json& value, std::initializer_list<std::string_view> path) {
  static const JsonObject kEmpty;
  const Json* found = find(value, path);
  return found && found->is_object() ? found->get_object() : kEmpty;
}

bool same(const Json& a, const Json& b) {
  if (const JsonObject* ours = a.if_object()) {
    const JsonObject* theirs = b.if_object();
    if (!theirs || ours->size() != theirs->size()) return false;
    auto beside = theirs->begin();
    for (const auto& member : *ours) {
      const Json* other =
          beside->key() == member.key() ? &beside->value() : theirs->if_contains(member.key());
      if (!other || !same(member.value(), *other)) return false;
      ++beside;
    }
    return true;
  }
  if (const JsonArray* ours = a.if_array()) {
    const JsonArray* theirs = b.if_array();
    return theirs && std::ranges::equal(*ours, *theirs, same);
  }
  return a == b;
}

void set(Json& value, std::initializer_list<std::string_view> path, Json leaf) {
  Json* at = &value;
  for (std::string_view step : path) {
    if (!at->is_object()) at->emplace_object();
    at = &at->get_object()[bj::string_view(step.data(), step.size())];
  }
  *at = std::move(leaf);
}

void erase(Json& value, std::initializer_list<std::string_view> path) {
  Json* at = &value;
  size_t left = path.size();
  for (std::string_view step : path) {
    JsonObject* object = at->if_object();
    if (!object) return;
    if (--left == 0) {
      object->erase(bj::string_view(step.data(), step.size()));
      return;
    }
    at = object->if_contains(bj::string_view(step.data(), step.size()));
    if (!at) return;
  }
}

}  // namespace ingot::api
