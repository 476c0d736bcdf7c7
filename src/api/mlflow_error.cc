#include "api/mlflow_error.h"

#include <array>

#include "api/json.h"

namespace ingot::api {
namespace {

constexpr std::string_view kGroup = "mlflow";  // of an Error that names its code in `kind`

constexpr std::array<MlflowCode, 3> kNamed{{
    {404, "ENDPOINT_NOT_FOUND"},
    {501, "NOT_IMPLEMENTED"},
    {429, "RESOURCE_EXHAUSTED"},
}};

MlflowCode by_reason(Reason reason) {
  switch (reason) {
    case Reason::BadRequest:
    case Reason::Invalid:
    case Reason::NotAcceptable:
    case Reason::UnsupportedMediaType:
      return {400, "INVALID_PARAMETER_VALUE"};
    case Reason::Unauthorized:
      return {401, "UNAUTHENTICATED"};
    case Reason::Forbidden:
      return {403, "PERMISSION_DENIED"};
    case Reason::NotFound:
      return {404, "RESOURCE_DOES_NOT_EXIST"};
    case Reason::MethodNotAllowed:
      return {405, "ENDPOINT_NOT_FOUND"};
    case Reason::AlreadyExists:
      return {400, "RESOURCE_ALREADY_EXISTS"};
    case Reason::Conflict:
    case Reason::Gone:
    case Reason::Expired:
      return {409, "RESOURCE_CONFLICT"};
    case Reason::RequestEntityTooLarge:
      return {413, "BAD_REQUEST"};
    case Reason::TooManyRequests:
      return {429, "REQUEST_LIMIT_EXCEEDED"};
    case Reason::ServiceUnavailable:
      return {503, "TEMPORARILY_UNAVAILABLE"};
    case Reason::Timeout:
      return {504, "DEADLINE_EXCEEDED"};
    case Reason::InternalError:
      break;
  }
  return {500, "INTERNAL_ERROR"};
}

Error named(Reason reason, std::string_view code, std::string message) {
  Error error{.reason = reason, .message = std::move(message)};
  error.group = kGroup;
  error.kind = code;
  return error;
}

}  // namespace

MlflowCode mlflow_code(const Error& error) {
  if (error.group == kGroup)
    for (const MlflowCode& code : kNamed)
      if (code.name == error.kind) return code;
  return by_reason(error.reason);
}

std::string mlflow_error_text(const Error& error) {
  const std::string_view name = mlflow_code(error).name;
  return to_text(JsonObject{{"error_code", name}, {"message", error.message}});
}

Error mlflow_no_endpoint(std::string_view method, std::string_view path) {
  return named(Reason::NotFound, "ENDPOINT_NOT_FOUND",
               "no endpoint of MLflow's API is served at " + std::string(method.substr(0, 16)) + " " +
                   std::string(path.substr(0, 200)));
}
Error mlflow_not_implemented(std::string message) {
  return named(Reason::InternalError, "NOT_IMPLEMENTED", std::move(message));
}
Error mlflow_exhausted(std::string message) {
  return named(Reason::TooManyRequests, "RESOURCE_EXHAUSTED", std::move(message));
}

}  // namespace ingot::api
