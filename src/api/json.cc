#include "api/json.h"

#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <limits>
#include <span>

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

std::string to_text(const Json& value) { return bj::serialize(value); }
std::string to_text(const JsonObject& value) { return bj::serialize(value); }

namespace {
void write_with(std::string& out, const Json* at, std::span<const std::string_view> path, const Json& leaf) {
  if (path.empty()) {
    out += to_text(leaf);
    return;
  }
  const auto begin = [&](const Json& name) {
    ((out += out.back() == '{' ? "" : ",") += to_text(name)) += ':';
  };
  const bj::string_view step(path[0].data(), path[0].size());
  bool there = false;
  out += '{';
  if (const JsonObject* object = at ? at->if_object() : nullptr)
    for (const auto& member : *object) {
      begin(member.key());
      if (member.key() != step) {
        out += to_text(member.value());
        continue;
      }
      there = true;
      write_with(out, &member.value(), path.subspan(1), leaf);
    }
  if (!there) {
    begin(step);
    write_with(out, nullptr, path.subspan(1), leaf);
  }
  out += '}';
}
}  // namespace

std::string to_text_with(const Json& value, std::initializer_list<std::string_view> path, const Json& leaf) {
  std::string out;
  write_with(out, &value, {path.begin(), path.size()}, leaf);
  return out;
}

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
