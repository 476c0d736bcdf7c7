#include "api/patch.h"

namespace ingot::api {
namespace {

void merge(Json& target, const JsonObject& patch) {
  if (!target.is_object()) target.emplace_object();
  JsonObject& object = target.get_object();
  for (const auto& member : patch) {
    if (member.value().is_null()) {
      object.erase(member.key());
    } else if (const JsonObject* below = member.value().if_object()) {
      merge(object[member.key()], *below);
    } else {
      object[member.key()] = member.value();
    }
  }
}

}  // namespace

Result<Json> merge_patch(Json object, const Json& patch) {
  if (!patch.is_object()) return fail(Reason::BadRequest, "a merge patch must be an object");
  merge(object, patch.get_object());
  return object;
}

}  // namespace ingot::api
