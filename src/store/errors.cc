#include "store/errors.h"

namespace ingot::store {
using api::Key;
namespace {

Error about(Reason reason, const Key& key, std::string message) {
  const std::string_view resource = key.resource();
  const size_t dot = resource.find('.');
  return {.reason = reason,
          .message = std::move(message),
          .group = std::string(dot == resource.npos ? "" : resource.substr(dot + 1)),
          .kind = std::string(resource.substr(0, dot)),
          .name = std::string(key.name())};
}
std::string quoted(const Key& key) {
  return std::string(key.resource()) + " \"" + std::string(key.name()) + "\"";
}

}  // namespace

Error not_found(const Key& key) { return about(Reason::NotFound, key, quoted(key) + " not found"); }
Error already_exists(const Key& key) {
  return about(Reason::AlreadyExists, key, quoted(key) + " already exists");
}
Error conflict(const Key& key) {
  return about(
      Reason::Conflict, key,
      "Operation cannot be fulfilled on " + quoted(key) +
          ": the object has been modified; please apply your changes to the latest version and try again");
}

Error too_new(Revision asked, Revision current) {
  return {.reason = Reason::Timeout,
          .message = "Too large resource version: " + std::to_string(asked.value) +
                     ", current: " + std::to_string(current.value),
          .retry_after_s = 1};
}
Error disk_full(const std::string& path) {
  return {.reason = Reason::ServiceUnavailable,
          .message =
              "the disk that holds " + path + " is full: free space, or delete objects (deletes still work)",
          .retry_after_s = 1};
}
Error queue_full(size_t queued) {
  return {.reason = Reason::TooManyRequests,
          .message =
              "too many requests wait for the store (" + std::to_string(queued) + "), please try again later",
          .retry_after_s = 1};
}
Error reading_again(const std::string& path) {
  return {.reason = Reason::ServiceUnavailable,
          .message = "the store is reading " + path + " again after a failed write",
          .retry_after_s = 1};
}

}  // namespace ingot::store
