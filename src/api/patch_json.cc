#include <algorithm>
#include <charconv>

#include "api/patch.h"

namespace ingot::api {
namespace {

constexpr size_t kMaxOperations = 10'000, kMaxDepth = 64;
constexpr size_t kMaxCopied = 3u << 20;  // bytes all `copy` operations of a patch may add
constexpr size_t kMaxWork = 20'000'000;  // values moved or walked over

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

// Carries out operations on a document. Everything that takes time in proportion to the document is counted.
class Patcher {
 public:
  explicit Patcher(Json document) : root_(std::move(document)) {}

  Result<void> apply(const Json& operation) {
    const std::string_view op = string_at(operation, {"op"});
    Result<Steps> path = pointer(operation, "path");
    if (!path) return fail(std::move(path.error()));
    const Json* value = find(operation, {"value"});
    if ((op == "add" || op == "replace" || op == "test") && !value)
      return fail(Reason::BadRequest, "the JSON patch operation \"" + std::string(op) + "\" lacks \"value\"");
    if (op == "add") return add(*path, *value);
    if (op == "remove") {
      Result<Json> taken = take(*path, "remove");
      return taken ? Result<void>() : fail(std::move(taken.error()));
    }
    if (op == "replace") return replace(*path, *value);
    if (op == "test") return test(*path, *value);
    if (op != "move" && op != "copy")
      return fail(Reason::BadRequest, "unexpected kind of JSON patch operation: \"" + std::string(op) + "\"");
    Result<Steps> from = pointer(operation, "from");
    if (!from) return fail(std::move(from.error()));
    return op == "move" ? move(*from, *path) : copy(*from, *path);
  }

  Json release() { return std::move(root_); }

 private:
  using Steps = std::vector<std::string>;

  Result<void> spend(size_t work) {
    work_ += work;
    if (work_ <= kMaxWork) return {};
    return fail(Reason::RequestEntityTooLarge,
                "the JSON patch takes too much work: use fewer operations on large values");
  }

  // Levels below a value; counts the values seen.
  static size_t depth(const Json& value, size_t& seen) {
    size_t below = 0;
    ++seen;
    if (const JsonObject* object = value.if_object())
      for (const auto& member : *object) below = std::max(below, depth(member.value(), seen));
    if (const JsonArray* array = value.if_array())
      for (const Json& item : *array) below = std::max(below, depth(item, seen));
    return value.is_structured() ? below + 1 : 0;
  }
  Result<void> fits(const Steps& path, const Json& value) {
    size_t seen = 0;
    if (path.size() + depth(value, seen) > kMaxDepth)
      return refuse("the JSON patch would nest deeper than 64 levels");
    return spend(seen);
  }

  Result<void> add(const Steps& path, Json value) {
    if (Result<void> fit = fits(path, value); !fit) return fit;
    if (path.empty()) {
      root_ = std::move(value);
      return {};
    }
    Json* parent = at(root_, path, path.size() - 1);
    if (JsonObject* object = parent ? parent->if_object() : nullptr) {
      (*object)[path.back()] = std::move(value);
      return {};
    }
    if (JsonArray* array = parent ? parent->if_array() : nullptr) {
      const std::optional<size_t> index = index_of(path.back(), array->size(), true);
      if (!index)
        return refuse("add operation: index " + path.back() + " of " + joined(path) + " is out of bounds");
      if (Result<void> paid = spend(array->size() - *index); !paid) return paid;
      array->insert(array->begin() + ptrdiff_t(*index), std::move(value));
      return {};
    }
    return refuse("add operation does not apply: doc is missing path: \"" + joined(path) +
                  "\": missing value");
  }

  Result<Json> take(const Steps& path, std::string_view operation) {
    if (path.empty())
      return refuse(std::string(operation) + " operation cannot take the whole document away");
    Json* parent = at(root_, path, path.size() - 1);
    Json* value = parent ? at(*parent, {path.back()}, 1) : nullptr;
    if (!value)
      return refuse(std::string(operation) + " operation does not apply: doc is missing path: \"" +
                    joined(path) + "\": missing value");
    Json taken = std::move(*value);
    if (JsonObject* object = parent->if_object()) {
      object->erase(path.back());
      return taken;
    }
    JsonArray& array = parent->get_array();
    if (Result<void> paid = spend(size_t(array.end() - value)); !paid) return fail(std::move(paid.error()));
    array.erase(value);
    return taken;
  }

  Result<void> replace(const Steps& path, const Json& value) {
    Json* target = at(root_, path, path.size());
    if (!target)
      return refuse("replace operation does not apply: doc is missing key: " + joined(path) +
                    ": missing value");
    if (Result<void> fit = fits(path, value); !fit) return fit;
    *target = value;
    return {};
  }

  Result<void> test(const Steps& path, const Json& value) {
    const Json* target = at(root_, path, path.size());
    if (target ? *target == value : value.is_null()) return {};
    return refuse("testing path " + joined(path) + " failed: the value there is another");
  }

  Result<void> move(const Steps& from, const Steps& path) {
    if (from.size() < path.size() && std::equal(from.begin(), from.end(), path.begin()))
      return refuse("move operation: " + joined(from) + " cannot move into itself");
    Result<Json> taken = take(from, "move");
    return taken ? add(path, std::move(*taken)) : fail(std::move(taken.error()));
  }

  Result<void> copy(const Steps& from, const Steps& path) {
    const Json* source = at(root_, from, from.size());
    if (!source)
      return refuse("copy operation does not apply: doc is missing from path: " + joined(from) +
                    ": missing value");
    copied_ += to_text(*source).size();
    if (copied_ > kMaxCopied)
      return fail(Reason::RequestEntityTooLarge,
                  "unable to complete the copy operations of the JSON patch: they add more than 3 MiB");
    return add(path, Json(*source));
  }

  Json root_;
  size_t copied_ = 0, work_ = 0;
};

}  // namespace

Result<Json> json_patch(const Json& object, const Json& patch) {
  const JsonArray* operations = patch.if_array();
  if (!operations) return fail(Reason::BadRequest, "a JSON patch must be an array of operations");
  if (operations->size() > kMaxOperations)
    return fail(Reason::RequestEntityTooLarge, "The allowed maximum operations in a JSON patch is " +
                                                   std::to_string(kMaxOperations) + ", got " +
                                                   std::to_string(operations->size()));
  Patcher patcher(object);
  for (const Json& operation : *operations) {
    if (!operation.is_object())
      return fail(Reason::BadRequest, "a JSON patch must be an array of operations");
    if (Result<void> done = patcher.apply(operation); !done) return fail(std::move(done.error()));
  }
  return patcher.release();
}

}  // namespace ingot::api
