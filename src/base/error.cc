#include "base/error.h"

#include <array>
#include <utility>

namespace ingot {
namespace {
struct Row {
  std::string_view name;
  int code;
};
constexpr std::array<Row, 17> kRows{{
    {"BadRequest", 400},
    {"Unauthorized", 401},
    {"Forbidden", 403},
    {"NotFound", 404},
    {"MethodNotAllowed", 405},
    {"NotAcceptable", 406},
    {"AlreadyExists", 409},
    {"Conflict", 409},
    {"Gone", 410},
    {"Expired", 410},
    {"RequestEntityTooLarge", 413},
    {"UnsupportedMediaType", 415},
    {"Invalid", 422},
    {"TooManyRequests", 429},
    {"InternalError", 500},
    {"ServiceUnavailable", 503},
    {"Timeout", 504},
}};
}  // namespace

int http_code(Reason reason) { return kRows.at(std::to_underlying(reason)).code; }
std::string_view to_string(Reason reason) { return kRows.at(std::to_underlying(reason)).name; }
}  // namespace ingot
