#include "workflow/rows.h"

#include <algorithm>
#include <map>

namespace ingot::workflow {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

namespace {

// Of a row alone.
constexpr std::string_view kHidden[] = {"metadata", "after", "parent", "locks"};
// What a client may say of a node: how it stands, never what it is or where it belongs.
constexpr std::string_view kEditable[] = {"phase",   "message",  "startedAt", "finishedAt",
                                          "outputs", "daemoned", "progress"};

Json text(std::string_view t) { return Json(boost::json::string_view(t.data(), t.size())); }

std::string local_scope(std::string_view workflow) { return "local/" + std::string(workflow); }

}  // namespace

std::string row_name(std::string_view workflow, std::string_view node_id) {
  return std::string(workflow) + ":" + std::string(node_id);
}

Json packed(Json node, std::string_view workflow) {
  api::erase(node, {"id"});
  if (api::find(node, {"templateName"}) && string_at(node, {"templateScope"}) == local_scope(workflow))
    api::erase(node, {"templateScope"});
  return node;
}

Json unpacked(Json row, std::string_view row_name) {
  const size_t colon = row_name.find(':');
  api::set(row, {"id"}, text(row_name.substr(colon + 1)));
  const bool of_template = api::find(row, {"templateName"}) && !api::find(row, {"templateScope"});
  if (of_template) api::set(row, {"templateScope"}, text(local_scope(row_name.substr(0, colon))));
  return row;
}

JsonObject shown_nodes(std::vector<Json> rows) {
  const auto order = [](const Json& row) {
    return std::pair(string_at(row, {"startedAt"}), string_at(row, {"name"}));
  };
  std::ranges::sort(rows, [&](const Json& a, const Json& b) { return order(a) < order(b); });
  std::map<std::string, JsonArray, std::less<>> children;
  for (const Json& row : rows)
    for (const Json& id : api::array_at(row, {"after"}))
      children[std::string(string_at(id, {}))].push_back(text(string_at(row, {"id"})));
  JsonObject out;
  for (Json& row : rows) {
    for (const std::string_view field : kHidden) api::erase(row, {field});
    const std::string id(string_at(row, {"id"}));
    if (const auto own = children.find(id); own != children.end())
      row.as_object()["children"] = std::move(own->second);
    out[id] = std::move(row);
  }
  return out;
}

std::optional<Json> row_from_shown(const Json& row, const Json& shown) {
  if (!shown.is_object()) return std::nullopt;
  Json after = row;
  api::erase(after, {"metadata"});
  const Json before = after;
  for (const std::string_view field : kEditable) {
    if (const Json* value = api::find(shown, {field}))
      api::set(after, {field}, *value);
    else
      api::erase(after, {field});
  }
  if (api::same(after, before)) return std::nullopt;
  return after;
}

}  // namespace ingot::workflow
