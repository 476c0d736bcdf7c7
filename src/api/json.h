// JSON values and the few ways the house reads them. Boost.JSON underneath; this is the header everybody
// includes. Readers never throw and never insert: what is absent or of another type reads as empty. Any
// thread.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/storage_ptr.hpp>
#include <boost/json/value.hpp>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot::api {

using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// Memory for what a text of so many bytes says: one piece, which goes with the last copy of any part. For values that are
// soon forgotten; assigned to a value of other memory, they are copied.
boost::json::storage_ptr one_piece(size_t text_bytes);

// Depth ≤ 64 (what apimachinery's decoder would stop at is 10,000; nothing real passes 30). 400 BadRequest
// otherwise.
Result<Json> parse_json(std::string_view text, boost::json::storage_ptr = {});
std::string to_text(const Json&);
std::string to_text(const JsonObject&);

// find(pod, {"spec", "nodeName"}): nullptr when a step is absent or not an object.
const Json* find(const Json&, std::initializer_list<std::string_view> path);
const Json* find(const JsonObject&, std::initializer_list<std::string_view> path);
std::string_view string_at(const Json&, std::initializer_list<std::string_view> path);  // "" when absent
std::optional<int64_t> int_at(const Json&,
                              std::initializer_list<std::string_view> path);  // int64, uint64 that fits
bool bool_at(const Json&, std::initializer_list<std::string_view> path, bool otherwise = false);
const JsonArray& array_at(const Json&, std::initializer_list<std::string_view> path);    // a shared empty one
const JsonObject& object_at(const Json&, std::initializer_list<std::string_view> path);  // a shared empty one

// As ==, without the copy of every member that Boost 1.81's makes; quickest where members are in the same order.
bool same(const Json&, const Json&);

// set(pod, {"status", "phase"}, "Running"): makes the objects on the way; replaces what is no object.
void set(Json&, std::initializer_list<std::string_view> path, Json value);
// The same for a standard string, which does not convert to Json by itself.
template <class Text>
  requires(std::same_as<Text, std::string> || std::same_as<Text, std::string_view>)
void set(Json& value, std::initializer_list<std::string_view> path, const Text& text) {
  set(value, path, Json(boost::json::string_view(text.data(), text.size())));
}
void erase(Json&, std::initializer_list<std::string_view> path);

}  // namespace ingot::api
