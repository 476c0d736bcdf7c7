#include "api/json_edit.h"

#include <vector>

namespace ingot::api {

void erase_if(JsonObject& object, const std::function<bool(std::string_view, Json&)>& doomed) {
  std::vector<bool> gone;
  size_t index = 0;
  for (auto& member : object) {
    if (doomed({member.key().data(), member.key().size()}, member.value())) {
      if (gone.empty()) gone.resize(object.size());
      gone[index] = true;
    }
    ++index;
  }
  if (gone.empty()) return;
  JsonObject kept;
  kept.reserve(object.size());
  index = 0;
  for (auto& member : object)
    if (!gone[index++]) kept.emplace(member.key(), std::move(member.value()));
  object = std::move(kept);
}

}  // namespace ingot::api
