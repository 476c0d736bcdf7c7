// MLflow's REST API on the wire: what a request says, and answers as text. Fields nobody knows are ignored; 64-bit numbers
// are JSON numbers (or texts of digits, as protobuf's clients may write them); NaN and infinities are "NaN", "Infinity" and
// "-Infinity" (and Python's bare NaN is understood). Pure; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json.h"
#include "base/error.h"

namespace ingot::registry {

class Args {
 public:
  // Of a body (may be empty), of query parameters (those given twice are a list) and of parts of the path.
  static Result<Args> read(std::string_view body,
                           const std::vector<std::pair<std::string, std::string>>& query,
                           const std::vector<std::pair<std::string, std::string>>& parts);
  explicit Args(const api::JsonObject& object) : object_(&object) {}  // which outlives it
  Args() = default;

  bool has(std::string_view name) const;
  // "" and nullopt when absent or null; INVALID_PARAMETER_VALUE naming the field when of another type.
  Result<std::string_view> text(std::string_view name) const;
  Result<std::string_view> required(std::string_view name) const;  // absent or "" is an error too
  Result<std::optional<int64_t>> number(std::string_view name) const;
  Result<int64_t> number_or(std::string_view name, int64_t otherwise, int64_t least, int64_t most) const;
  Result<std::optional<double>> real(std::string_view name) const;
  Result<bool> flag(std::string_view name) const;  // true, or "true"; false when absent
  Result<std::vector<std::string>> texts(std::string_view name) const;
  // Objects of a list, at most `most`.
  Result<std::vector<const api::JsonObject*>> objects(std::string_view name, size_t most) const;
  const api::JsonObject* object(std::string_view name) const;

 private:
  const api::Json* at(std::string_view name) const;
  std::shared_ptr<const api::JsonObject> own_ = nullptr;
  const api::JsonObject* object_ = nullptr;
};

Error invalid(std::string message);  // INVALID_PARAMETER_VALUE
Error missing(std::string_view name);

// Text of JSON, written from left to right.
class Out {
 public:
  Out& open(char bracket);   // { or [
  Out& close(char bracket);  // } or ]
  Out& key(std::string_view name);
  Out& text(std::string_view value);
  Out& number(int64_t value);
  Out& real(double value);
  Out& flag(bool value);
  Out& field(std::string_view name, std::string_view value) { return key(name).text(value); }
  Out& field(std::string_view name, int64_t value) { return key(name).number(value); }
  // Unless it is empty.
  Out& field_if(std::string_view name, std::string_view value) {
    return value.empty() ? *this : field(name, value);
  }
  std::string take() { return std::move(text_); }
  size_t size() const { return text_.size(); }

 private:
  void comma();
  std::string text_;
  bool first_ = true;  // in its object or list, or after a key
};

std::string empty_answer();  // {}

// The place in a list that a page goes on from, as MLflow writes it: base64 of {"offset": N}.
std::string page_token(int64_t offset);
Result<int64_t> read_page_token(std::string_view);

}  // namespace ingot::registry
