// What is wrong with an object, field by field, in apimachinery's words (pkg/util/validation/field). Pure.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/error.h"

namespace ingot::api {

// "spec.containers" + 2 → "spec.containers[2]"; + "name" → "….name".
std::string child(std::string_view path, std::string_view name);
std::string item(std::string_view path, size_t index);
std::string entry(std::string_view path, std::string_view key);  // path[key], for maps

// At most `most` bytes, cut between characters; what is cut shows as "…".
std::string shorten(std::string text, size_t most);

class FieldErrors {
 public:
  static constexpr size_t kMost = 100;  // more is no help

  void required(std::string path, std::string_view detail = {});
  void invalid(std::string path, const Json& value, std::string_view detail);
  void unsupported(std::string path, std::string_view value, const std::vector<std::string>& supported);
  void not_found(std::string path, const Json& value);
  void duplicate(std::string path, const Json& value);
  void forbidden(std::string path, std::string_view detail);
  void too_long(std::string path, size_t limit);
  void too_many(std::string path, size_t actual, size_t limit);
  // A value's format: `fault` is "" when it is good.
  void check(std::string_view path, std::string_view value, const std::string& fault);
  bool has(std::string_view path) const;
  bool empty() const { return causes_.empty(); }

  // Kubernetes' `Pod "x" is invalid: …`, 422, or success.
  Result<void> finish(std::string_view group, std::string_view kind, std::string_view name);

 private:
  bool full() const { return causes_.size() >= kMost; }
  void add(std::string_view type, std::string path, std::string message);
  std::vector<Cause> causes_;
};

}  // namespace ingot::api
