// From an Error to a metav1.Status reply, and the other small replies. Pure; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/object.h"
#include "api/registry.h"
#include "apiserver/request.h"

namespace ingot::apiserver {

api::JsonObject status_object(const Error&);
Reply error_reply(const Error&);
Reply json_reply(int code, const api::Json&);
Reply text_reply(int code, std::string text);
// The reply to a delete that left nothing behind: Status Success with details.
api::JsonObject success_status(const api::Resource&, std::string_view name, std::string_view uid);

Piece piece(std::string text);
// The stored encoding itself, not a copy.
Piece piece(const api::ObjectPtr&);

// Errors with upstream's wording and details about an object of `type`.
Error not_found(const api::Resource& type, std::string_view name);
Error already_exists(const api::Resource& type, std::string_view name);
Error conflict(const api::Resource& type, std::string_view name, std::string_view why);
Error forbidden(const api::Resource& type, std::string_view name, std::string_view why);
// Fills details (group, kind, name) where the error does not say them yet.
Error about(Error, const api::Resource& type, std::string_view name);

// "Warning" header value (RFC 7234): 299 - "text", quotes escaped, control characters replaced, bounded.
Header warning_header(std::string_view text);

}  // namespace ingot::apiserver
