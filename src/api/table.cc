#include "api/table.h"

#include "api/table_cells.h"

namespace ingot::api {
namespace {

Json cell(const Column& column, const Json& object, WallTime now) {
  if (column.path.starts_with('@'))
    return computed_cell(std::string_view(column.path).substr(1), object, now);
  const Json* at = &object;
  for (std::string_view rest = column.path; at && !rest.empty();) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    at = find(*at, {rest.substr(0, dot)});
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  if (at && !at->is_structured() && !at->is_null()) return *at;
  return column.type == "integer" ? Json(0) : Json("");
}

}  // namespace

std::optional<IncludeObject> parse_include_object(std::string_view text) {
  if (text.empty() || text == "Metadata") return IncludeObject::Metadata;
  if (text == "None") return IncludeObject::None;
  if (text == "Object") return IncludeObject::Object;
  return std::nullopt;
}

Json table_row(const Resource& resource, const Json& object, IncludeObject include, WallTime now) {
  JsonArray cells;
  cells.reserve(resource.columns.size());
  for (const Column& column : resource.columns) cells.push_back(cell(column, object, now));
  JsonObject row{{"cells", std::move(cells)}};
  if (include == IncludeObject::Object) row["object"] = object;
  if (include == IncludeObject::Metadata) {
    const Json* metadata = find(object, {"metadata"});
    row["object"] = {{"kind", "PartialObjectMetadata"},
                     {"apiVersion", "meta.k8s.io/v1"},
                     {"metadata", metadata ? *metadata : Json(JsonObject())}};
  }
  return row;
}

Json table(const Resource& resource, JsonObject metadata, JsonArray rows, bool definitions) {
  JsonArray columns;
  if (definitions)
    for (const Column& column : resource.columns)
      columns.push_back({{"name", column.name},
                         {"type", column.type},
                         {"format", column.format},
                         {"description", ""},
                         {"priority", column.priority}});
  return JsonObject{{"kind", "Table"},
                    {"apiVersion", "meta.k8s.io/v1"},
                    {"metadata", std::move(metadata)},
                    {"columnDefinitions", definitions ? Json(std::move(columns)) : Json(nullptr)},
                    {"rows", std::move(rows)}};
}

}  // namespace ingot::api
