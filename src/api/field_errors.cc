#include "api/field_errors.h"

#include <algorithm>

namespace ingot::api {
namespace {
constexpr size_t kMaxPathBytes = 512, kMaxMessageBytes = 1024;
}

std::string shorten(std::string text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  text.resize(most);
  return text += "…";
}

std::string child(std::string_view path, std::string_view name) {
  std::string out;
  out.reserve(path.size() + name.size() + 1);
  out += path;
  if (!path.empty()) out += '.';
  return out += name;
}
std::string item(std::string_view path, size_t index) {
  return std::string(path) + "[" + std::to_string(index) + "]";
}
std::string entry(std::string_view path, std::string_view key) {
  return std::string(path) + "[" + std::string(key) + "]";
}

void FieldErrors::add(std::string_view type, std::string path, std::string message) {
  if (full()) return;
  path = shorten(std::move(path), kMaxPathBytes);
  message = shorten(std::move(message), kMaxMessageBytes);
  const bool known = std::ranges::any_of(
      causes_, [&](const Cause& c) { return c.field == path && c.type == type && c.message == message; });
  if (!known) causes_.push_back({std::string(type), std::move(path), std::move(message)});
}

void FieldErrors::required(std::string path, std::string_view detail) {
  add("FieldValueRequired", std::move(path),
      detail.empty() ? "Required value" : "Required value: " + std::string(detail));
}
void FieldErrors::invalid(std::string path, const Json& value, std::string_view detail) {
  if (full()) return;
  add("FieldValueInvalid", std::move(path), "Invalid value: " + to_text(value) + ": " + std::string(detail));
}
void FieldErrors::unsupported(std::string path, std::string_view value,
                              const std::vector<std::string>& supported) {
  if (full()) return;
  std::string all;
  for (const std::string& one : supported) (all.empty() ? all : all += ", ") += to_text(Json(one));
  add("FieldValueNotSupported", std::move(path),
      "Unsupported value: " + to_text(Json(std::string(value))) + ": supported values: " + all);
}
void FieldErrors::not_found(std::string path, const Json& value) {
  if (full()) return;
  add("FieldValueNotFound", std::move(path), "Not found: " + to_text(value));
}
void FieldErrors::duplicate(std::string path, const Json& value) {
  if (full()) return;
  add("FieldValueDuplicate", std::move(path), "Duplicate value: " + to_text(value));
}
void FieldErrors::forbidden(std::string path, std::string_view detail) {
  add("FieldValueForbidden", std::move(path), "Forbidden: " + std::string(detail));
}
void FieldErrors::too_long(std::string path, size_t limit) {
  add("FieldValueTooLong", std::move(path),
      "Too long: may not be more than " + std::to_string(limit) + " bytes");
}
void FieldErrors::too_many(std::string path, size_t actual, size_t limit) {
  add("FieldValueTooMany", std::move(path),
      "Too many: " + std::to_string(actual) + ": must have at most " + std::to_string(limit) + " items");
}
void FieldErrors::check(std::string_view path, std::string_view value, const std::string& fault) {
  if (!fault.empty()) invalid(std::string(path), Json(std::string(value)), fault);
}
bool FieldErrors::has(std::string_view path) const {
  return std::ranges::any_of(causes_, [&](const Cause& c) { return c.field == path; });
}

Result<void> FieldErrors::finish(std::string_view group, std::string_view kind, std::string_view name) {
  if (causes_.empty()) return {};
  std::string all;
  for (const Cause& cause : causes_) (all.empty() ? all : all += ", ") += cause.field + ": " + cause.message;
  if (causes_.size() > 1) all = "[" + all + "]";
  Error error{.reason = Reason::Invalid,
              .group = std::string(group),
              .kind = std::string(kind),
              .name = std::string(name)};
  error.message = std::string(kind) + (group.empty() ? "" : "." + std::string(group)) + " \"" +
                  std::string(name) + "\" is invalid: " + all;
  error.causes = std::move(causes_);
  return fail(std::move(error));
}

}  // namespace ingot::api
