#include <algorithm>
#include <charconv>

#include "api/patch.h"

namespace ingot::api {
namespace {

constexpr size_t kMaxOperations = 10'000, kMaxDepth = 64;
constexpr size_t kMaxCopied = 3u << 20;  // bytes all `copy` operations of a patch may add

std::unexpected<Error> refuse(std::string why) { return fail(Reason::Invalid, std::move(why)); }

Result<std::vector<std::string>> pointer(const Json& operation, std::string_view field) {
  const Json* value = find(operation, {field});
  if (!value || !value->is_string())
    return fail(Reason::BadRequest, "a JSON patch operation lacks \"" + std::string(field) + "\"");
  std::string_view text(value->get_string().data(), value->get_string().size());
  std::vector<std::string> steps;
  if (text.empty()) return steps;
  if (text[0] != '/')
    return fail(Reason::BadRequest, "the JSON pointer \"" + std::string(text) + "\" must start with '/'");
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') {
      steps.emplace_back();
    } else if (text[i] != '~') {
      steps.back() += text[i];
    } else if (++i < text.size() && (text[i] == '0' || text[i] == '1')) {
      steps.back() += text[i] == '0' ? '~' : '/';
    } else {
      return fail(Reason::BadRequest,
                  "the JSON pointer \"" + std::string(text) + "\" has a '~' that is neither ~0 nor ~1");
    }
  }
  if (steps.size() > kMaxDepth) return fail(Reason::BadRequest, "a JSON pointer is deeper than 64 steps");
  return steps;
}

// Index of an element; `past` allows the place behind the last one.
std::optional<size_t> index_of(std::string_view step, size_t size, bool past) {
  if (past && step == "-") return size;
  size_t index = 0;
  auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  const bool leading_zero = step.size() > 1 && step[0] == '0';
  if (error != std::errc() || end != step.data() + step.size() || leading_zero) return std::nullopt;
  return index < size + past ? std::optional(index) : std::nullopt;
}

Json* at(Json& root, const std::vector<std::string>& steps, size_t count) {
  Json* value = &root;
  for (size_t i = 0; i < count && value; ++i) {
    if (JsonObject* object = value->if_object()) {
      value = object->if_contains(steps[i]);
    } else if (JsonArray* array = value->if_array()) {
      const std::optional<size_t> index = index_of(steps[i], array->size(), false);
      value = index ? &(*array)[*index] : nullptr;
    } else {
      value = nullptr;
    }
  }
  return value;
}

std::string joined(const std::vector<std::string>& steps) {
  std::string text;
  for (const std::string& step : steps) (text += '/') += step;
  return text;
}

size_t depth(const Json& value) {
  size_t below = 0;
  if (const JsonObject* object = value.if_object())
    for (const auto& member : *object) below = std::max(below, depth(member.value()));
  if (const JsonArray* array = value.if_array())
    for (const Json& item : *array) below = std::max(below, depth(item));
  return value.is_structured() ? below + 1 : 0;
}

Result<void> add(Json& root, const std::vector<std::string>& steps, Json value) {
  if (steps.size() + depth(value) > kMaxDepth)
    return refuse("the JSON patch would nest deeper than 64 levels");
  if (steps.empty()) {
    root = std::move(value);
    return {};
  }
  Json* parent = at(root, steps, steps.size() - 1);
  if (JsonObject* object = parent ? parent->if_object() : nullptr) {
    (*object)[steps.back()] = std::move(value);
    return {};
  }
  if (JsonArray* array = parent ? parent->if_array() : nullptr) {
    const std::optional<size_t> index = index_of(steps.back(), array->size(), true);
    if (!index)
      return refuse("add operation: index " + steps.back() + " of " + joined(steps) + " is out of bounds");
    array->insert(array->begin() + ptrdiff_t(*index), std::move(value));
    return {};
  }
  return refuse("add operation does not apply: doc is missing path: \"" + joined(steps) +
                "\": missing value");
}

Result<Json> take(Json& root, const std::vector<std::string>& steps, std::string_view operation) {
  auto missing = [&] {
    return refuse(std::string(operation) + " operation does not apply: doc is missing path: \"" +
                  joined(steps) + "\": missing value");
  };
  if (steps.empty()) return refuse(std::string(operation) + " operation cannot take the whole document away");
  Json* parent = at(root, steps, steps.size() - 1);
  Json* value = parent ? at(*parent, {steps.back()}, 1) : nullptr;
  if (!value) return missing();
  Json taken = std::move(*value);
  if (JsonObject* object = parent->if_object())
    object->stable_erase(object->find(steps.back()));
  else
    parent->get_array().erase(value);
  return taken;
}

Result<void> apply(Json& root, const Json& operation, size_t& copied) {
  const std::string_view op = string_at(operation, {"op"});
  Result<std::vector<std::string>> path = pointer(operation, "path");
  if (!path) return fail(std::move(path.error()));
  const Json* value = find(operation, {"value"});
  if ((op == "add" || op == "replace" || op == "test") && !value)
    return fail(Reason::BadRequest, "the JSON patch operation \"" + std::string(op) + "\" lacks \"value\"");
  if (op == "add") return add(root, *path, *value);
  if (op == "remove") {
    Result<Json> taken = take(root, *path, "remove");
    return taken ? Result<void>() : fail(std::move(taken.error()));
  }
  if (op == "replace" || op == "test") {
    Json* target = at(root, *path, path->size());
    if (op == "test") {
      if (target ? *target == *value : value->is_null()) return {};
      return refuse("testing path " + joined(*path) + " failed: the value there is another");
    }
    if (!target)
      return refuse("replace operation does not apply: doc is missing key: " + joined(*path) +
                    ": missing value");
    if (path->size() + depth(*value) > kMaxDepth)
      return refuse("the JSON patch would nest deeper than 64 levels");
    *target = *value;
    return {};
  }
  if (op != "move" && op != "copy")
    return fail(Reason::BadRequest, "unexpected kind of JSON patch operation: \"" + std::string(op) + "\"");
  Result<std::vector<std::string>> from = pointer(operation, "from");
  if (!from) return fail(std::move(from.error()));
  if (op == "move") {
    if (from->size() < path->size() && std::equal(from->begin(), from->end(), path->begin()))
      return refuse("move operation: " + joined(*from) + " cannot move into itself");
    Result<Json> taken = take(root, *from, "move");
    return taken ? add(root, *path, std::move(*taken)) : fail(std::move(taken.error()));
  }
  const Json* source = at(root, *from, from->size());
  if (!source)
    return refuse("copy operation does not apply: doc is missing from path: " + joined(*from) +
                  ": missing value");
  copied += to_text(*source).size();
  if (copied > kMaxCopied)
    return fail(Reason::RequestEntityTooLarge,
                "unable to complete the copy operations of the JSON patch: they add more than 3 MiB");
  return add(root, *path, Json(*source));
}

}  // namespace

Result<Json> json_patch(const Json& object, const Json& patch) {
  const JsonArray* operations = patch.if_array();
  if (!operations) return fail(Reason::BadRequest, "a JSON patch must be an array of operations");
  if (operations->size() > kMaxOperations)
    return fail(Reason::RequestEntityTooLarge, "The allowed maximum operations in a JSON patch is " +
                                                   std::to_string(kMaxOperations) + ", got " +
                                                   std::to_string(operations->size()));
  Json result = object;
  size_t copied = 0;
  for (const Json& operation : *operations) {
    if (!operation.is_object())
      return fail(Reason::BadRequest, "a JSON patch must be an array of operations");
    if (Result<void> done = apply(result, operation, copied); !done) return fail(std::move(done.error()));
  }
  return result;
}

}  // namespace ingot::api
