// Expected failures. An Error carries the Kubernetes reason, a message for a person and the fields at fault; the
// API server turns it into a `Status` object, the command line into one line. Plain values; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// metav1.StatusReason, plus the HTTP code each stands for (apimachinery: pkg/apis/meta/v1/types.go).
enum class Reason : uint8_t {
  BadRequest,             // 400
  Unauthorized,           // 401
  Forbidden,              // 403
  NotFound,               // 404
  MethodNotAllowed,       // 405
  NotAcceptable,          // 406
  AlreadyExists,          // 409
  Conflict,               // 409
  Gone,                   // 410
  Expired,                // 410
  RequestEntityTooLarge,  // 413
  UnsupportedMediaType,   // 415
  Invalid,                // 422
  TooManyRequests,        // 429
  InternalError,          // 500
  ServiceUnavailable,     // 503
  Timeout,                // 504
};

int http_code(Reason);
std::string_view to_string(Reason);

// One entry of Status.details.causes. `type` is metav1.CauseType: FieldValueRequired, FieldValueInvalid,
// FieldValueNotSupported, FieldValueDuplicate, FieldValueForbidden, FieldValueTypeInvalid…
struct Cause {
  std::string type;
  std::string field;  // "spec.containers[0].image"
  std::string message;
};

struct [[nodiscard]] Error {
  Reason reason = Reason::InternalError;
  std::string message;
  std::vector<Cause> causes;
  // Status.details: which object; empty where it is not known.
  std::string group, kind, name;
  std::optional<int> retry_after_s;
};

template <class T>
using Result = std::expected<T, Error>;

// `return fail(Reason::NotFound, "pods \"a\" not found");`
[[nodiscard]] inline std::unexpected<Error> fail(Reason reason, std::string message) {
  return std::unexpected(Error{.reason = reason, .message = std::move(message)});
}
[[nodiscard]] inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

}  // namespace ingot
