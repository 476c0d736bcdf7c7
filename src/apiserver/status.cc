#include "apiserver/status.h"

#include <fmt/format.h>

namespace ingot::apiserver {
using api::JsonArray;
using api::JsonObject;

JsonObject status_object(const Error& error) {
  JsonObject details;
  if (!error.name.empty()) details["name"] = error.name;
  if (!error.group.empty()) details["group"] = error.group;
  if (!error.kind.empty()) details["kind"] = error.kind;
  if (!error.causes.empty()) {
    JsonArray causes;
    for (const Cause& cause : error.causes) {
      JsonObject entry{{"reason", cause.type}, {"message", cause.message}};
      if (!cause.field.empty()) entry["field"] = cause.field;
      causes.push_back(std::move(entry));
    }
    details["causes"] = std::move(causes);
  }
  if (error.retry_after_s) details["retryAfterSeconds"] = *error.retry_after_s;

  JsonObject status{{"kind", "Status"},         {"apiVersion", "v1"},
                    {"metadata", JsonObject{}}, {"status", "Failure"},
                    {"message", error.message}, {"reason", std::string(to_string(error.reason))}};
  if (!details.empty()) status["details"] = std::move(details);
  status["code"] = http_code(error.reason);
  return status;
}

Reply error_reply(const Error& error) {
  Reply reply{.code = http_code(error.reason)};
  if (error.retry_after_s) reply.headers.emplace_back("Retry-After", std::to_string(*error.retry_after_s));
  reply.body.push_back(piece(api::to_text(status_object(error)) + "\n"));
  return reply;
}

Reply json_reply(int code, const api::Json& value) {
  Reply reply{.code = code};
  reply.body.push_back(piece(api::to_text(value)));
  return reply;
}

Reply text_reply(int code, std::string text) {
  Reply reply{.code = code, .content_type = "text/plain; charset=utf-8"};
  reply.body.push_back(piece(std::move(text)));
  return reply;
}

JsonObject success_status(const api::Resource& type, std::string_view name, std::string_view uid) {
  JsonObject details{{"name", name}, {"kind", type.plural}};
  if (!type.group.empty()) details["group"] = type.group;
  if (!uid.empty()) details["uid"] = uid;
  return {{"kind", "Status"},
          {"apiVersion", "v1"},
          {"metadata", JsonObject{}},
          {"status", "Success"},
          {"details", std::move(details)}};
}

Piece piece(std::string text) { return std::make_shared<const std::string>(std::move(text)); }
Piece piece(const api::ObjectPtr& object) { return Piece(object, &object->json); }

Error about(Error error, const api::Resource& type, std::string_view name) {
  if (error.kind.empty()) error.kind = type.plural;
  if (error.group.empty()) error.group = type.group;
  if (error.name.empty()) error.name = name;
  return error;
}

Error not_found(const api::Resource& type, std::string_view name) {
  return about(
      {.reason = Reason::NotFound, .message = fmt::format("{} \"{}\" not found", type.resource(), name)},
      type, name);
}
Error already_exists(const api::Resource& type, std::string_view name) {
  return about({.reason = Reason::AlreadyExists,
                .message = fmt::format("{} \"{}\" already exists", type.resource(), name)},
               type, name);
}
Error conflict(const api::Resource& type, std::string_view name, std::string_view why) {
  return about(
      {.reason = Reason::Conflict,
       .message = fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", type.resource(), name, why)},
      type, name);
}
Error forbidden(const api::Resource& type, std::string_view name, std::string_view why) {
  return about(
      {.reason = Reason::Forbidden,
       .message = name.empty() ? fmt::format("{} is forbidden: {}", type.resource(), why)
                               : fmt::format("{} \"{}\" is forbidden: {}", type.resource(), name, why)},
      type, name);
}

Header warning_header(std::string_view text) {
  constexpr size_t kMost = 2048;
  std::string value = "299 - \"";
  for (char c : text.substr(0, kMost)) {
    if (c == '"' || c == '\\') value += '\\';
    value += uint8_t(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return {"Warning", value + "\""};
}

}  // namespace ingot::apiserver
